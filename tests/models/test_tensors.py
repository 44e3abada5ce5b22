"""A model's bytes: written and read again, the library's reader agrees, and damaged ones are refused."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from vcm_ref.errors import ModelError
from vcm_ref.models.tensors import NUMPY_TYPES, read_content, read_metadata, read_tensors, write_tensors

TENSORS = st.dictionaries(
    st.text(min_size=1, max_size=8).filter(lambda name: name != "__metadata__"),
    st.sampled_from(sorted(NUMPY_TYPES.values())).flatmap(
        lambda kind: arrays.arrays(kind, arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
    ),
    max_size=4,
)


def raw(header: Any, body: bytes = b"", length: int | None = None) -> bytes:
    """A file with this header, as text or as a document."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + body


def tensor(dtype: Any = "I8", shape: Any = (2,), offsets: Any = (0, 2), **more: Any) -> dict[str, Any]:
    """One tensor's description."""
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets, **more}


@given(TENSORS, st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3))
def test_what_is_written_is_read(tensors: dict[str, Any], metadata: dict[str, str]) -> None:
    data = write_tensors(tensors, metadata)
    found = read_tensors(data)
    assert list(found) == list(tensors)
    assert read_metadata(data) == metadata
    for name, array in tensors.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype


@given(TENSORS)
def test_the_library_reads_what_is_written_and_writes_what_is_read(tensors: dict[str, Any]) -> None:
    theirs = safetensors.numpy.load(write_tensors(tensors))
    again = read_tensors(safetensors.numpy.save(tensors))
    assert theirs.keys() == again.keys() == tensors.keys()
    for name, array in tensors.items():
        np.testing.assert_array_equal(theirs[name], array)
        np.testing.assert_array_equal(again[name], array)


def test_tensors_of_other_types_and_white_space_are_passed_over() -> None:
    found = read_tensors(raw({"a": tensor("BF16", [1]), "b": tensor("U8", [1], [2, 3])}, b"\1\2\3"))
    assert {name: array.tolist() for name, array in found.items()} == {"b": [3]}
    assert read_tensors(raw(b"{}     ")) == {}
    assert read_tensors(raw({"a": tensor("U8", [2**32 - 1, 2**32 - 1, 0], [0, 0])})) == {}


def test_the_bytes_are_read_once() -> None:
    data = write_tensors({"a": np.zeros(2, np.int8)}, {"network": "x"})
    assert read_content(data) is read_content(bytes(bytearray(data)))
    assert read_content(data).metadata == read_metadata(data) == {"network": "x"}
    assert read_tensors(data) is read_content(data).tensors


def test_a_record_is_read_where_tensors_are_damaged() -> None:
    assert read_metadata(raw({"__metadata__": {"network": "x"}, "a": tensor(offsets=[0, 3])})) == {"network": "x"}


DAMAGED = {
    "nothing": b"",
    "seven bytes": bytes(7),
    "no header": (0).to_bytes(8, "little"),
    "a header that goes on after the file": raw(b"{}", length=3),
    "a header of 2**63 bytes": raw(b"{}", length=2**63),
    "a header of over a MiB": raw(b"{}" + b" " * (1 << 20)),
    "white space before": raw(b" {}"),
    "no JSON": raw(b"{]"),
    "no UTF-8": raw(b'{"\xff": 1}'),
    "deep JSON": raw(b"[" * 100_000),
    "a huge number": raw(b'{"a":' + b"9" * 10_000 + b"}"),
    "an array": raw([]),
    "a name twice": raw(b'{"a":{},"a":{}}'),
    "metadata of numbers": raw({"__metadata__": {"a": 1}}),
    "metadata as text": raw({"__metadata__": "a"}),
    "a tensor that is a number": raw({"a": 1}),
    "a member more": raw({"a": tensor(more=1)}, b"\0\0"),
    "a member less": raw({"a": {"dtype": "I8", "shape": [2]}}, b"\0\0"),
    "an unknown type": raw({"a": tensor("F8")}, b"\0\0"),
    "a type that is a list": raw({"a": tensor(["I8"])}, b"\0\0"),
    "a shape of fractions": raw({"a": tensor(shape=[2.0])}, b"\0\0"),
    "a shape of truth": raw({"a": tensor(shape=[2, True])}, b"\0\0"),
    "a negative shape": raw({"a": tensor(shape=[-1, -2])}, b"\0\0"),
    "nine dimensions": raw({"a": tensor(shape=[2, *[1] * 8])}, b"\0\0"),
    "a shape of 2**32": raw({"a": tensor(shape=[0, 2**32], offsets=[0, 0])}),
    "an overflowing shape": raw({"a": tensor(shape=[2**31, 2**31, 4], offsets=[0, 0])}),
    "one offset": raw({"a": tensor(offsets=[2])}, b"\0\0"),
    "offsets that do not fit": raw({"a": tensor(offsets=[0, 3])}, b"\0\0\0"),
    "offsets backwards": raw({"a": tensor(shape=[0], offsets=[2, 0])}, b"\0\0"),
    "offsets after the end": raw({"a": tensor()}, b"\0"),
    "a hole before": raw({"a": tensor(offsets=[1, 3])}, b"\0\0\0"),
    "a hole between": raw({"a": tensor(), "b": tensor(offsets=[3, 5])}, bytes(5)),
    "an overlap": raw({"a": tensor(), "b": tensor(offsets=[1, 3])}, bytes(3)),
    "bytes left over": raw({"a": tensor()}, bytes(3)),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_models_are_refused(name: str) -> None:
    with pytest.raises(ModelError):
        read_tensors(DAMAGED[name])


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for whole in (data, raw(data), raw({"a": tensor()}, data)):
        try:
            read_tensors(whole)
        except ModelError:
            continue
