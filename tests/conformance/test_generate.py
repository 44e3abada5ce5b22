"""Making vectors: what is planned comes back from a decoder, and one edit breaks one thing."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from math import prod
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vcm_ref.bitstream.values import Allocation, Grid, InnerCodecId, Mode, Packing, RangeScope, ReorderCoding
from vcm_ref.conformance.errors import SuiteError
from vcm_ref.conformance.generate import suite as suite_module
from vcm_ref.conformance.generate.build import Plan, Tensor, build, samples
from vcm_ref.conformance.generate.case import Case, all_cases
from vcm_ref.conformance.generate.edit import bits_of, elements, joined, raw_units, with_elements, with_value
from vcm_ref.conformance.generate.pairs import TOOLS, pairwise, possible
from vcm_ref.conformance.generate.suite import make_suite
from vcm_ref.conformance.manifest import load_suite
from vcm_ref.decoder import Decoder
from vcm_ref.errors import ConfigError


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Small lossless plans."""
    packing = draw(st.sampled_from(Packing))
    layers = []
    for place in range(draw(st.integers(1, 3))):
        columns, rows, frames = (draw(st.integers(1, 3)) for _ in range(3))
        frames = 1 if packing == Packing.STACKED else frames
        shape = (columns * rows * frames, draw(st.integers(1, 5)), draw(st.integers(1, 5)))
        layers.append(Tensor(f"p{place}", shape, Grid(columns, rows)))
    return Plan(
        layers,
        bit_depth=draw(st.integers(1, 16)),
        packing=packing,
        allocation=Allocation.FRAME_MAJOR if packing == Packing.STACKED else draw(st.sampled_from(Allocation)),
        scope=draw(st.sampled_from(RangeScope)),
        reorder=draw(st.sampled_from(ReorderCoding)),
        order=draw(st.sampled_from(["shuffled", "identity", "reversed"])),
        digest_length=draw(st.integers(0, 32)),
        group=draw(st.integers(1, 3)),
        same=draw(st.booleans()),
    )


@settings(max_examples=40)
@given(plans())
def test_what_is_planned_is_decoded(plan: Plan) -> None:
    pictures = list(Decoder(io.BytesIO(build(plan))).pictures())
    assert len(pictures) == plan.group
    for number, picture in enumerate(pictures):
        for place, layer in enumerate(plan.layers):
            expected = samples(layer.shape, plan.bit_depth, 3 * number + place)
            np.testing.assert_array_equal(picture.quantised[layer.name], expected)
        assert picture.verified == (plan.digest_length > 0)


@given(st.tuples(*[st.integers(1, 9)] * 3), st.integers(2, 16), st.integers(0, 50))
def test_samples_use_the_whole_range(shape: tuple[int, int, int], bit_depth: int, seed: int) -> None:
    found = samples(shape, bit_depth, seed)
    assert found.max() < 2**bit_depth
    if prod(shape) > 1:
        assert (found.min(), found.max()) == (0, 2**bit_depth - 1)


SMALL = Plan(
    [Tensor("p2", (4, 3, 2), Grid(2, 1)), Tensor("p3", (4, 2, 1))], digest_length=0, reorder=ReorderCoding.EXACT
)


@pytest.mark.parametrize(
    ("name", "occurrence", "value"),
    [
        ("picture_height_minus1", 0, 65535),
        ("layer_height_minus1", 0, 5),
        ("layer_height_delta", 0, 2),
        ("layer_width_delta", 0, -0),
        ("range_min", 1, -7.5),
        ("range_max", 0, 1e30),
        ("reorder_index", 1, 11),
        ("level_idc", 0, 4),
        ("layer_name", 0, b"qq"),
    ],
)
def test_an_edited_value_is_read_back_and_no_other(name: str, occurrence: int, value: float | bytes) -> None:
    data = build(SMALL)
    before, after = elements(data), elements(with_value(data, name, value, occurrence))
    place = [number for number, element in enumerate(before) if element.name == name][occurrence]
    found = after[place].value
    assert found == (value if isinstance(value, bytes) else np.float32(value))

    def others(traced: list) -> list:  # type: ignore[type-arg]
        kept = [one for number, one in enumerate(traced) if number != place]
        return [(one.name, one.value) for one in kept if one.name not in ("alignment_zero_bit", "unit_size")]

    assert others(before) == others(after)


