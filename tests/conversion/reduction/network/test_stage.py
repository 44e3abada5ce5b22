"""The stage NETWORK from layers to a bitstream and back, with a model that loses nothing itself."""

from __future__ import annotations

import hashlib
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import CONFIGURATIONS
from hypothesis import given
from hypothesis import strategies as st

from vcm_ref.bitstream.coder import Reader, Writer
from vcm_ref.bitstream.elements import Part
from vcm_ref.bitstream.limits import DecoderLimits
from vcm_ref.bitstream.values import GraphOperation as Kind
from vcm_ref.bitstream.values import Layer, Samples, ValueRange
from vcm_ref.configuration import load_configuration
from vcm_ref.conversion.reduction import Network
from vcm_ref.conversion.reduction.network.graph import Input, Operation, Output
from vcm_ref.conversion.reduction.network.model import NetworkModel
from vcm_ref.conversion.reduction.network.reading import checked_graph
from vcm_ref.conversion.reduction.network.stage import NetworkTensor
from vcm_ref.decoder import DecodedPicture, Decoder
from vcm_ref.encoder import Encoder
from vcm_ref.errors import BitstreamError, ConfigError, DatasetError, LimitError, ModelError, UnsupportedError
from vcm_ref.feature_set import FeatureSet

LAYERS = [Layer("p2", 3), Layer("p3", 5)]


def shuffling(channels: tuple[int, int] = (3, 5)) -> NetworkModel:
    """The first layer has twice the size of the second: its samples become channels, and channels become samples."""
    first, second = channels
    analysis = checked_graph(
        [Input(first, 1, 16, 10), Input(second, 0, 16, 10)],
        [Operation(Kind.UNSHUFFLE, 0, p=1), Operation(Kind.CONCATENATE, 3, 1)],
        [Output(4, 10)],
    )
    graph = checked_graph(
        [Input(4 * first + second, 0, 20, 12)],
        [
            Operation(Kind.SLICE, 0, p=0, q=4 * first),
            Operation(Kind.SHUFFLE, 2, p=1),
            Operation(Kind.SLICE, 0, p=4 * first, q=second),
        ],
        [Output(3, 12), Output(4, 12)],
    )
    return NetworkModel(graph, analysis)


