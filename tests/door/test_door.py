"""The Python door: arrays to a bitstream and back."""

from __future__ import annotations

import subprocess
import sys
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import vcm_ref
from vcm_ref.bitstream.limits import DecoderLimits
from vcm_ref.decoder import Decoder
from vcm_ref.errors import BitstreamError, ConfigError, DatasetError, LimitError
from vcm_ref.feature_set import FeatureSet

SIZE = (48, 64)


def layers(dtype: Any = np.float32, seed: int = 0) -> dict[str, np.ndarray]:
    """Two layers of 4 maps."""
    numbers = np.random.default_rng(seed)
    return {"p2": numbers.normal(size=(4, 12, 16)).astype(dtype), "p3": numbers.normal(size=(4, 6, 8)).astype(dtype)}


def lossless(features: Any, **options: Any) -> vcm_ref.Coded:
    """Coded without an inner codec, which is fast."""
    settings = {"codec.name": "lossless", **options.pop("set", {})}
    return vcm_ref.encode(features, **{"picture_size": SIZE, "set": settings, **options})


def test_there_and_back() -> None:
    """The restored layers differ by half a step at most, and the integer tensors are the rounded ones."""
    given_layers = layers()
    coded = lossless(given_layers, set={"quantisation.bit_depth": 10})
    features = vcm_ref.decode(coded)
    assert list(features) == ["p2", "p3"]
    assert features.picture_size == SIZE
    assert features.verified
    for name, layer in given_layers.items():
        lo, hi = float(layer.min()), float(layer.max())
        assert features[name].dtype == np.float32
        assert np.abs(features[name] - layer).max() <= (hi - lo) / 1023 / 2 * 1.001
        expected = np.floor((layer.astype(np.float64) - lo) * (1023 / (hi - lo)) + 0.5)
        assert np.abs(features.quantised[name] - expected).max() <= 1
    assert {number: planes.ndim for number, planes in features.planes.items()} == {0: 3, 1: 3}


def test_the_rate() -> None:
    """The parts are those of the file, and bpp is that of its bytes."""
    coded = lossless(layers())
    assert bytes(coded)[:4] == b"VCMF"
    assert len(coded) == len(bytes(coded))
    assert sum(coded.parts.values()) == 8 * len(coded)
    assert coded.pixels == 48 * 64
    assert coded.bpp == 8 * len(coded) / (48 * 64)
    assert coded.configuration["codec"]["name"] == "lossless"
    assert "coded data" in str(coded)
    assert repr(coded) == f"<Coded: {len(coded)} bytes, {coded.bpp:.4f} bpp>"


def test_pictures_are_coded_in_groups() -> None:
    """Of as many as the configuration says; the last group may have fewer, and every picture counts in the rate."""
    pictures = [layers(seed=number) for number in range(3)]
    coded = lossless(pictures, set={"group": 2})
    decoder = Decoder(BytesIO(bytes(coded)))
    assert [picture.report.pictures for picture in decoder.pictures()] == [2, 0, 1]
    assert coded.pixels == 3 * 48 * 64
    for alone, together in zip(pictures, vcm_ref.decode_all(coded), strict=True):
        expected = vcm_ref.decode(lossless(alone))
        assert all(np.array_equal(expected[name], together[name]) for name in alone)


def test_a_shipped_model_is_found() -> None:
    """The one of the configuration's network, as for vcm_enc; it says which layers it is for."""
    with pytest.raises(ConfigError, match="trained for the network refnet"):
        vcm_ref.encode(layers(), picture_size=SIZE, config="klt")


def test_every_kind_of_bitstream(tmp_path: Path) -> None:
    """Bytes, a path and an open file are the same bitstream."""
    coded = lossless(layers())
    coded.save(tmp_path / "x.bin")
    expected = vcm_ref.decode(coded)
    with (tmp_path / "x.bin").open("rb") as file:
        for kind in (bytes(coded), bytearray(coded.data), tmp_path / "x.bin", str(tmp_path / "x.bin"), file):
            found = vcm_ref.decode(kind)
            assert all((found[name] == layer).all() for name, layer in expected.items())
    with pytest.raises(ConfigError, match=r"none\.bin: cannot be read"):
        vcm_ref.decode(tmp_path / "none.bin")
    with pytest.raises(ConfigError, match="not a int"):
        vcm_ref.decode(3)  # type: ignore[arg-type]


def test_several_pictures() -> None:
    """A list is one bitstream, whose pictures come one after another."""
    pictures = [layers(seed=seed) for seed in range(3)]
    coded = lossless(pictures)
    assert coded.pixels == 3 * 48 * 64
    assert len(list(vcm_ref.decode_all(bytes(coded)))) == 3
    for number, found in enumerate(vcm_ref.decode_all(coded)):
        alone = vcm_ref.decode(lossless(pictures[number]))
        assert all((found[name] == alone[name]).all() for name in alone)
    with pytest.raises(ConfigError, match=r"has 3 pictures; use vcm_ref\.decode_all"):
        vcm_ref.decode(coded)


