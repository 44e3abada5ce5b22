"""The encoder's own rules: groups, the declared level, reduction, conversion alone, output that is a pipe."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import CONFIGURATIONS, make_features

from vcm_ref.bitstream.stream import BitstreamReader, CodedGroup
from vcm_ref.configuration import Configuration, load_configuration
from vcm_ref.decoder import DecodedPicture, Decoder
from vcm_ref.encoder import Encoder
from vcm_ref.errors import ConfigError, DatasetError
from vcm_ref.feature_set import FeatureSet

LOSSLESS = ["codec.name=lossless", "packing.grid=2x2", "order.method=mean"]


def configured(*settings: str, name: str = "base") -> Configuration:
    """A shipped configuration with some settings."""
    return load_configuration([CONFIGURATIONS / f"{name}.yaml"], [*LOSSLESS, *settings])


def coded(configuration: Configuration, *groups: tuple[FeatureSet, ...]) -> bytes:
    """The bitstream of some groups."""
    file = io.BytesIO()
    encoder = Encoder(configuration, file)
    for group in groups:
        encoder.encode(*group)
    encoder.close()
    return file.getvalue()


def decoded(data: bytes) -> list[DecodedPicture]:
    """All pictures of a bitstream."""
    return list(Decoder(io.BytesIO(data)).pictures())


def test_conversion_alone_writes_nothing() -> None:
    file = io.BytesIO()
    encoder = Encoder(configured(), file)
    encoder.convert(make_features(16, 8, 12))
    assert file.getvalue() == b""


@pytest.mark.integration
@pytest.mark.parametrize("codec", ["lossless", "hevc"])
def test_a_group_decodes_as_its_pictures_do(codec: str) -> None:
    """Tensors of pictures coded together are those of pictures coded one by one; lossless, to the last sample."""
    pictures = tuple(make_features(16, 20, 24, seed=seed) for seed in range(3))
    mode = [] if codec == "lossless" else ["codec.mode=RA"]
    configuration = configured(f"codec.name={codec}", "group_parameters=own", *mode)
    together = decoded(coded(configuration, pictures[:2], pictures[2:]))
    alone = decoded(coded(configuration, *((picture,) for picture in pictures)))
    assert [picture.verified for picture in together] == [True] * 3
    for one, other in zip(together, alone, strict=True):
        assert list(one.quantised) == list(other.quantised)
        for name, tensor in one.quantised.items():
            assert tensor.shape == other.quantised[name].shape
            if codec == "lossless":
                np.testing.assert_array_equal(tensor, other.quantised[name])
                np.testing.assert_array_equal(one.features.layers[name], other.features.layers[name])


def test_a_group_has_the_ranges_of_all_and_the_order_of_the_first() -> None:
    pictures = tuple(make_features(16, 8, 12, seed=seed) for seed in (1, 2))
    data = coded(configured("group_parameters=common"), pictures)
    reader = BitstreamReader(io.BytesIO(data))
    group = next(iter(reader.groups()))
    for number, layer in enumerate(pictures[0].layers):
        lowest = min(float(picture.layers[layer].min()) for picture in pictures)
        highest = max(float(picture.layers[layer].max()) for picture in pictures)
        first, second = (picture.tensors[number] for picture in group.header.pictures)
        assert first.ranges == second.ranges == [(lowest, highest)]
        # `mean`: the brightest map first
        assert first.order == np.argsort(-pictures[0].layers[layer].mean(axis=(1, 2)), kind="stable").tolist()
        assert second.order == first.order
    for found, picture in zip(decoded(data), pictures, strict=True):
        for layer, values in picture.layers.items():
            assert np.abs(found.features.layers[layer] - values).max() <= (values.max() - values.min()) / 1000
    own = next(iter(BitstreamReader(io.BytesIO(coded(configured("group_parameters=own"), pictures))).groups()))
    assert own.header.pictures[0].tensors[0].ranges != own.header.pictures[1].tensors[0].ranges


def test_the_report_of_a_group_is_on_all_its_pictures() -> None:
    file = io.BytesIO()
    encoder = Encoder(configured(), file)
    features = make_features(16, 8, 12)
    report = encoder.encode(features, features)
    encoder.close()
    assert report.pixels == 2 * features.height * features.width
    assert report.later_t1_digests == [report.t1_digests]
    assert sum(encoder.writer.part_bits.values()) == 8 * len(file.getvalue())


@pytest.mark.parametrize(("first", "last"), [(0, 6), (0, 1), (1, 2), (1, 5), (3, 5), (5, 6)])
def test_of_wanted_pictures_only_their_groups_are_decoded(
    first: int, last: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = tuple(make_features(16, 8, 12, seed=seed) for seed in range(6))
    groups = [(0, 1), (2, 3, 4), (5,)]
    data = coded(configured(), *(tuple(pictures[number] for number in group) for group in groups))
    expected = decoded(data)
    count = 0

    def counted(decoder: Decoder, group: CodedGroup) -> Any:
        nonlocal count
        count += 1
        return substreams(decoder, group)

    substreams = Decoder._decode_substreams
    monkeypatch.setattr(Decoder, "_decode_substreams", counted)
    found = list(Decoder(io.BytesIO(data)).pictures(range(first, last)))
    assert count == sum(1 for group in groups if {*group} & {*range(first, last)})
    for one, other in zip(found, expected[first:last], strict=True):
        for name, tensor in one.quantised.items():
            np.testing.assert_array_equal(tensor, other.quantised[name])
    # A group's report stands once, with the number of its pictures.
    assert sum(bool(picture.report.substreams) for picture in found) == count
    if (first, last) == (0, 6):
        assert [picture.report.pictures for picture in found] == [2, 0, 3, 0, 0, 1]


def test_pictures_of_other_sizes_are_other_groups() -> None:
    with pytest.raises(DatasetError, match="one group must have the same size"):
        coded(configured(), (make_features(16, 8, 12), make_features(16, 8, 14)))
    assert len(decoded(coded(configured(), (make_features(16, 8, 12),), (make_features(16, 8, 14),)))) == 2


def test_a_later_group_above_the_level_names_the_key() -> None:
    """p2 of 16 maps: 16 * 1100 * 1000 samples are more than level 1 allows."""
    small = FeatureSet(8, 8, {"p2": np.zeros((16, 1, 1), np.float32)})
    large = FeatureSet(8, 8, {"p2": np.zeros((16, 1100, 1000), np.float32)})
    with pytest.raises(ConfigError, match=r"^level: level 1 allows max_group_samples .* declare a higher level"):
        coded(configured("digest_length=0"), (small,), (large,))
    data = coded(configured("level=3"), (small,))
    assert Decoder(io.BytesIO(data)).header.level == 3


def test_a_declared_level_that_is_too_low_is_refused() -> None:
    wide = FeatureSet(8, 8, {"p2": np.zeros((4, 1, 9000), np.float32)})
    with pytest.raises(ConfigError, match="level: level 1 allows max_side 8192, and 18000 are needed"):
        coded(configured("level=1"), (wide,))


@pytest.mark.parametrize("factor", ["2", "4", "{p2: 4, p3: 2, default: 1}"])
def test_resized_layers_come_back_at_their_size(factor: str) -> None:
    """Smooth layers, within the noise that was averaged away; the T2 digest is in the bitstream."""
    features = make_features(16, 24, 36)
    data = coded(configured("reduction.method=resize", f"reduction.factor={factor}"), (features,))
    (picture,) = decoded(data)
    assert picture.verified
    assert Decoder(io.BytesIO(data)).header.t2_digest
    for name, layer in features.layers.items():
        found = picture.features.layers[name]
        assert found.shape == layer.shape
        assert np.abs(found - layer).mean() < 0.6
    assert picture.quantised["p2"].shape[1:] == {"2": (12, 18)}.get(factor, (6, 9))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["reduction.method=resize"], "reduction.factor: does not resize a layer"),
        (["reduction.method=resize", "reduction.factor=1"], "reduction.factor: does not resize a layer"),
        (["reduction.method=none", "reduction.factor=2"], "has no effect"),
        (["reduction.method=resize", "reduction.factor=3"], "reduction.factor"),
        (["reduction.method=resize", "reduction.factor={p9: 2}"], "there is no layer p9"),
        (["level=5"], "level"),
    ],
)
def test_settings_that_do_not_fit(settings: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        coded(configured(*settings), (make_features(16, 8, 12),))


def test_the_output_may_be_a_pipe(tmp_path: Path) -> None:
    class Pipe(io.RawIOBase):
        data = b""

        def writable(self) -> bool:
            return True

        def write(self, data: Any) -> int:
            self.data += bytes(data)
            return len(data)

    pipe = Pipe()
    encoder = Encoder(configured(), pipe)  # type: ignore[arg-type]
    encoder.encode(make_features(16, 8, 12))
    encoder.close()
    assert pipe.data == coded(configured(), (make_features(16, 8, 12),))


LEVELS = ["codec.name=coefficients", "codec.qp=26"]


def of_levels(*settings: str) -> Configuration:
    """The shipped configuration of levels with some settings."""
    return load_configuration([CONFIGURATIONS / "coefficients.yaml"], [*LEVELS, *settings])


def test_levels_are_decoded_as_they_were_chosen() -> None:
    """Within the step size of the layers; with digests; no planes."""
    features = make_features(16, 20, 24)
    (picture,) = decoded(coded(of_levels(), (features,)))
    assert picture.verified and picture.planes == {}
    for name, layer in features.layers.items():
        assert picture.quantised[name].dtype == np.int32
        assert np.abs(picture.features.layers[name] - layer).max() <= 1.5 * 0.5


def test_levels_of_a_group_are_those_of_its_pictures() -> None:
    pictures = tuple(make_features(5, 6, 7, seed=seed) for seed in range(3))
    together = decoded(coded(of_levels(), pictures))
    alone = decoded(coded(of_levels(), *((picture,) for picture in pictures)))
    for one, other in zip(together, alone, strict=True):
        for name, levels in one.quantised.items():
            np.testing.assert_array_equal(levels, other.quantised[name])


def test_levels_over_time_cost_less_and_are_decoded() -> None:
    """By default where pictures are in groups; the picture before helps, and is not needed."""
    first = make_features(16, 20, 24)
    noise = np.random.default_rng(5)
    pictures = (first, *(_noisy(first, noise) for _ in range(3)))
    over_time, plain = of_levels("group=4"), of_levels("group=4", "codec.picture_before=false")
    streams = [coded(configuration, pictures) for configuration in (over_time, plain)]
    assert len(streams[0]) < 0.9 * len(streams[1])
    for stream, before in zip(streams, (True, False), strict=True):
        (levels, *_) = (tensor.format.levels for tensor in BitstreamReader(io.BytesIO(stream)).header.tensors)
        assert levels is not None and levels.picture_before == before
        for picture, original in zip(decoded(stream), pictures, strict=True):
            assert picture.verified
            for name, layer in original.layers.items():
                assert np.abs(picture.features.layers[name] - layer).max() <= 1.5 * 0.5


def _noisy(features: FeatureSet, noise: np.random.Generator) -> FeatureSet:
    layers = {
        name: layer + noise.normal(0, 0.1, layer.shape).astype(np.float32) for name, layer in features.layers.items()
    }
    return FeatureSet(features.height, features.width, layers)


def test_a_picture_alone_has_none_before() -> None:
    with pytest.raises(ConfigError, match=r"codec.picture_before.*unless group is at least 2"):
        coded(of_levels("codec.picture_before=true"), (make_features(2, 4, 4),))


def test_levels_of_reduced_layers_are_decoded() -> None:
    """RESIZE interpolates what levels stand for."""
    (picture,) = decoded(coded(of_levels("reduction.method=resize", "reduction.factor=2"), (make_features(4, 9, 7),)))
    (levels, *_), (layer, *_) = picture.quantised.values(), picture.features.layers.values()
    assert levels.shape[1:] == ((layer.shape[1] + 1) // 2, (layer.shape[2] + 1) // 2)
    assert picture.verified


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        (["codec.rounding_offset=0.3"], "codec.rounding_offset"),
        (["codec.qp=60", "codec.qp_offset=4"], "codec.qp_offset"),
        (["codec.preset=fast"], "codec.preset"),
        (["quantisation.bit_depth=8"], "quantisation.bit_depth"),
        (["packing.method=quilted"], "packing.method"),
        (["order.method=mean"], "order.method"),
    ],
)
def test_options_without_effect_on_levels_are_refused(settings: list[str], key: str) -> None:
    with pytest.raises(ConfigError, match=key):
        coded(of_levels(*settings), (make_features(2, 4, 4),))


def test_a_rounding_offset_goes_with_its_reconstruction() -> None:
    """The mean error of what is not zero is near nothing."""
    features = make_features(16, 20, 24)
    for offset in ("0.2", "0.4"):
        (picture,) = decoded(coded(of_levels("codec.rdoq=0", f"codec.rounding_offset={offset}"), (features,)))
        assert picture.verified


@pytest.mark.parametrize("scope", ["layer", "channel"])
def test_fitted_ends_bring_less_error_at_two_bits(scope: str) -> None:
    """Each map has one far value, which the extremes follow."""
    features = make_features(16, 20, 24)
    for layer in features.layers.values():
        layer[:, 0, 0] = 40
    errors = []
    for ends in ("extremes", "least_error"):
        configuration = configured(
            "quantisation.bit_depth=2", f"quantisation.range={scope}", f"quantisation.ends={ends}"
        )
        (picture,) = decoded(coded(configuration, (features,)))
        assert picture.verified
        errors.append(np.mean([np.square(picture.features.layers[k] - v).mean() for k, v in features.layers.items()]))
    assert errors[1] < errors[0] / 2


@pytest.mark.parametrize(
    "settings", [["quantisation.range=picture"], ["quantisation.range=channel", "quantisation.bit_depth=9"]]
)
def test_fitted_ends_without_effect_are_refused(settings: list[str]) -> None:
    with pytest.raises(ConfigError, match=r"quantisation\.ends.*has no effect"):
        coded(configured("quantisation.ends=least_error", *settings), (make_features(16, 8, 12),))


def test_samples_of_one_bit_decode() -> None:
    features = make_features(16, 8, 12)
    (picture,) = decoded(coded(configured("quantisation.bit_depth=1", "quantisation.range=channel"), (features,)))
    for name, layer in features.layers.items():
        ends = np.stack([layer.min((1, 2)), layer.max((1, 2))], 1)
        assert all(set(own.ravel()) <= set(pair) for own, pair in zip(picture.features.layers[name], ends, strict=True))
