"""Layers coded one by one and joined are the bitstream that coding them together gives."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from conftest import make_features
from hypothesis import given, settings
from hypothesis import strategies as st

from vcm_ref.bitstream.elements import Part
from vcm_ref.bitstream.join import can_join, join_layers
from vcm_ref.bitstream.values import Packing, RangeScope
from vcm_ref.configuration import Configuration
from vcm_ref.decoder import Decoder
from vcm_ref.encoder import Encoder
from vcm_ref.errors import BitstreamError
from vcm_ref.feature_set import FeatureSet

from .samples import lossless_groups, lossless_header, video_groups, video_header, write_stream

VECTORS = Path(__file__).parents[2] / "conformance" / "vectors"
GRIDS = ("1x1", "2x2", "4x4", "2x1", "16x1")


def tree(**changes: Any) -> dict[str, Any]:
    """An effective configuration; ``codec__qp=30`` changes one key."""
    made: dict[str, Any] = {
        "bitstream": "x.bin",
        "network": {"name": "refnet"},
        "quantisation": {"bit_depth": 10, "range": "layer", "rounding": "nearest"},
        "order": {"method": "none", "coding": "exact"},
        "packing": {"method": "frames", "allocation": "frame_major", "grid": "4x4"},
        "codec": {"name": "lossless", "qp": 32, "mode": "AI", "threads": 1},
        "digest_length": 0,
    }
    for key, value in changes.items():
        if "__" in key:
            room, _, name = key.partition("__")
            made[room][name] = value
        else:
            made[key] = value
    return made


def coded(configuration: dict[str, Any], *pictures: FeatureSet) -> tuple[bytes, dict[Part, int]]:
    """The encoder's bitstream, and its bits by part."""
    file = io.BytesIO()
    encoder = Encoder(Configuration(configuration), file)
    for picture in pictures:
        encoder.encode(picture)
    encoder.close()
    return file.getvalue(), dict(encoder.writer.part_bits)


def only(features: FeatureSet, *layers: str) -> FeatureSet:
    """Some of the layers of a picture."""
    return FeatureSet(features.height, features.width, {name: features.layers[name] for name in layers})


def joined(*parts: bytes) -> bytes:
    file = io.BytesIO()
    join_layers(file, parts)
    return file.getvalue()


@st.composite
def trees(draw: st.DrawFn) -> dict[str, Any]:
    """Any configuration whose layers can be joined, but for the inner codec."""
    scope = draw(st.sampled_from(["layer", "channel", "fixed"]))
    fixed = {"min": -8.0, "max": 8.0} if scope == "fixed" else {}
    return tree(
        quantisation={
            "bit_depth": draw(st.sampled_from([2, 8, 10, 16])),
            "range": scope,
            "rounding": draw(st.sampled_from(["nearest", "floor"])),
            **fixed,
        },
        order={
            "method": draw(st.sampled_from(["none", "mean", "mse"])),
            "coding": draw(st.sampled_from(["exact", "fixed_length"])),
        },
        packing__method=draw(st.sampled_from(["frames", "quilted"])),
        packing__allocation=draw(st.sampled_from(["frame_major", "interleaved"])),
        digest_length=draw(st.sampled_from([0, 1, 8, 32])),
    )


@settings(max_examples=30)
@given(data=st.data(), configuration=trees(), count=st.integers(1, 4), pictures=st.integers(1, 2))
def test_joining_is_coding_together(
    data: st.DataObject, configuration: dict[str, Any], count: int, pictures: int
) -> None:
    """Byte for byte, bit counts too, whatever the configuration; and so is joining what was joined."""
    given_pictures = [make_features(16, 4, 6, layers=count, seed=seed) for seed in range(pictures)]
    layers = list(given_pictures[0].layers)
    grids = [data.draw(st.sampled_from(GRIDS)) for _ in layers]
    modes = [data.draw(st.sampled_from(["AI", "RA"])) for _ in layers]
    configuration["packing"]["grid"] = dict(zip(layers, grids, strict=True))
    configuration["codec"]["mode"] = dict(zip(layers, modes, strict=True))
    together, bits = coded(configuration, *given_pictures)
    parts = []
    for layer, grid, mode in zip(layers, grids, modes, strict=True):
        own = tree(**{key: value for key, value in configuration.items() if key not in ("packing", "codec")})
        own["packing"] = {**configuration["packing"], "grid": grid}
        own["codec"] = {**configuration["codec"], "mode": mode}
        parts.append(coded(own, *(only(picture, layer) for picture in given_pictures))[0])
    file = io.BytesIO()
    assert dict(join_layers(file, parts)) == bits
    assert file.getvalue() == together
    place = data.draw(st.integers(1, count))
    halves = [half for half in (parts[:place], parts[place:]) if half]
    assert joined(*(joined(*half) for half in halves)) == together