def features(height: int = 7, width: int = 10, seed: int = 1) -> FeatureSet:
    """Two layers; the first has an odd height."""
    random = np.random.default_rng(seed)
    p2 = random.normal(size=(3, height, width)).astype(np.float32)
    p3 = random.normal(size=(5, (height + 1) // 2, (width + 1) // 2)).astype(np.float32)
    return FeatureSet(8 * height, 8 * width, {"p2": p2, "p3": p3})


def coded(path: Path, *settings: str, pictures: tuple[FeatureSet, ...] = ()) -> bytes:
    """A bitstream with the model in ``path``, lossless at 16 bits."""
    lossless = ["codec.name=lossless", "quantisation.bit_depth=16", f"reduction.model={path}"]
    configuration = load_configuration(
        [CONFIGURATIONS / "base.yaml"], [*lossless, "reduction.method=network", *settings]
    )
    file = io.BytesIO()
    encoder = Encoder(configuration, file)
    encoder.encode(*(pictures or (features(),)))
    encoder.close()
    return file.getvalue()


def decoded(data: bytes, limits: DecoderLimits | None = None) -> list[DecodedPicture]:
    """All pictures."""
    return list(Decoder(io.BytesIO(data), limits=limits).pictures())


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A file with the shuffling model."""
    path = tmp_path / "model.safetensors"
    path.write_bytes(shuffling().to_bytes())
    return path


def test_layers_come_back(model: Path) -> None:
    """Within half a step of 16 bits and of the graph's fraction; the T2 digest is in the bitstream and holds."""
    pictures = features(), features(seed=2)
    data = coded(model, "reduction.carry_model=true", "reduction.condition=200", pictures=pictures)
    header = Decoder(io.BytesIO(data)).header
    assert header.stages == [Network(0, 200, [1, 0], [NetworkTensor(17, 0)])]
    assert [layer.name for layer in header.coded] == ["network0"]
    for picture, given_features in zip(decoded(data), pictures, strict=True):
        assert picture.verified
        assert picture.quantised["network0"].shape == (17, 4, 5)
        for name, layer in given_features.layers.items():
            found = picture.features.layers[name]
            assert found.dtype == np.float32
            assert np.abs(found - layer).max() < 2**-10


def test_a_model_that_is_named_is_found(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its digest, or the bitstream is not supported."""
    data = coded(model)
    assert len(data) < len(coded(model, "reduction.carry_model=true"))
    with pytest.raises(UnsupportedError, match="needs model"):
        decoded(data)
    (tmp_path / hashlib.sha256(model.read_bytes()).hexdigest()).write_bytes(model.read_bytes())
    monkeypatch.setenv("VCM_MODELS", str(tmp_path))
    assert decoded(data)[0].verified


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (shuffling((4, 5)), "p2|restores"),
        (NetworkModel(shuffling().graph), "no graph for an encoder"),
        (NetworkModel(shuffling().graph, shuffling().graph), "does not give the tensors"),
    ],
)
def test_an_encoder_refuses_a_model_that_does_not_fit(changed: NetworkModel, told: str, tmp_path: Path) -> None:
    """Of other layers, without a graph for the encoder, or with one that gives other tensors."""
    path = tmp_path / "model"
    path.write_bytes(changed.to_bytes())
    with pytest.raises((ConfigError, ModelError), match=told):
        coded(path)


def test_other_settings_that_do_not_fit(model: Path) -> None:
    """Not a model, another number of layers, NaN."""
    with pytest.raises(ConfigError, match="does not fit"):
        coded(CONFIGURATIONS / "base.yaml")
    with pytest.raises(ConfigError, match="restores 2 layers, and there are 1"):
        coded(model, pictures=(FeatureSet(8, 8, {"p2": np.zeros((3, 4, 4), np.float32)}),))
    bad = features()
    bad.layers["p3"][0, 0, 0] = np.nan
    with pytest.raises(DatasetError, match="NaN"):
        coded(model, pictures=(bad,))


def test_a_decoder_refuses_a_model_that_does_not_fit() -> None:
    """The stage says other channels or shifts than the model has."""
    data, layers = shuffling().to_bytes(), LAYERS
    stage = Network.of(data, LAYERS)
    stage.ready(layers, data)
    for other in (
        replace(stage, tensors=[NetworkTensor(16, 0)]),
        replace(stage, tensors=[NetworkTensor(17, 1)]),
        replace(stage, tensors=[NetworkTensor(17, 0)] * 2),
        replace(stage, shifts=[0, 1]),
    ):
        with pytest.raises(ModelError, match="its graph"):
            other.ready(layers, data)
    with pytest.raises(ModelError, match=r"the layers are 3 .* 6"):
        stage.ready([Layer("p2", 3), Layer("p3", 6)], data)


def test_level_and_limits_bound_a_graph(model: Path) -> None:
    """The samples of all tensors of a picture: 17 + 1 + 12 + 3 · 4 + 5 of each of 4x5 points."""
    data = coded(model, "reduction.carry_model=true", "digest_length=0")
    samples = (17 + 1 + 12 + 12 + 5) * 20
    decoded(data, DecoderLimits(graph_samples=samples))
    with pytest.raises(LimitError, match=f"graph_samples would be {samples}"):
        decoded(data, DecoderLimits(graph_samples=samples - 1))


def test_a_level_that_does_not_allow_the_graph(tmp_path: Path) -> None:
    """65 operations are more than level 1 allows: an encoder declares level 2."""
    base = shuffling()
    operations = [*base.graph.operations, *[Operation(Kind.RELU, 0)] * 62]
    long = NetworkModel(checked_graph(base.graph.inputs, operations, base.graph.outputs), base.analysis)
    path = tmp_path / "model"
    path.write_bytes(long.to_bytes())
    assert Decoder(io.BytesIO(coded(path, "reduction.carry_model=true"))).header.level == 2
    with pytest.raises(ConfigError, match="level 1 allows max_graph_operations 64, and 65 are needed"):
        coded(path, "level=1")
    with pytest.raises(BitstreamError, match="max_graph_operations"):
        data = bytearray(coded(path, "reduction.carry_model=true"))
        data[6 + 0] = data[6] & 0xFE  # the level's bits straddle the header's first two bytes
        data[7] = (data[7] & 0x1F) | 0x20
        decoded(bytes(data))


def test_values_that_leave_the_width_are_clipped() -> None:
    """8.9: Clip3 of Floor(v * 2**f + 0.5), here with 20 bits of which 12 are fraction bits."""
    data = shuffling().to_bytes()
    transform = Network.of(data, LAYERS).ready(LAYERS, data)
    samples = np.zeros((17, 1, 1), np.uint16)
    samples[12:16, 0, 0] = 0, 1, 2, 3
    tensor = Samples(samples, ValueRange(np.full(1, -300, np.float32), np.full(1, 300, np.float32)), 3)
    _, p3 = transform.inverse([tensor], [(3, 2, 2), (5, 1, 1)])
    assert p3.samples[:4].ravel().tolist() == [-(2**19), -100 * 2**12, 100 * 2**12, 2**19 - 1]
    assert (p3.value_range.lo[0], p3.value_range.hi[0], p3.top) == (0, 2**-12, 1)


@pytest.mark.parametrize("size", [1e30, 2.0**9])
def test_values_far_beyond_the_width_are_refused(size: float) -> None:
    """In the encoder; 2**9 is 16 times what 16 bits hold of which 10 are fraction bits."""
    data = shuffling().to_bytes()
    transform = Network.of(data, LAYERS).ready(LAYERS, data)
    tensors = [np.full((3, 2, 2), size, np.float32), np.zeros((5, 1, 1), np.float32)]
    with pytest.raises(DatasetError, match="many times larger than those that the model was trained on"):
        transform.forward(tensors)
    transform.forward([tensors[0] / np.float32(1.01 * size / 2**9), tensors[1]])


@given(
    st.integers(0, 15),
    st.integers(0, 255),
    st.lists(st.integers(0, 7), min_size=2, max_size=2),
    st.lists(st.builds(NetworkTensor, st.integers(1, 8192), st.integers(0, 7)), min_size=1, max_size=4),
)
def test_any_payload_comes_back(model_id: int, condition: int, shifts: list[int], tensors: list[NetworkTensor]) -> None:
    """Written and read."""
    stage = Network(model_id, condition, shifts, tensors)
    writer = Writer()
    stage.syntax(writer, LAYERS)
    writer.align(Part.HEADER)
    found = Network()
    found.syntax(Reader(writer.to_bytes()), LAYERS)
    assert found == stage


def test_levels_in_place_of_samples(model: Path) -> None:
    """Coded by the codec of coefficients with a step of 2**-4; the condition is the QP."""
    settings = ["reduction.method=network", f"reduction.model={model}", "reduction.carry_model=true"]
    settings += ["codec.name=coefficients", "codec.qp=8"]
    file, given_features = io.BytesIO(), features()
    encoder = Encoder(load_configuration([CONFIGURATIONS / "base.yaml"], settings), file)
    encoder.encode(given_features)
    encoder.close()
    decoder = Decoder(io.BytesIO(file.getvalue()))
    assert decoder.header.stages == [Network(0, 8, [1, 0], [NetworkTensor(17, 0)])]
    (picture,) = decoder.pictures()
    assert picture.verified
    for name, layer in given_features.layers.items():
        assert np.abs(picture.features.layers[name] - layer).max() < 2**-4