@given(arrays(np.float16, (2, 3, 4), elements=st.floats(-1000, 1000, width=16)))
def test_float16_is_the_float32_of_the_same_value(layer: np.ndarray) -> None:
    """Also with a first axis of length 1."""
    expected = bytes(lossless({"x": layer.astype(np.float32)}))
    assert bytes(lossless({"x": layer})) == expected
    assert bytes(lossless({"x": layer[np.newaxis]})) == expected


@pytest.mark.integration
def test_torch_tensors() -> None:
    """float32, float16 and bfloat16, with a gradient, not contiguous, with a first axis of length 1."""
    torch = pytest.importorskip("torch")
    for dtype in (torch.float32, torch.float16, torch.bfloat16):
        tensors = {name: torch.from_numpy(layer).to(dtype) for name, layer in layers().items()}
        expected = bytes(lossless({name: tensor.float().numpy() for name, tensor in tensors.items()}))
        assert bytes(lossless(tensors)) == expected
        tensors["p2"] = tensors["p2"].permute(1, 2, 0).contiguous().permute(2, 0, 1)[None].requires_grad_()
        assert bytes(lossless(tensors)) == expected


def test_a_feature_set_knows_its_picture() -> None:
    """Networks give feature sets, and take them."""
    features = FeatureSet(48, 64, layers())
    coded = lossless(features, picture_size=None)
    assert bytes(coded) == bytes(lossless(layers()))
    found = vcm_ref.decode(coded).feature_set
    assert (found.height, found.width) == SIZE
    with pytest.raises(DatasetError, match=r"picture_size is \(1, 2\), and the feature set says \(48, 64\)"):
        lossless(features, picture_size=(1, 2))


@pytest.mark.parametrize(
    ("features", "options", "message"),
    [
        ({"p2": np.zeros((2, 4, 12, 16), np.float32)}, {}, r"layer p2 has shape \(2, 4, 12, 16\), a batch; give each"),
        ({"p2": np.zeros((12, 16), np.float32)}, {}, r"layer p2 has shape \(12, 16\); it must be \(C, H, W\)"),
        ({"p2": np.zeros((4, 12, 16), bool)}, {}, "layer p2 holds bool; convert it to float32"),
        ({"p2": np.full((4, 12, 16), 0.1)}, {}, r"layer p2 holds float64 numbers .* convert them with .astype"),
        ({"p2": np.full((4, 12, 16), np.nan, np.float32)}, {}, "layer p2 holds NaN at channel 0, row 0, column 0"),
        ({"p2": [[[0.0]]]}, {}, "layer p2 is a list; give a NumPy array or a torch tensor"),
        ({2: np.zeros((4, 12, 16), np.float32)}, {}, "layer 2: a name is a text"),
        ({}, {}, "there are no layers"),
        ([], {}, "features are a mapping of layer names to arrays"),
        ([np.zeros((4, 12, 16))], {}, r"features are a mapping .*not a ndarray"),
        (np.zeros((4, 12, 16), np.float32), {}, "features are a mapping of layer names to arrays"),
        (layers(), {"picture_size": None}, r"picture_size is missing; give height and width"),
        (layers(), {"picture_size": (48, 64.5)}, r"picture_size is \(48, 64.5\); it must be \(height, width\)"),
        (layers(), {"picture_size": 48}, "picture_size is 48; it must be"),
        (layers(), {"picture_size": (0, 64)}, r"picture_size is \(0, 64\); it must be"),
        ({"a layer": layers()["p2"]}, {}, "layer 'a layer': a name is 1 to"),
    ],
)
def test_mistakes_name_the_layer_and_the_remedy(features: Any, options: dict[str, Any], message: str) -> None:
    """In one line."""
    with pytest.raises(DatasetError, match=message):
        lossless(features, **options)


def test_mistakes_in_the_configuration() -> None:
    """Names, keys and values are those of the command line."""
    with pytest.raises(ConfigError, match="did you mean fframe"):
        lossless(layers(), config="fframes")
    with pytest.raises(ConfigError, match="did you mean preset"):
        lossless(layers(), set={"codec.presets": "fast"})
    with pytest.raises(ConfigError, match=r"it has no effect with codec\.name lossless"):
        lossless(layers(), qp=3)


def test_layers_that_look_channels_last() -> None:
    """A guess, so that it is a warning."""
    with pytest.warns(UserWarning, match=r"the layers look like \(H, W, C\)"):
        lossless({"p2": np.zeros((12, 16, 64), np.float32)})