@pytest.mark.integration
def test_joining_video() -> None:
    """VVenC's streams have parameter sets, which the bitstream keeps apart; QPs, modes and digests by layer."""
    features = make_features(8, 16, 32, layers=2)
    modes = {"p2": "RA", "p3": "AI"}
    video = {"codec__name": "vvenc", "codec__preset": "faster", "codec__gop": 16, "digest_length": 4}
    grids = {"p2": "2x2", "p3": "4x2"}
    offsets = {"p2": -2, "p3": 3}
    every = tree(**video, codec__mode=modes, codec__qp_offset=offsets, packing__grid=grids)
    parts = [
        coded(
            tree(**video, codec__mode=modes[name], codec__qp=32 + offsets[name], packing__grid=grids[name]),
            only(features, name),
        )[0]
        for name in features.layers
    ]
    together, bits = coded(every, features)
    file = io.BytesIO()
    assert dict(join_layers(file, parts)) == bits
    assert file.getvalue() == together
    decoded = next(Decoder(io.BytesIO(together)).pictures())
    assert decoded.verified
    assert list(decoded.features.layers) == ["p2", "p3"]


@pytest.mark.parametrize(
    "stream",
    [
        write_stream(lossless_header(), lossless_groups()),
        write_stream(video_header(), video_groups()),
        coded(tree(packing={"method": "stacked", "allocation": "frame_major"}), make_features(16, 4, 6))[0],
        coded(tree(quantisation__range="picture"), make_features(16, 4, 6))[0],
    ],
)
def test_one_part_is_written_again_as_it_is(stream: bytes) -> None:
    assert joined(stream) == stream


def test_one_part_keeps_its_models_and_the_digests_of_its_restored_layers() -> None:
    """Every byte of a bitstream counts in its rate."""
    reduced = tree(reduction={"method": "resize", "factor": 2}, digest_length=8)
    streams = [coded(reduced, make_features(16, 4, 6))[0], (VECTORS / "GRAPH_CHANNELS_1.bin").read_bytes()]
    for stream in streams:
        file = io.BytesIO()
        bits = join_layers(file, [stream])
        assert file.getvalue() == stream
        assert sum(bits.values()) == 8 * len(stream)
    assert bits[Part.MODEL] > 1000


def test_what_is_of_all_layers_at_once_cannot_be_joined() -> None:
    features = make_features(16, 4, 6, layers=2)
    for changes in (
        {"packing": {"method": "stacked", "allocation": "frame_major"}},
        {"quantisation__range": "picture"},
    ):
        parts = [coded(tree(**changes), only(features, name))[0] for name in features.layers]
        with pytest.raises(BitstreamError, match="cannot be joined"):
            joined(*parts)
    for how in Packing:
        for scope in RangeScope:
            assert can_join(how, scope) == (how != Packing.STACKED and scope != RangeScope.PICTURE)


def test_parts_with_different_digests_cannot_be_joined() -> None:
    """Their length is the stream's; all else is each tensor's own."""
    features = make_features(16, 4, 6, layers=2)
    first = coded(tree(digest_length=0), only(features, "p2"))[0]
    second = coded(tree(digest_length=8), only(features, "p3"))[0]
    with pytest.raises(BitstreamError, match="not coded in the same way"):
        joined(first, second)


@pytest.mark.integration
def test_parts_of_different_formats_are_joined() -> None:
    """Bit depth, range, order and codec are each tensor's own."""
    features = make_features(16, 20, 24, layers=2)
    first = coded(tree(quantisation__bit_depth=8, order__method="mean"), only(features, "p2"))[0]
    second = coded(tree(codec__name="vvenc", quantisation__range="channel"), only(features, "p3"))[0]
    decoded = [next(Decoder(io.BytesIO(part)).pictures()) for part in (first, second, joined(first, second))]
    for name, own in (("p2", decoded[0]), ("p3", decoded[1])):
        assert (decoded[2].features.layers[name] == own.features.layers[name]).all()


def test_parts_that_do_not_belong_together() -> None:
    """Other pictures, another number of them, the same layer twice, no bitstream, half of one."""
    small, large = make_features(16, 4, 6, layers=2), make_features(16, 6, 6, layers=2)
    p2, p3 = (coded(tree(), only(small, name))[0] for name in ("p2", "p3"))
    with pytest.raises(BitstreamError, match="same name"):
        joined(p2, p2)
    with pytest.raises(BitstreamError, match="different sizes"):
        joined(p2, coded(tree(), only(large, "p3"))[0])
    with pytest.raises(BitstreamError, match="same number of pictures"):
        joined(p2, coded(tree(), only(small, "p3"), only(small, "p3"))[0])
    with pytest.raises(BitstreamError):
        joined(p2, b"no bitstream")
    for end in (5, len(p3) // 2, len(p3) - 1):
        with pytest.raises(BitstreamError):
            joined(p2, p3[:end])


def test_an_error_that_is_no_lengths_passes_as_it_is() -> None:
    """A damaged part is told as what it is, not as a wrong number of pictures."""
    features = make_features(16, 4, 6, layers=2)
    p2, p3 = (coded(tree(), only(features, name))[0] for name in ("p2", "p3"))
    with pytest.raises(BitstreamError) as caught:
        joined(p2, p3[:-3])
    assert "number of pictures" not in str(caught.value)
