"""The syntax elements: each one's descriptor, range and part of the rate, declared once.

``docs/bitstream.md`` prints this table; reading, writing, tracing, validation and size accounting use it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import cached_property


class Part(Enum):
    """Which part of the rate an element counts towards."""

    HEADER = "headers"
    REORDER = "reorder index"
    PARAMETER_SETS = "parameter sets"
    CODED_DATA = "coded data"
    DIGEST = "digest"

    __hash__ = object.__hash__  # Enum's own hashes the name, in Python: a tenth of the time it takes to read


@dataclass(frozen=True)
class Element:
    """One syntax element.

    ``descriptor`` is u(n), u(v), ue(v), se(v), leb(v), f(32) or b(v). ``low`` and ``high`` bound the value where the
    bound does not depend on other elements (``None``: no such bound beyond the descriptor's own).
    """

    descriptor: str
    low: int | None = None
    high: int | None = None
    part: Part = Part.HEADER

    @cached_property
    def kind(self) -> str:
        """The descriptor without what stands in parentheses."""
        return self.descriptor.split("(")[0]

    @cached_property
    def bits(self) -> int | None:
        """Length of a fixed-length element, else ``None``."""
        inside = self.descriptor[self.descriptor.index("(") + 1 : -1]
        return int(inside) if inside.isdigit() else None


SIGNATURE = 0x56434D46  # "VCMF"
VERSION = 2
MAX_PARAMETER_SETS = 8
MAX_PARAMETER_SET_BITS = 16384
MAX_SIZE = 65536
MAX_CHANNELS = 8192

ELEMENTS: dict[str, Element] = {
    "signature": Element("u(32)", SIGNATURE, SIGNATURE),
    "unit_type": Element("u(4)", 1, 5),
    "unit_size_bytes": Element("u(4)", 0, 4),
    "unit_size": Element("u(v)"),
    # stream_header
    "version": Element("u(4)", 1, 15),
    "profile_idc": Element("u(3)", 0, 2),
    "level_idc": Element("u(4)", 1, 4),
    "bit_depth_minus1": Element("u(4)", 1, 15),
    "inner_codec_idc": Element("u(3)", 0, 2),
    "arrangement_idc": Element("u(2)", 0, 2),
    "range_scope_idc": Element("u(2)", 0, 3),
    "reorder_coding_idc": Element("u(2)", 0, 2),
    "digest_length": Element("u(6)", 0, 32),
    "num_layers_minus1": Element("ue(v)", 0, 63),
    "allocation_idc": Element("u(1)", 0, 1),
    "range_min": Element("f(32)"),
    "range_max": Element("f(32)"),
    # layer_header
    "layer_name_length_minus1": Element("ue(v)", 0, 31),
    "layer_name": Element("b(v)"),
    "channels_delta": Element("se(v)"),
    "grid_columns_minus1": Element("ue(v)", 0, MAX_CHANNELS - 1),
    "grid_rows_minus1": Element("ue(v)", 0, MAX_CHANNELS - 1),
    "mode_idc": Element("u(1)", 0, 1),
    # picture_header
    "picture_height_minus1": Element("ue(v)", 0, MAX_SIZE - 1),
    "picture_width_minus1": Element("ue(v)", 0, MAX_SIZE - 1),
    "layer_height_delta": Element("se(v)"),
    "layer_width_delta": Element("se(v)"),
    # reorder_index
    "reorder_index": Element("u(v)", part=Part.REORDER),
    "channel_index": Element("u(v)", part=Part.REORDER),
    # substream
    "lossless_data": Element("b(v)", part=Part.CODED_DATA),
    "num_parameter_sets": Element("ue(v)", 0, MAX_PARAMETER_SETS, Part.PARAMETER_SETS),
    "nal_unit_size": Element("leb(v)", 2, 2**32 - 1, Part.CODED_DATA),
    "nal_unit": Element("b(v)", part=Part.CODED_DATA),
    # parameter_set
    "ps_base_idc": Element("ue(v)", 0, None, Part.PARAMETER_SETS),
    "ps_prefix_bits": Element("ue(v)", 0, MAX_PARAMETER_SET_BITS, Part.PARAMETER_SETS),
    "ps_suffix_bits": Element("ue(v)", 0, MAX_PARAMETER_SET_BITS, Part.PARAMETER_SETS),
    "ps_middle_bits": Element("ue(v)", 0, MAX_PARAMETER_SET_BITS, Part.PARAMETER_SETS),
    "ps_middle": Element("u(v)", part=Part.PARAMETER_SETS),
    # digest
    "header_digest": Element("b(v)", part=Part.DIGEST),
    "t1_digest": Element("b(v)", part=Part.DIGEST),
    # byte_alignment
    "alignment_zero_bit": Element("u(v)", 0, 0),
}
