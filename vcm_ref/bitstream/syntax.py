"""The syntax: one function a table of docs/bitstream.md, clause 6, in its order.

Each function codes its elements through a :class:`~.coder.Coder`, which reads or writes. The tables of substreams are
in :mod:`.substream_syntax`, those of a reduction stage's payload beside the stage.
"""

from __future__ import annotations

from dataclasses import replace
from math import factorial

from ..conversion.reduction import STAGES
from ..errors import UnsupportedError
from .coder import Coder, Writer
from .elements import MAX_CHANNELS, MAX_SIZE, SIGNATURE, VERSION
from .headers import (
    LEVEL_BITS,
    GroupHeader,
    LevelFormat,
    Model,
    Pair,
    PictureDigests,
    PictureHeader,
    StreamHeader,
    TensorFormat,
    TensorHeader,
    TensorPicture,
    Unit,
    UserData,
    format_of_levels,
    has_choice,
)
from .permutation import fixed_index_bits, index_bits, rank, unrank
from .table import fill, table
from .values import (
    MAX_REFERENCE_BYTES,
    MIN_REFERENCE_BYTES,
    Allocation,
    DigestAlgorithm,
    Grid,
    InnerCodecId,
    Layer,
    Mode,
    ModelSource,
    Packing,
    RangeScope,
    ReorderCoding,
)

NAME_CHARACTERS = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-")
NOT_OURS = 'not a vcm_ref bitstream: it does not begin with "VCMF"'


@table("6.2")
def signature(s: Coder) -> None:
    """The first four bytes of a bitstream."""
    s("signature", SIGNATURE)


