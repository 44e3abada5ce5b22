"""A stream of one group of one picture with one layer of four channels, worked out by hand, element by element."""

from __future__ import annotations

import hashlib

from vcm_ref.bitstream.headers import (
    GroupHeader,
    PictureDigests,
    PictureHeader,
    StreamHeader,
    Substream,
    TensorFormat,
    TensorHeader,
    TensorPicture,
)
from vcm_ref.bitstream.stream import CodedGroup
from vcm_ref.bitstream.values import (
    Allocation,
    Grid,
    Layer,
    RangeScope,
    ReorderCoding,
)

# A stream of one group of one picture with one layer of four channels, element by element.
STREAM_HEADER = [
    "0011",  # version 3
    "000",  # profile_idc: Core
    "0001",  # level_idc 1
    "000010",  # digest_length 2
    "0",  # digest_idc: SHA-256
    "1",  # num_layers_minus1 0
    "010",  # layer_name_length_minus1: 2 characters
    "01110000" "00110010",  # "p2"
    "0001000",  # channels_delta +4: code number 7
    "1",  # num_stages 0
    "0111",  # bit_depth_minus1: 8 bits
    "000",  # inner_codec_idc: lossless
    "10",  # range_scope_idc: tensor
    "01",  # reorder_coding_idc: exact
    "00",  # packing_idc: frames
    "010",  # grid_columns_minus1 1
    "1",  # grid_rows_minus1 0
    "1",  # allocation_idc: interleaved
    "1",  # extension_size 0
    "0000000",  # alignment: 65 bits to 72
]  # fmt: skip
GROUP_HEADER = [
    "1",  # num_pictures_minus1 0
    "00101",  # picture_height_minus1 4
    "00111",  # picture_width_minus1 6
    "010",  # layer_height_minus1 1
    "011",  # layer_width_minus1 2
    "10111111100000000000000000000000",  # range_min -1.0
    "01000000001000000000000000000000",  # range_max 2.5
    "00111",  # reorder_index of 1 0 3 2: 1 * 3! + 0 * 2! + 1 * 1! = 7, in ceil(log2(24)) = 5 bits
    "1",  # extension_size 0
    "0",  # alignment: 87 bits to 88
]


def to_bytes(elements: list[str]) -> bytes:
    """The bytes of some bits."""
    text = "".join(elements)
    return int(text, 2).to_bytes(len(text) // 8, "big")


HEADER_DIGEST = hashlib.sha256(to_bytes(STREAM_HEADER) + to_bytes(GROUP_HEADER)).hexdigest()[:4]
GOLDEN = bytes.fromhex(
    "56434d46"  # VCMF
    "1109" + to_bytes(STREAM_HEADER).hex()
    + "210b" + to_bytes(GROUP_HEADER).hex()
    + "3103aabbcc"  # substream
    f"4104{HEADER_DIGEST}d1d2"  # digests
    "50"  # end
)  # fmt: skip


def golden_header() -> StreamHeader:
    """The golden stream's header."""
    form = TensorFormat(bit_depth=8, range_scope=RangeScope.TENSOR, reorder_coding=ReorderCoding.EXACT)
    return StreamHeader(
        digest_length=2,
        layers=[Layer("p2", 4)],
        tensors=[TensorHeader(form, Grid(2, 1), Allocation.INTERLEAVED)],
    )


def golden_group() -> CodedGroup:
    """The golden stream's group."""
    picture = PictureHeader([], [TensorPicture([(-1.0, 2.5)], [1, 0, 3, 2])])
    substream = Substream(lossless_data=b"\xaa\xbb\xcc")
    return CodedGroup(GroupHeader(5, 7, [(2, 3)], [picture]), [substream], [PictureDigests([b"\xd1\xd2"])])