def test_units_come_apart_and_together() -> None:
    data = build(SMALL)
    assert joined(raw_units(data)) == data
    assert with_elements(data, []) == data


@pytest.mark.parametrize(
    ("name", "value", "bits"),
    [  # H.266, 9.2, table 2 and 3: 0 is 1, 1 is 010, 2 is 011; se: 1 is 010, -1 is 011
        ("num_layers_minus1", 0, "1"),
        ("num_layers_minus1", 2, "011"),
        ("num_layers_minus1", 64, "0000001000001"),
        ("channels_delta", 1, "010"),
        ("channels_delta", -1, "011"),
        ("nal_unit_size", 300, "1010110000000010"),
        ("range_min", 1.0, "00111111100000000000000000000000"),
    ],
)
def test_bits_of_values(name: str, value: float, bits: str) -> None:
    assert bits_of(name, value, 0) == bits


def test_all_pairs_of_tools_meet() -> None:
    choices = pairwise()
    assert all(possible(choice) for choice in choices)
    for one in TOOLS:
        for other in TOOLS:
            for value in TOOLS[one]:
                for second in TOOLS[other]:
                    wanted = {one: value, other: second}
                    if one < other and possible(wanted):
                        assert any(choice[one] == value and choice[other] == second for choice in choices), wanted


def test_cases_are_well_formed() -> None:
    cases = all_cases()
    assert len({case.id for case in cases}) == len(cases)
    bases = {case.name for case in cases if case.kind == "positive"}
    for case in cases:
        assert re.fullmatch(r"[A-Z0-9]+(_[A-Z0-9x]+)+_\d+", case.id), case.id
        assert "{" not in case.purpose + case.failure_suggests
        assert case.purpose.endswith(".")
        assert bool(case.errors) == (case.kind != "positive")
        assert case.base is None or case.base in bases


def cases_of(**makes: Callable[[], bytes]) -> list[Case]:
    return [Case(name, "positive", ("test",), "A vector.", "A mistake.", make) for name, make in makes.items()]


def test_a_suite_is_made_and_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A vector whose bytes have changed needs a new revision; one that is no more declared goes."""
    monkeypatch.setattr(suite_module, "all_cases", lambda: cases_of(ONE=lambda: build(SMALL), TWO=_two))
    assert make_suite(tmp_path)[-1].startswith("2 vectors made, 2 in ")
    one, two = load_suite(tmp_path).vectors
    assert (one.id, two.id) == ("ONE_1", "TWO_1")
    assert [layer.shape for layer in one.pictures[0].layers] == [(4, 3, 2), (4, 2, 1)]
    assert one.planes is not None
    written = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    make_suite(tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == written
    monkeypatch.setattr(suite_module, "all_cases", lambda: cases_of(ONE=_two, TWO=_two))
    with pytest.raises(SuiteError, match="ONE_1: its bytes have changed; give it a new revision"):
        make_suite(tmp_path)
    monkeypatch.setattr(suite_module, "all_cases", lambda: cases_of(TWO=_two))
    make_suite(tmp_path)
    assert sorted(path.name for path in tmp_path.rglob("*.*")) == ["TWO_1.bin", "TWO_1.raw.xz", "manifest.json"]
    with pytest.raises(ConfigError, match="no vector is called X"):
        make_suite(tmp_path, only=["X"])


def _two() -> bytes:
    return build(Plan([Tensor("p9", (1, 2, 2), mode=Mode.RA)], codec=InnerCodecId.LOSSLESS))


def test_a_negative_vector_that_our_decoder_takes_is_no_vector(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case("BAD", "negative", ("test",), "A vector.", "A mistake.", _two, errors=("BitstreamError",))
    monkeypatch.setattr(suite_module, "all_cases", lambda: [case])
    with pytest.raises(SuiteError, match="BAD_1: our decoder takes it"):
        make_suite(tmp_path)