@table("6.3")
def unit_header(s: Coder, unit: Unit) -> None:
    """Type and size of a unit, which stand before its payload."""
    unit.unit_type = s("unit_type", unit.unit_type)
    size_bytes = s("unit_size_bytes", (unit.size.bit_length() + 7) // 8)
    unit.size = s("unit_size", unit.size, bits=8 * size_bytes)
    s.require(size_bytes == (unit.size.bit_length() + 7) // 8, "unit_size has a leading zero byte")


@table("6.4")
def stream_header(s: Coder, h: StreamHeader) -> None:
    """The parameters that hold for every picture of the bitstream."""
    h.version = s("version", h.version)
    if h.version != VERSION:
        raise UnsupportedError(element="version", value=h.version, allowed=str(VERSION))
    h.profile = s("profile_idc", h.profile)
    h.level = s("level_idc", h.level)
    h.digest_length = s("digest_length", h.digest_length)
    if h.digest_length > 0:
        h.digest_algorithm = DigestAlgorithm(s("digest_idc", h.digest_algorithm))
    num_layers = s("num_layers_minus1", len(h.layers) - 1) + 1
    fill(s, h.layers, num_layers, Layer)
    for i in range(num_layers):
        layer_header(s, h, i)
    num_stages = s("num_stages", len(h.stages))
    for i in range(num_stages):
        stage(s, h, i)
    if h.digest_length > 0 and num_stages > 0:
        h.t2_digest = bool(s("t2_digest_flag", int(h.t2_digest)))
    num_tensors = len(h.coded)
    fill(s, h.tensors, num_tensors, TensorHeader)
    for i in range(num_tensors):
        tensor_header(s, h, i)
    h.extension = header_extension(s, h.extension)


@table("6.5")
def layer_header(s: Coder, h: StreamHeader, i: int) -> None:
    """Name and channels of one restored layer. Channels are coded relative to the layer before."""
    given = h.layers[i]
    name_length = s("layer_name_length_minus1", len(given.name) - 1) + 1
    name = s("layer_name", given.name.encode("ascii"), bits=8 * name_length)
    s.require(NAME_CHARACTERS.issuperset(name), "a layer's name has a character other than A-Z a-z 0-9 _ . -")
    text = name.decode("ascii")
    s.require(all(text != other.name for other in h.layers[:i]), f"two layers are named {text}")
    predicted = h.layers[i - 1].channels if i > 0 else 0
    channels = predicted + s("channels_delta", given.channels - predicted)
    s.require(1 <= channels <= MAX_CHANNELS, f"layer {text} has {channels} channels")
    h.layers[i] = Layer(text, channels)


@table("6.6")
def stage(s: Coder, h: StreamHeader, i: int) -> None:
    """One reduction stage: its payload has the stage's own table."""
    stage_idc = s("stage_idc", h.stages[i].idc if i < len(h.stages) else 0)
    if stage_idc not in STAGES:
        known = ", ".join(map(str, STAGES))
        raise UnsupportedError(element="stage_idc", value=stage_idc, allowed=known)
    if s.reading:
        h.stages.append(STAGES[stage_idc]())
    own = h.stages[i]
    tensors = h.before_stage(i)
    payload = Writer() if s.reading else type(s)()  # to know its length before it is written
    if not s.reading:
        own.syntax(payload, tensors)
    stage_payload_bits = s("stage_payload_bits", payload.position)
    end = s.position + stage_payload_bits
    own.syntax(s, tensors)
    s.require(s.position == end, f"stage_payload_bits is {stage_payload_bits}, which is not the payload's length")


@table("6.8")
def tensor_header(s: Coder, h: StreamHeader, i: int) -> None:
    """How one tensor is coded. What is as in the tensor before costs one bit."""
    name, channels = h.coded[i].name, h.coded[i].channels
    given = h.tensors[i]
    before = h.tensors[i - 1] if i > 0 else None
    inherited = before.inherited(channels) if before else None
    same_format_flag = 0
    if i > 0:
        same_tensor_flag = s("same_tensor_flag", int(given == inherited))
        s.require(same_tensor_flag == 0 or inherited is not None, f"the grid before does not fit tensor {name}")
        if same_tensor_flag == 1:
            assert inherited is not None
            h.tensors[i] = inherited
            return
        same_format_flag = s("same_format_flag", int(before is not None and given.format == before.format))
    if same_format_flag == 0:
        form = tensor_format(s, given.format)
        s.require(before is None or form != before.format, f"the format of tensor {name} could be same_format_flag")
    else:
        assert before is not None
        form = before.format
    columns = rows = 1
    if form.inner_codec != InnerCodecId.COEFFICIENTS:
        columns = s("grid_columns_minus1", given.grid.columns - 1) + 1
        rows = channels // columns
        if form.packing != Packing.STACKED:
            rows = s("grid_rows_minus1", given.grid.rows - 1) + 1
    grid = Grid(columns, rows)
    s.require(
        rows > 0 and channels % grid.maps == 0 and (form.packing != Packing.STACKED or grid.maps == channels),
        f"grid {grid} of tensor {name} does not divide its {channels} channels",
    )
    allocation = Allocation.FRAME_MAJOR
    if has_choice(grid, channels):
        allocation = Allocation(s("allocation_idc", given.allocation))
    mode = Mode.AI
    if form.inner_codec.is_video:
        mode = Mode(s("mode_idc", given.mode))
    tensor = TensorHeader(form, grid, allocation, mode)
    s.require(tensor != inherited, f"the parameters of tensor {name} could be same_tensor_flag")
    if before is not None and form.packing == before.format.packing == Packing.STACKED:
        alike = (form.bit_depth, form.inner_codec, mode) == (
            before.format.bit_depth,
            before.format.inner_codec,
            before.mode,
        )
        s.require(
            alike, f"stacked tensor {name} does not have the bit depth, inner codec and mode of the tensor above it"
        )
    if form.levels is not None and form.levels.model_tables:
        has_model = bool(h.stages) and h.stages[-1].model_id is not None
        s.require(has_model, f"tensor {name} has the tables of a model, and the last stage has no model")
    h.tensors[i] = tensor


@table("6.9")
def tensor_format(s: Coder, given: TensorFormat) -> TensorFormat:
    """Depth, inner codec, ranges, order coding and packing of a tensor."""
    bit_depth = s("bit_depth_minus1", given.bit_depth - 1) + 1
    inner_codec = InnerCodecId(s("inner_codec_idc", given.inner_codec))
    s.require(not inner_codec.is_video or bit_depth <= 10, f"bit depth {bit_depth} needs the lossless inner codec")
    if inner_codec == InnerCodecId.COEFFICIENTS:
        s.require(bit_depth == LEVEL_BITS, f"levels have the bit depth {LEVEL_BITS}")
        form = format_of_levels(level_format(s, given.levels or LevelFormat()))
    else:
        range_scope = RangeScope(s("range_scope_idc", given.range_scope))
        reorder_coding = ReorderCoding(s("reorder_coding_idc", given.reorder_coding))
        packing = Packing(s("packing_idc", given.packing))
        form = TensorFormat(bit_depth, inner_codec, range_scope, reorder_coding, packing)
        if range_scope == RangeScope.FIXED:
            form = replace(form, fixed_range=value_range(s, given.fixed_range))
    return form


@table("6.10")
def value_range(s: Coder, pair: Pair) -> Pair:
    """The smallest and the largest value that the quantised samples stand for."""
    lo, hi = pair
    lo = s("range_min", lo)
    hi = s("range_max", hi)
    s.require(lo <= hi, f"range_min {lo} is above range_max {hi}")
    return lo, hi


@table("6.11")
def group_header(s: Coder, h: StreamHeader, g: GroupHeader) -> None:
    """Sizes, ranges and channel orders of the pictures of a group. Sizes are relative to half the layer before."""
    num_pictures = s("num_pictures_minus1", len(g.pictures) - 1) + 1
    fill(s, g.pictures, num_pictures, PictureHeader)
    g.height = s("picture_height_minus1", g.height - 1) + 1
    g.width = s("picture_width_minus1", g.width - 1) + 1
    num_layers = len(h.layers)
    fill(s, g.sizes, num_layers, lambda: (1, 1))
    for i in range(num_layers):
        height, width = g.sizes[i]
        if i == 0:
            height = s("layer_height_minus1", height - 1) + 1
            width = s("layer_width_minus1", width - 1) + 1
        else:
            predicted_height, predicted_width = ((size + 1) // 2 for size in g.sizes[i - 1])
            height = predicted_height + s("layer_height_delta", height - predicted_height)
            width = predicted_width + s("layer_width_delta", width - predicted_width)
        s.require(
            1 <= height <= MAX_SIZE and 1 <= width <= MAX_SIZE, f"layer {h.layers[i].name} has size {height}x{width}"
        )
        g.sizes[i] = height, width
    for p in range(num_pictures):
        picture_header(s, h, g, p)
    g.extension = header_extension(s, g.extension)


@table("6.12")
def picture_header(s: Coder, h: StreamHeader, g: GroupHeader, p: int) -> None:
    """Ranges and channel orders of one picture. The same as in the picture before cost one bit."""
    num_tensors = len(h.tensors)
    picture, before = g.pictures[p], g.pictures[p - 1]
    fill(s, picture.tensors, num_tensors, TensorPicture)
    has_ranges = any(tensor.format.range_scope != RangeScope.FIXED for tensor in h.tensors)
    has_orders = any(tensor.format.reorder_coding != ReorderCoding.NONE for tensor in h.tensors)
    ranges_as_before_flag = orders_as_before_flag = 0
    if p > 0 and has_ranges:
        ranges_as_before_flag = s("ranges_as_before_flag", int(ranges_of(picture) == ranges_of(before)))
    if p > 0 and has_orders:
        orders_as_before_flag = s("orders_as_before_flag", int(orders_of(picture) == orders_of(before)))
    if ranges_as_before_flag == 0:
        if h.shared_range():
            fill(s, picture.ranges, 1, lambda: (0.0, 0.0))
            picture.ranges[0] = value_range(s, picture.ranges[0])
        for i in range(num_tensors):
            ranges = picture.tensors[i].ranges
            num_ranges = {RangeScope.TENSOR: 1, RangeScope.CHANNEL: h.coded[i].channels}.get(
                h.tensors[i].format.range_scope, 0
            )
            fill(s, ranges, num_ranges, lambda: (0.0, 0.0))
            for c in range(num_ranges):
                ranges[c] = value_range(s, ranges[c])
        s.require(
            p == 0 or not has_ranges or ranges_of(picture) != ranges_of(before), "ranges_as_before_flag could be 1"
        )
    elif s.reading:
        picture.ranges = before.ranges
        for tensor, other in zip(picture.tensors, before.tensors, strict=True):
            tensor.ranges = other.ranges
    if orders_as_before_flag == 0:
        for i in range(num_tensors):
            if h.tensors[i].format.reorder_coding != ReorderCoding.NONE:
                reorder_index(s, h, picture, i)
        s.require(
            p == 0 or not has_orders or orders_of(picture) != orders_of(before), "orders_as_before_flag could be 1"
        )
    elif s.reading:
        for tensor, other in zip(picture.tensors, before.tensors, strict=True):
            tensor.order = other.order


def ranges_of(picture: PictureHeader) -> tuple[list[Pair], list[list[Pair]]]:
    """All range values of a picture, for comparison."""
    return picture.ranges, [tensor.ranges for tensor in picture.tensors]


def orders_of(picture: PictureHeader) -> list[list[int]]:
    """All channel orders of a picture, for comparison."""
    return [tensor.order for tensor in picture.tensors]


@table("6.13")
def reorder_index(s: Coder, h: StreamHeader, picture: PictureHeader, i: int) -> None:
    """The channel order of one tensor, by its rank or index by index."""
    name, channels = h.coded[i].name, h.coded[i].channels
    tensor = picture.tensors[i]
    reorder_coding = h.tensors[i].format.reorder_coding
    if reorder_coding == ReorderCoding.EXACT:
        index = s("reorder_index", rank(tensor.order), bits=index_bits(channels))
        s.require(index < factorial(channels), f"reorder_index of tensor {name} is not a permutation's")
        tensor.order = unrank(index, channels)
    else:
        fill(s, tensor.order, channels, int)
        for k in range(channels):
            tensor.order[k] = s("channel_index", tensor.order[k], bits=fixed_index_bits(channels))
        s.require(
            sorted(tensor.order) == list(range(channels)),
            f"the channel indices of tensor {name} are not a permutation",
        )


@table("6.17")
def digest(s: Coder, h: StreamHeader, expected: bytes, digests: list[PictureDigests], num_pictures: int) -> None:
    """The group's header digest, which is ``expected``, and the digests of each picture: their leading bytes."""
    header_digest = s("header_digest", expected[: h.digest_length], bits=8 * h.digest_length)
    s.require(expected.startswith(header_digest), "the header digest differs: a header or a model is damaged")
    num_tensors = len(h.tensors)
    fill(s, digests, num_pictures, PictureDigests)
    for p in range(num_pictures):
        fill(s, digests[p].t1, num_tensors, bytes)
        for i in range(num_tensors):
            digests[p].t1[i] = s("t1_digest", digests[p].t1[i], bits=8 * h.digest_length)
        if h.t2_digest:
            digests[p].t2 = s("t2_digest", digests[p].t2, bits=8 * h.digest_length)


@table("6.18")
def model(s: Coder, m: Model) -> None:
    """A model: its bytes, or the first bytes of its SHA-256, by which a decoder finds them."""
    m.number = s("model_id", m.number)
    m.source = ModelSource(s("model_idc", m.source))
    m.kind = s("model_kind", m.kind)
    if m.source == ModelSource.REFERENCE:
        m.reference = s("model_digest", m.reference, bits=s.bits_to_end(m.reference))
        fits = MIN_REFERENCE_BYTES <= len(m.reference) <= MAX_REFERENCE_BYTES
        s.require(fits, f"model_digest has {len(m.reference)} bytes")
    else:
        m.data = s("model_data", m.data, bits=s.bits_to_end(m.data))


@table("6.19")
def user_data(s: Coder, u: UserData) -> None:
    """Bytes that no decoding process uses, after the UUID that says whose they are."""
    u.uuid = s("user_data_uuid", u.uuid, bits=128)
    u.data = s("user_data", u.data, bits=s.bits_to_end(u.data))


@table("6.20")
def header_extension(s: Coder, extension: bytes) -> bytes:
    """Bytes for later editions of this version, which decoders skip."""
    extension_size = s("extension_size", len(extension))
    return s("extension_data", extension, bits=8 * extension_size)


@table("6.22")
def level_format(s: Coder, given: LevelFormat) -> LevelFormat:
    """Step, reconstruction and tables of a tensor that is coded as levels."""
    qp = s("level_qp", given.qp)
    one = s("level_offset_one", given.offsets[0] + 8) - 8
    more = s("level_offset_more", given.offsets[1] + 8) - 8
    model_tables = bool(s("model_tables_flag", int(given.model_tables)))
    picture_before = bool(s("picture_before_flag", int(given.picture_before)))
    return LevelFormat(qp, (one, more), model_tables, picture_before)
