"""The T1 digest is SHA-256 over a byte string that anybody can write out."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from vcm_ref.bitstream.digest import header_digest, tensor_digest, tensors_digest
from vcm_ref.bitstream.headers import Model

CANONICAL = bytes.fromhex(
    "02" "7032"  # name: 2 bytes, "p2"
    "06" "75696e743136"  # dtype: 6 bytes, "uint16"
    "03"  # rank
    "01000000" "02000000" "03000000"  # dimensions, 4 bytes each, little-endian
    "0000" "0100" "ff03" "0102" "feff" "0080"  # samples, little-endian, in C order
)  # fmt: skip
SAMPLES = [[[0, 1, 1023], [513, 65534, 32768]]]


@pytest.mark.parametrize("dtype", ["<u2", ">u2"])
def test_the_byte_string_written_out_by_hand(dtype: str) -> None:
    """Name, dtype, rank, dimensions, samples; the memory's byte order makes no difference."""
    assert tensor_digest("p2", np.array(SAMPLES, dtype)) == hashlib.sha256(CANONICAL).digest()


def test_the_memory_layout_makes_no_difference() -> None:
    """A transposed view has the digest of its C-order copy."""
    view = np.array(SAMPLES, np.uint16).transpose(0, 2, 1).copy().transpose(0, 2, 1)
    assert not view.flags.c_contiguous
    assert tensor_digest("p2", view) == hashlib.sha256(CANONICAL).digest()


def test_float_tensors_have_one_too() -> None:
    """Tier T2: dtype float32, samples as binary32."""
    expected = b"\x01x\x07float32\x01\x02\x00\x00\x00" + bytes.fromhex("0000803f" "000020c0")  # fmt: skip
    assert tensor_digest("x", np.array([1.0, -2.5], np.float32)) == hashlib.sha256(expected).digest()


@pytest.mark.parametrize(
    ("name", "samples"),
    [("p3", SAMPLES), ("p2", np.reshape(SAMPLES, (1, 3, 2))), ("p2", np.reshape(SAMPLES, (2, 3)))],
)
def test_name_and_shape_count(name: str, samples: object) -> None:
    """The same samples under another name or shape are another tensor."""
    assert tensor_digest(name, np.array(samples, np.uint16)) != hashlib.sha256(CANONICAL).digest()


def test_several_tensors_one_after_the_other() -> None:
    """The digest of a picture's layers: their byte strings joined."""
    other = CANONICAL.replace(b"p2", b"p3")
    tensors = {name: np.array(SAMPLES, np.uint16) for name in ("p2", "p3")}
    assert tensors_digest(tensors) == hashlib.sha256(CANONICAL + other).digest()


def test_the_header_digest_has_the_models_in_the_order_of_their_numbers() -> None:
    """Number, kind and SHA-256 of each, between the two payloads."""
    models = [Model(9, 1, digest=b"b" * 32), Model(2, 0, digest=b"a" * 32)]
    expected = b"stream" + b"\x02\x00" + b"a" * 32 + b"\x09\x01" + b"b" * 32 + b"group"
    assert header_digest(b"stream", models, b"group") == hashlib.sha256(expected).digest()
