"""Formats for each coded tensor: codec, bit depth, mode and QP by layer, what is refused, and what is recorded."""

from __future__ import annotations

import pytest
from conftest import make_features
from test_encoder import coded, decoded

from vcm_ref.bitstream.values import InnerCodecId, Mode, Packing
from vcm_ref.configuration import Configuration
from vcm_ref.encoding.inner_encoders import describe_codec
from vcm_ref.encoding.settings import settings_for
from vcm_ref.errors import ConfigError

FEATURES = make_features(16, 20, 24)
LAYERS = list(FEATURES.layers)


def with_codecs(**sections: dict[str, object]) -> Configuration:
    """A configuration of some sections, with the defaults for all else."""
    return Configuration({**sections})


@pytest.mark.integration
def test_each_layer_has_its_own_codec_and_depth() -> None:
    """A lossless layer of 12 bits beside one of VVC: the first comes back to the last sample, and both verify."""
    first, *others = LAYERS
    configuration = with_codecs(
        codec={"name": {first: "lossless", "default": "vvenc"}, "preset": "faster", "qp": 22},
        quantisation={"bit_depth": {first: 12, "default": 10}},
    )
    header = settings_for(configuration, FEATURES).header
    assert [tensor.format.inner_codec for tensor in header.tensors] == [0, *(InnerCodecId.VVC for _ in others)]
    assert [tensor.format.bit_depth for tensor in header.tensors] == [12, *(10 for _ in others)]
    (picture,) = decoded(coded(configuration, (FEATURES,)))
    assert picture.verified
    alone = Configuration({"codec": {"name": "lossless"}, "quantisation": {"bit_depth": 12}})
    (expected,) = decoded(coded(alone, (FEATURES,)))
    assert (picture.quantised[first] == expected.quantised[first]).all()
    assert (picture.features.layers[first] == expected.features.layers[first]).all()


def test_tiled_layers_of_another_codec_have_frames_of_their_own() -> None:
    """What is coded as the first layer shares its frame; the rest does not."""
    name = {LAYERS[-1]: "lossless", "default": "vvenc"}
    configuration = with_codecs(codec={"name": name}, packing={"method": "stacked"})
    settings = settings_for(configuration, FEATURES)
    packings = [tensor.format.packing for tensor in settings.header.tensors]
    assert packings == [*(Packing.STACKED for _ in LAYERS[1:]), Packing.FRAMES]
    assert [encoder.codec_id for encoder in settings.inner_encoders] == [InnerCodecId.VVC, InnerCodecId.LOSSLESS]
    assert set(settings.verifiers) == {InnerCodecId.VVC, InnerCodecId.LOSSLESS}


def test_a_lossless_layer_has_no_mode() -> None:
    configuration = with_codecs(codec={"name": {LAYERS[0]: "lossless", "default": "vvenc"}, "mode": "RA"})
    modes = [tensor.mode for tensor in settings_for(configuration, FEATURES).header.tensors]
    assert modes == [Mode.AI, *(Mode.RA for _ in LAYERS[1:])]


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"quantisation": {"bit_depth": {LAYERS[1]: 12, "default": 10}}}, f"12 bits need .*{LAYERS[1]}"),
        ({"codec": {"name": {"nowhere": "hevc"}}}, "there is no layer nowhere"),
        ({"codec": {"name": {"*nowhere": "hevc"}}}, r"there is no layer \*nowhere"),
        ({"codec": {"name": {LAYERS[0]: "h264"}}}, "h264"),
        (
            {"codec": {"qp_offset": {LAYERS[0]: 1, LAYERS[1]: 2}}, "packing": {"method": "stacked"}},
            "codes all layers with one QP",
        ),
    ],
)
def test_what_does_not_fit_is_refused(sections: dict[str, dict[str, object]], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        settings_for(with_codecs(**sections), FEATURES)


def test_an_ending_goes_between_places_and_the_default() -> None:
    """The longer of two endings is the nearer one."""
    value = {"*.maps": 2, "*3.maps": 3, "layer 1": 1, "default": 9, "p4.maps": 4}
    configuration = with_codecs(codec={"qp_offset": value})
    names = ["p2.maps", "p3.maps", "p4.maps", "p5.maps", "p5.coefficients"]
    assert configuration.per_layer("codec.qp_offset", names, 0) == [1, 3, 4, 2, 9]


def test_an_option_of_one_of_several_codecs_has_an_effect() -> None:
    mixed = with_codecs(codec={"name": {LAYERS[0]: "lossless", "default": "hevc"}, "gop": 16})
    assert mixed.get("codec.gop") == 16


@pytest.mark.integration
def test_the_record_tells_every_codec() -> None:
    both = describe_codec({"name": {"p2": "lossless", "default": "hevc"}}, {"p2": 12, "default": 10})
    assert both["lossless encoder"] == "lossless"
    assert describe_codec({"name": "lossless"}, 12) == {"encoder": "lossless", "bz2": "block size 9"}
