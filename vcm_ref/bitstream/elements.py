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
    MODEL = "models"
    PARAMETER_SETS = "parameter sets"
    CODED_DATA = "coded data"
    DIGEST = "digest"
    USER_DATA = "user data"

    __hash__ = object.__hash__  # Enum's own hashes the name, in Python: a tenth of the time it takes to read


@dataclass(frozen=True)
class Element:
    """One syntax element.

    ``descriptor`` is u(n), u(v), ue(v), se(v), leb(v), f(32) or b(v). ``low`` and ``high`` bound the value where the
    bound does not depend on other elements (``None``: no such bound beyond the descriptor's own). Values outside are
    for later versions where it is ``extensible``: a decoder reports them as unsupported (clause 4).
    """

    descriptor: str
    low: int | None = None
    high: int | None = None
    part: Part = Part.HEADER
    extensible: bool = False

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
VERSION = 3
MAX_PARAMETER_SETS = 8
MAX_PARAMETER_SET_BITS = 16384
MAX_SIZE = 65536
MAX_CHANNELS = 8192
MAX_LAYERS = 64
MAX_NAME = 32
MAX_STAGES = 4
MAX_COMPONENTS = 1024
MAX_OWN_COMPONENTS = 255
MAX_GROUP = 1024
MAX_EXTENSION = 4095

ELEMENTS: dict[str, Element] = {
    "signature": Element("u(32)", SIGNATURE, SIGNATURE),
    "unit_type": Element("u(4)"),
    "unit_size_bytes": Element("u(4)", 0, 4),
    "unit_size": Element("u(v)"),
    # stream_header
    "version": Element("u(4)", 1, 15),
    "profile_idc": Element("u(3)", 0, 3, extensible=True),
    "level_idc": Element("u(4)", 1, 4, extensible=True),
    "digest_length": Element("u(6)", 0, 32),
    "digest_idc": Element("u(1)", 0, 0, extensible=True),
    "num_layers_minus1": Element("ue(v)", 0, MAX_LAYERS - 1),
    "num_stages": Element("ue(v)", 0, MAX_STAGES),
    "t2_digest_flag": Element("u(1)", 0, 1),
    # layer_header
    "layer_name_length_minus1": Element("ue(v)", 0, MAX_NAME - 1),
    "layer_name": Element("b(v)"),
    "channels_delta": Element("se(v)"),
    # stage
    "stage_idc": Element("ue(v)", 1, 4, extensible=True),
    "stage_payload_bits": Element("ue(v)", 0, MAX_PARAMETER_SET_BITS),
    "resize_shift": Element("u(2)", 0, 2),
    "klt_components_minus1": Element("ue(v)", 0, MAX_COMPONENTS - 1),
    "klt_shift": Element("u(3)", 0, 6),
    "pca_components": Element("ue(v)", 0, MAX_OWN_COMPONENTS),
    "pca_fraction_bits": Element("se(v)", -96, 96),
    "pca_unit_shift": Element("u(4)", 0, 15),
    "pca_shift_delta": Element("ue(v)", 0, 8),
    "network_condition": Element("u(8)"),
    "network_layer_shift": Element("u(3)"),
    "network_num_tensors_minus1": Element("ue(v)", 0, MAX_LAYERS - 1),
    "network_channels_minus1": Element("ue(v)", 0, MAX_CHANNELS - 1),
    "network_tensor_shift": Element("u(3)"),
    # tensor_header
    "same_tensor_flag": Element("u(1)", 0, 1),
    "same_format_flag": Element("u(1)", 0, 1),
    "bit_depth_minus1": Element("u(4)", 0, 15),
    "inner_codec_idc": Element("u(3)", 0, 3, extensible=True),
    "range_scope_idc": Element("u(2)", 0, 3),
    "reorder_coding_idc": Element("u(2)", 0, 2),
    "packing_idc": Element("u(2)", 0, 2),
    "grid_columns_minus1": Element("ue(v)", 0, MAX_CHANNELS - 1),
    "grid_rows_minus1": Element("ue(v)", 0, MAX_CHANNELS - 1),
    "allocation_idc": Element("u(1)", 0, 1),
    "mode_idc": Element("u(2)", 0, 2),
    # level_format
    "level_qp": Element("u(6)", 0, 63),
    "level_offset_one": Element("u(5)", 0, 31),
    "level_offset_more": Element("u(5)", 0, 31),
    "model_tables_flag": Element("u(1)", 0, 1),
    "picture_before_flag": Element("u(1)", 0, 1),
    # value_range
    "range_min": Element("f(32)"),
    "range_max": Element("f(32)"),
    # group_header
    "num_pictures_minus1": Element("ue(v)", 0, MAX_GROUP - 1),
    "picture_height_minus1": Element("ue(v)", 0, MAX_SIZE - 1),
    "picture_width_minus1": Element("ue(v)", 0, MAX_SIZE - 1),
    "layer_height_minus1": Element("ue(v)", 0, MAX_SIZE - 1),
    "layer_width_minus1": Element("ue(v)", 0, MAX_SIZE - 1),
    "layer_height_delta": Element("se(v)"),
    "layer_width_delta": Element("se(v)"),
    # picture_header
    "ranges_as_before_flag": Element("u(1)", 0, 1),
    "orders_as_before_flag": Element("u(1)", 0, 1),
    # reorder_index
    "reorder_index": Element("u(v)", part=Part.REORDER),
    "channel_index": Element("u(v)", part=Part.REORDER),
    # substream
    "lossless_data": Element("b(v)", part=Part.CODED_DATA),
    "level_data": Element("b(v)", part=Part.CODED_DATA),
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
    "t2_digest": Element("b(v)", part=Part.DIGEST),
    # model
    "model_id": Element("u(4)", part=Part.MODEL),
    "model_idc": Element("u(4)", 0, 1, Part.MODEL, extensible=True),
    "model_kind": Element("u(8)", part=Part.MODEL),
    "model_digest": Element("b(v)", part=Part.MODEL),
    "model_data": Element("b(v)", part=Part.MODEL),
    # user_data
    "user_data_uuid": Element("b(v)", part=Part.USER_DATA),
    "user_data": Element("b(v)", part=Part.USER_DATA),
    # header_extension
    "extension_size": Element("ue(v)", 0, MAX_EXTENSION),
    "extension_data": Element("b(v)"),
    # byte_alignment
    "alignment_zero_bit": Element("u(v)", 0, 0),
}
