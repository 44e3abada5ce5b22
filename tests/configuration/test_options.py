"""The dataclasses of the configuration, and the schema that is made of them."""

from __future__ import annotations

from dataclasses import dataclass

from jsonschema import Draft202012Validator

from vcm_ref.codec.hevc import HevcEncoder
from vcm_ref.codec.vvenc import VvencEncoder
from vcm_ref.configuration import Configuration, Everything, load_configuration
from vcm_ref.configuration.options import leaves_of, option, schema_of, section, shaping, typed, with_defaults
from vcm_ref.configuration.tensor_sections import Codec, Quantisation


@dataclass(frozen=True)
class Inner:
    """A section."""

    number: int = option(3, "a number", minimum=1)
    name: str | None = option(None, "a name", by_layer=True)
    threads: int | None = option(None, "threads", shapes=False)


@dataclass(frozen=True)
class Outer:
    """A root."""

    inner: Inner = section(Inner, "a section")
    extra: Inner | None = section(Inner, "an optional one", optional=True)
    flag: bool = option(True, "a flag")


def test_a_schema_is_made_of_types_bounds_and_defaults() -> None:
    schema = schema_of(Outer)
    assert schema["properties"]["flag"] == {"type": "boolean", "title": "a flag", "default": True}
    inner = schema["properties"]["inner"]
    assert inner["additionalProperties"] is False
    assert inner["properties"]["number"] == {"type": "integer", "minimum": 1, "title": "a number", "default": 3}
    one, by_layer = inner["properties"]["name"]["anyOf"]
    assert (one, by_layer["additionalProperties"]) == ({"type": "string"}, {"type": "string"})


def test_defaults_fill_what_is_not_said() -> None:
    assert with_defaults(Outer, {}) == {"inner": {"number": 3}, "flag": True}
    tree = with_defaults(Outer, {"flag": False, "extra": {}, "inner": {"name": "x"}, "strange": 1})
    assert tree == {
        "inner": {"number": 3, "name": "x"},
        "extra": {"number": 3},
        "flag": False,
        "strange": 1,
    }
    assert typed(Outer, with_defaults(Outer, {"inner": {"number": 4}})) == Outer(inner=Inner(number=4))


def test_everything_shapes_results_that_is_not_declared_otherwise() -> None:
    tree = {"inner": {"number": 4, "threads": 2, "strange": 1}, "other": 5}
    assert shaping(Outer, tree) == {"inner": {"number": 4, "strange": 1}, "other": 5}


def test_what_shapes_no_result_is_a_short_list() -> None:
    """Paths of vcm_enc, what a machine needs to be told, and what a network was trained on."""
    free = {".".join(one.path) for one in leaves_of(Everything) if not one.shapes}
    assert free == {
        *("input", "bitstream", "picture_size", "pixel_format", "frame_rate", "start", "frames"),
        *("reduction.model", "codec.time_limit", "codec.threads", "training.kept"),
        *("network.trained_on", "network.training_pictures"),
    }
    shaped = load_configuration(["fframe"], ["codec.threads=3"]).shaping
    assert not {"input", "bitstream"} & shaped.keys()
    assert "threads" not in shaped["codec"]
    assert shaped["codec"]["qp"] == 37


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(schema_of(Everything))


def test_the_dataclasses_hold_the_values() -> None:
    coding = load_configuration(["fframe"], ["quantisation.bit_depth=8"]).coding
    assert coding.quantisation == Quantisation(bit_depth=8)
    assert coding.codec.mode == {"layer 1": "RA", "layer 2": "RA", "default": "AI"}
    assert coding.picture is None
    assert Configuration({}).coding.codec == Codec()


def test_a_default_that_is_left_out_is_the_codecs_own() -> None:
    """The guide says what it is."""
    assert VvencEncoder().gop == HevcEncoder().gop == 32
    assert Configuration({}).get("codec.gop") is None