def test_limits_and_damage() -> None:
    """Limits have the names of ``vcm_dec --limit``."""
    coded = lossless(layers())
    for limits in ({"layers": 1}, DecoderLimits(layers=1)):
        with pytest.raises(LimitError, match="layers would be 2"):
            vcm_ref.decode(coded, limits=limits)
    with pytest.raises(ConfigError, match="there is no limit layer; the limits are"):
        vcm_ref.decode(coded, limits={"layer": 1})
    with pytest.raises(BitstreamError):
        vcm_ref.decode(bytes(coded)[:-1])


@pytest.mark.integration
def test_a_video_codec() -> None:
    """``qp`` and ``set`` reach it: a higher QP gives fewer bytes."""
    coarse = vcm_ref.encode(layers(), picture_size=SIZE, qp=47)
    fine = vcm_ref.encode(layers(), picture_size=SIZE, qp=22, set={"codec.preset": "fast"})
    assert len(coarse) < len(fine)
    assert coarse.configuration["codec"]["qp"] == 47
    assert vcm_ref.decode(fine)["p2"].shape == (4, 12, 16)


def test_a_stream_is_read_from_where_it_stands() -> None:
    """As the command line reads a file."""
    assert list(vcm_ref.decode(BytesIO(bytes(lossless(layers()))))) == ["p2", "p3"]


@pytest.mark.integration
def test_the_door_opens_when_it_is_used() -> None:
    """``import vcm_ref`` imports nothing; encoding imports no torch, and decoding no encoder."""

    def loaded(code: str) -> set[str]:
        told = subprocess.run(
            [sys.executable, "-c", f"import sys, vcm_ref\n{code}\nprint(*sys.modules)"],
            capture_output=True,
            text=True,
            check=True,
        )
        return set(told.stdout.split())

    assert loaded("dir(vcm_ref)") & {"numpy", "vcm_ref.door", "vcm_ref.configuration"} == set()
    assert "torch" not in loaded("vcm_ref.encode")
    assert loaded("vcm_ref.decode") & {"torch", "vcm_ref.encoder", "vcm_ref.configuration", "yaml"} == set()
    with pytest.raises(AttributeError, match="no attribute 'coding'"):
        vcm_ref.coding  # noqa: B018
    assert set(vcm_ref.__all__) <= set(dir(vcm_ref))


def test_levels_without_frames() -> None:
    """The codec ``coefficients`` has integer levels and no planes; its values are multiples of the step size."""
    given_layers = layers()
    coded = vcm_ref.encode(given_layers, picture_size=SIZE, config="coefficients", qp=20)
    features = vcm_ref.decode(coded)
    assert features.planes == {}
    assert features.quantised["p2"].dtype == np.int32
    assert np.abs(features["p2"] - given_layers["p2"]).max() < 2 ** ((20 - 32) / 6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"features": {"p2": np.zeros((1, 4, 6, 8), np.float32)[:0]}}, r"layer p2 has shape \(0, 4, 6, 8\)"),
        ({"features": {"p2": np.ma.masked_equal(np.eye(3, dtype=np.float32)[None], 0)}}, "has masked samples"),
        ({"picture_size": (float("inf"), 64)}, "must be .height, width. in whole pixels"),
    ],
)
def test_features_and_sizes_that_cannot_be_coded(change: dict[str, Any], message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        lossless(**{"features": layers(), **change})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"set": {"codec.name": "coefficients", "codec.rdoq": float("nan")}}, "codec.rdoq: is nan; .* must be finite"),
        ({"set": {"codec": {"name": "lossless", "time_limit": float("inf")}}}, "codec.time_limit: is inf"),
        ({"set": {1: 2}}, "1 is not a key"),
        ({"set": ["codec.qp=3"]}, "set is a mapping"),
        ({"set": {"frames": 3}}, "frames: is for vcm_enc"),
        ({"set": {"codec.name": "lossless", "group_parameters": "common"}}, "has no effect unless group is at least 2"),
        ({"set": {"codec.name": "coefficients", "group": 2, "group_parameters": "common"}}, "codes no ranges"),
        ({"config": 3}, "config is the name of a configuration"),
    ],
)
def test_options_that_a_program_cannot_mean(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        vcm_ref.encode(layers(), picture_size=SIZE, **change)


@pytest.mark.parametrize("limits", [["frames"], {"frames": "5"}, {"frames": None}, {"frames": float("nan")}])
def test_limits_that_are_not_numbers(limits: Any) -> None:
    with pytest.raises(ConfigError, match="limits"):
        vcm_ref.decode(lossless(layers()), limits=limits)
