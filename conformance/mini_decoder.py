#!/usr/bin/env python3
"""A second decoder, written from docs/bitstream.md (version 3) alone; it shares no code with vcm_ref.

That the two decode alike shows that it stands alone. Names and clause numbers are the document's. Beside it are
mini_bits.py (elements of syntax), mini_video.py (substreams, HEVC and VVC), mini_graph.py (models, integer graphs),
mini_klt.py and mini_levels.py.

    mini_decoder.py BITSTREAM -o FOLDER
    mini_decoder.py --serve

FOLDER, which shall not exist, gets t0.raw, t1.raw and t2.raw as docs/conformance.md says, or is not made. The exit code
is 0, one of docs/conformance.md, or 2 for usage and files. With --serve, lines on standard input name bitstreams and
folders. HEVC and VVC take ffmpeg (environment variable VCM_FFMPEG, else on the PATH). The decoder reads the templates
of Annex A from ../docs/bitstream.md, and it does not bring models.
"""

import argparse
import bz2
import contextlib
import functools
import hashlib
import itertools
import math
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace

import mini_graph
import mini_klt
import mini_levels
import numpy as np
from mini_bits import LIMIT_ERROR, UNSUPPORTED_ERROR, Reader, Refused, require
from mini_video import HEVC, INNER_CODECS, VVC, InnerStream, annex_a, ffmpeg, substream

# Clause 7: code points; those of HEVC and VVC are in mini_video.py.
STREAM_HEADER, GROUP_HEADER, SUBSTREAM, DIGEST, END, MODEL = range(1, 7)
USER_DATA = 8
LOSSLESS, COEFFICIENTS = 0, 3
FRAMES, QUILTED, STACKED = range(3)
NONE, EXACT, FIXED_LENGTH = range(3)
FIXED, PICTURE, TENSOR, CHANNEL = range(4)
FRAME_MAJOR, INTERLEAVED = range(2)
RESIZE, KLT, PCA, NETWORK = range(1, 5)
DATA, REFERENCE = range(2)
# Clause 9: the inner codecs of a profile; then the bounds of a level, in the order of its table.
PROFILES = {0: (LOSSLESS,), 1: (LOSSLESS, HEVC), 2: (LOSSLESS, VVC), 3: (LOSSLESS, VVC, COEFFICIENTS)}
LEVELS = {
    1: (4, 256, 8192, 1024, 8388608, 16777216, 65536, 17179869184, 1048576, 64, 2**32, 2**26),
    2: (8, 1024, 16384, 4096, 33554432, 67108864, 262144, 68719476736, 4194304, 128, 2**35, 2**28),
    3: (16, 2048, 32768, 16384, 134217728, 268435456, 1048576, 274877906944, 16777216, 256, 2**38, 2**30),
    4: (64, 8192, 65536, 65536, 536870912, 1073741824, 16777216, 1099511627776, 268435456, 4096, 2**42, 2**32),
}
# docs/conformance.md: what a decoder may refuse.
MAX_FRAME_SAMPLES, MAX_GROUP_SAMPLES, MAX_TOTAL_SAMPLES, MAX_OUTPUT_BYTES = 2**28, 2**29, 2**36, 2**40
MAX_GRAPH_PRODUCTS, MAX_GRAPH_SAMPLES = 2**38, 2**29

Header = Group = Picture = Tensor = SimpleNamespace  # each has what is read of it
Models = dict[int, tuple[int, bytes, bytes]]  # in force, by their numbers: kind, digest and bytes
NO_MODEL = 0, b"", b""


def bitstream(data: bytes) -> Iterator[Group]:
    """Clauses 4.1, 5, 6.2, 7.2 and 7.4: the groups in order, with all checked but what inner decoders find."""
    require(data[:4] == b"VCMF", "it does not begin with VCMF")
    r = Reader(data[4:])
    head = Reader(data[4:])
    head.u("unit_type", 4, STREAM_HEADER, STREAM_HEADER)
    size = head.u("unit_size", 8 * head.u("unit_size_bytes", 4, 0, 4))
    version = head.u("version", 4, 1)
    require(size > 0, "a stream header without a version")
    require(version == 3, "a version other than 3", UNSUPPORTED_ERROR)
    header = stream_header(unit(r))
    models: Models = {}
    payload = next_unit(r)
    while payload.unit_type != END or not header.num_groups:
        while payload.unit_type == MODEL:
            model(payload, models, LEVELS[header.level_idc][8])
            payload = next_unit(r)
        require(payload.unit_type == GROUP_HEADER, "a group does not begin with its header")
        group = group_header(payload, header)
        check_level(group, header)
        stage_models(group, header, models)
        level_tables(group, header, models)
        bases = {codec: [(0, 0), *annex_a(codec)] for codec in header.codecs & {HEVC, VVC}}
        group.inner_streams = []
        for tensors, size in zip(header.substreams, group.sizes, strict=True):
            codec = tensors[0].inner_codec_idc
            group.inner_streams.append(substream(next_unit(r, SUBSTREAM), codec, bases.get(codec, []), size))
        if header.digest_length:
            digest(next_unit(r, DIGEST), header, group, models)
        yield group
        payload = next_unit(r)
    require(not payload.data and not r.left, "the bitstream does not end with an empty unit END")


def unit(r: Reader) -> Reader:
    """Clauses 4.2, 5 and 7.3."""
    unit_type, unit_size_bytes = r.u("unit_type", 4), r.u("unit_size_bytes", 4, 0, 4)
    unit_size = r.u("unit_size", 8 * unit_size_bytes)
    require(unit_size_bytes == (unit_size.bit_length() + 7) // 8, "unit_size is in more bytes than it takes")
    payload = Reader(r.b("payload", unit_size), unit_type)
    require(unit_type in (*range(1, 7), *range(8, 16)), "a critical unit that is not known", UNSUPPORTED_ERROR)
    return payload


def next_unit(r: Reader, *expected: int) -> Reader:
    """Clauses 4.2, 5 and 7.19: the next critical unit."""
    while True:
        payload = unit(r)
        if payload.unit_type < 8:
            require(not expected or payload.unit_type in expected, f"unit_type is {payload.unit_type}, another is due")
            return payload
        if payload.unit_type == USER_DATA:
            payload.b("user_data_uuid", 16)


def stream_header(r: Reader) -> Header:
    """Clauses 7.4, 7.5, 7.20 and 9."""
    header = Header(payload=r.data, layers=[], stages=[], tensors=[], num_groups=0, pictures=0, samples=0, output=0)
    r.u("version", 4)
    profile_idc = r.extensible("profile_idc", r.u("profile_idc", 3), 0, 3)
    header.level_idc = r.extensible("level_idc", r.u("level_idc", 4), 1, 4)
    header.digest_length = r.u("digest_length", 6, 0, 32)
    if header.digest_length:
        r.extensible("digest_idc", r.u("digest_idc", 1), 0, 0)
    channels, (max_layers, max_channels, *_) = 0, LEVELS[header.level_idc]
    for _ in range(r.ue("num_layers_minus1", 63) + 1):
        name = r.b("layer_name", r.ue("layer_name_length_minus1", 31) + 1)
        unique = name not in [layer.name for layer in header.layers]
        require(unique and re.fullmatch(rb"[A-Za-z0-9_.-]+", name), "layer_name has a bad character, or is there twice")
        channels += r.se("channels_delta")
        require(1 <= channels <= 8192, "channels_delta: C is out of range")
        header.layers.append(SimpleNamespace(name=name, channels=channels))
    for _ in range(r.ue("num_stages", 4)):
        header.stages.append(stage(r, header.stages[-1].after if header.stages else header.layers))
    header.t2_digest_flag = r.u("t2_digest_flag", 1 if header.digest_length and header.stages else 0)
    for tensor in header.stages[-1].after if header.stages else header.layers:
        header.tensors.append(tensor_header(r, tensor, header.tensors[-1] if header.tensors else None))
    r.b("extension_data", r.ue("extension_size", 4095))
    r.byte_alignment()
    header.codecs = {tensor.inner_codec_idc for tensor in header.tensors}
    require(header.codecs <= {*PROFILES[profile_idc]}, "an inner codec that the profile does not have")
    require(max(len(header.layers), len(header.tensors)) <= max_layers, "more layers than the level allows")
    most = max(tensor.channels for tensor in header.layers + header.tensors)
    require(most <= max_channels, "more channels than the level allows")
    numbered = enumerate(header.tensors)
    runs = itertools.groupby(numbered, lambda one: -1 if one[1].format.packing_idc == STACKED else one[0])
    header.substreams = [[tensor for _, tensor in run] for _, run in runs]
    return header


def stage(r: Reader, tensors: list[SimpleNamespace]) -> SimpleNamespace:
    """Clauses 7.6, and of 8.9 the names and channels of the tensors after the stage."""
    idc = r.extensible("stage_idc", r.ue("stage_idc"), RESIZE, NETWORK)
    stage_payload_bits = r.ue("stage_payload_bits", 16384)
    one, before = SimpleNamespace(idc=idc, before=tensors, after=tensors), r.left
    {RESIZE: resize, KLT: klt, PCA: pca, NETWORK: network}[idc](r, one)
    require(before - r.left == stage_payload_bits, "stage_payload_bits is not the payload's length")
    return one


def resize(r: Reader, stage: SimpleNamespace) -> None:
    """Clause 7.7."""
    stage.own = [r.u("resize_shift", 2, 0, 2) for _ in stage.before]
    require(any(stage.own), "a stage that changes nothing")


def klt(r: Reader, stage: SimpleNamespace) -> None:
    """Clause 7.23."""
    stage.model_id = r.u("model_id", 4)
    stage.after = [SimpleNamespace(name=b"klt", channels=r.ue("klt_components_minus1", 1023) + 1)]
    stage.own = [r.u("klt_shift", 3, 0, 6) for _ in stage.before]


def pca(r: Reader, stage: SimpleNamespace) -> None:
    """Clauses 7.6, 7.24 and 8.9; of the components of a tensor, `shifts` are the left shifts w."""
    stage.own, stage.after, coefficients = [], [], []
    for tensor in stage.before:
        components, one = r.ue("pca_components", 255), None
        if components:
            one = SimpleNamespace(f=r.se("pca_fraction_bits"), u=r.u("pca_unit_shift", 4))
            require(abs(one.f) <= 96, "pca_fraction_bits is out of range")
            deltas = [r.ue("pca_shift_delta", 8) for _ in range(components - 1)]
            one.shifts = list(itertools.accumulate(deltas, initial=0))
            require(one.shifts[-1] <= 8, "the sum of pca_shift_delta is above 8")
            coefficients.append(SimpleNamespace(name=tensor.name + b".coefficients", channels=components))
            tensor = SimpleNamespace(name=tensor.name + b".maps", channels=components + 1)
        stage.own.append(one)
        stage.after.append(tensor)
    stage.after += coefficients
    require(coefficients, "a stage PCA without components")
    names = {tensor.name for tensor in stage.after}
    require(len(names) == len(stage.after), "two tensors of the same name after a stage PCA")


def network(r: Reader, stage: SimpleNamespace) -> None:
    """Clause 7.25."""
    stage.model_id, stage.condition = r.u("model_id", 4), r.u("network_condition", 8)
    stage.own, stage.shifts, stage.after = [r.u("network_layer_shift", 3) for _ in stage.before], [], []
    for j in range(r.ue("network_num_tensors_minus1", 63) + 1):
        channels = r.ue("network_channels_minus1", 8191) + 1
        stage.after.append(SimpleNamespace(name=b"network%d" % j, channels=channels))
        stage.shifts.append(r.u("network_tensor_shift", 3))


def stage_models(group: Group, header: Header, models: Models) -> None:
    """Clauses 7.18, 7.23, 7.25, 8.11 and 9: of each stage its model, which fits; None where it has none."""
    group.models = []
    for stage, sizes in zip(header.stages, group.coded, strict=False):
        kind, _, data = models.get(getattr(stage, "model_id", None), NO_MODEL)
        require(kind == stage.idc or not hasattr(stage, "model_id"), "a model not in force, or for another stage")
        own = None
        if stage.idc == KLT:
            channels = [tensor.channels for tensor in stage.before]
            own = mini_klt.read(data, channels, stage.after[0].channels, stage.own)
        elif stage.idc == NETWORK:
            own = mini_graph.read_graph(data)
            taken = [(tensor.channels, s) for tensor, s in zip(stage.after, stage.shifts, strict=True)]
            given = [(tensor.channels, s) for tensor, s in zip(stage.before, stage.own, strict=True)]
            require([(channels, s) for channels, s, *_ in own.inputs] == taken, "a graph that takes other tensors")
            require([own.forms[one][:2] for one, _ in own.outputs] == given, "a graph that gives other tensors")
            needs = mini_graph.needs(own, lattice(sizes, stage.own))
            bounds = LEVELS[header.level_idc][9:]
            require(all(map(int.__le__, needs, bounds)), "a graph that needs more than the level allows")
            within = needs[1] <= MAX_GRAPH_PRODUCTS and needs[2] <= MAX_GRAPH_SAMPLES
            require(within, "a graph that needs more than this computes", LIMIT_ERROR)
        group.models.append(own)


def lattice(sizes: list[tuple[int, int]], shifts: list[int]) -> tuple[int, int]:
    """Clause 7.25."""
    h, w = zip(*[(-(-h >> s), -(-w >> s)) for (h, w), s in zip(sizes, shifts, strict=True)], strict=True)
    return max(h), max(w)


def tensor_header(r: Reader, layer: SimpleNamespace, before: Tensor | None) -> Tensor:
    """Clause 7.8."""
    channels, same_format_flag = layer.channels, 0
    inherited = None
    if before:
        rows = channels // before.columns if before.format.packing_idc == STACKED else before.rows
        if channels % before.columns == 0 and channels % (before.columns * rows) == 0:
            inherited = {**vars(before), "rows": rows, "name": layer.name, "channels": channels}
            inherited["allocation_idc"] *= 1 < before.columns * rows < channels
        if r.u("same_tensor_flag", 1):
            require(inherited, "same_tensor_flag is 1 where the grid before does not fit")
            return Tensor(**inherited)
        same_format_flag = r.u("same_format_flag", 1)
    form = before.format if same_format_flag else tensor_format(r)
    require(not before or same_format_flag or form != before.format, "same_format_flag is 0 where it could be 1")
    columns = rows = 1
    if form.inner_codec_idc != COEFFICIENTS:
        columns = r.ue("grid_columns_minus1", 8191) + 1
        rows = channels // columns if form.packing_idc == STACKED else r.ue("grid_rows_minus1", 8191) + 1
    require(rows and channels % (columns * rows) == 0, "grid_columns_minus1, grid_rows_minus1: not a grid for C maps")
    allocation_idc = r.u("allocation_idc", 1 if 1 < columns * rows < channels else 0)
    mode_idc = r.u("mode_idc", 2 if form.inner_codec_idc in INNER_CODECS else 0, 0, 2)
    found = {"format": form, "columns": columns, "rows": rows, "allocation_idc": allocation_idc, "mode_idc": mode_idc}
    found |= {"name": layer.name, "channels": channels, "inner_codec_idc": form.inner_codec_idc}
    require(found != inherited, "same_tensor_flag is 0 where it could be 1")
    if before and form.packing_idc == before.format.packing_idc == STACKED:
        alike = (form.n, form.inner_codec_idc, mode_idc) == (before.format.n, before.inner_codec_idc, before.mode_idc)
        require(alike, "stacked tensors differ in bit depth, inner codec or mode")
    return Tensor(**found)


def tensor_format(r: Reader) -> SimpleNamespace:
    """Clause 7.9."""
    form = SimpleNamespace(n=r.u("bit_depth_minus1", 4) + 1)
    form.inner_codec_idc = r.extensible("inner_codec_idc", r.u("inner_codec_idc", 3), LOSSLESS, COEFFICIENTS)
    form.inner_bit_depth = 10 if form.inner_codec_idc in INNER_CODECS else form.n
    require(form.n <= form.inner_bit_depth, "a bit depth that is for LOSSLESS only")
    if form.inner_codec_idc == COEFFICIENTS:  # clause 7.22
        require(form.n == 16, "levels whose bit depth is not 16")
        form.qp, *form.offsets = r.u("level_qp", 6), r.u("level_offset_one", 5) - 8, r.u("level_offset_more", 5) - 8
        form.model_tables = r.u("model_tables_flag", 1)
        form.picture_before = r.u("picture_before_flag", 1)
        form.range_scope_idc, form.reorder_coding_idc, form.packing_idc = FIXED, NONE, FRAMES
        form.fixed = [(0.0, 2.0 ** (form.qp // 6 - 17))]
        return form
    form.range_scope_idc, form.reorder_coding_idc = r.u("range_scope_idc", 2), r.u("reorder_coding_idc", 2, 0, 2)
    form.packing_idc = r.u("packing_idc", 2, 0, 2)
    form.fixed = value_ranges(r, 1 if form.range_scope_idc == FIXED else 0)
    return form


def value_ranges(r: Reader, count: int) -> list[tuple[float, float]]:
    """Clause 7.10: `count` pairs of lo and hi."""
    data = r.b("value_range", 8 * count)
    require(b"\x80\0\0\0" not in [data[place : place + 4] for place in range(0, len(data), 4)], "a value is -0")
    pairs = np.frombuffer(data, ">f4").reshape(count, 2)
    require(np.isfinite(pairs).all() and (pairs[:, 0] <= pairs[:, 1]).all(), "not finite, or range_min > range_max")
    return list(map(tuple, pairs.tolist()))


def group_header(r: Reader, header: Header) -> Group:
    """Clauses 7.11, 7.12 and 7.20."""
    group = Group(header=header, payload=r.data, dimensions=[], pictures=[])
    num_pictures = r.ue("num_pictures_minus1", 1023) + 1
    r.ue("picture_height_minus1", 65535)
    r.ue("picture_width_minus1", 65535)
    height, width = r.ue("layer_height_minus1", 65535) + 1, r.ue("layer_width_minus1", 65535) + 1
    group.dimensions.append((height, width))
    for _ in header.layers[1:]:
        height = (height + 1) // 2 + r.se("layer_height_delta")
        width = (width + 1) // 2 + r.se("layer_width_delta")
        require(min(height, width) >= 1 and max(height, width) <= 65536, "the size of a layer is out of range")
        group.dimensions.append((height, width))
    for _ in range(num_pictures):
        group.pictures.append(picture_header(r, header, group.pictures[-1] if group.pictures else None))
    r.b("extension_data", r.ue("extension_size", 4095))
    r.byte_alignment()
    coded = group.coded = [group.dimensions]  # before each stage, and after the last
    for stage in header.stages:
        if stage.idc == RESIZE:
            coded.append([(-(-h >> s), -(-w >> s)) for (h, w), s in zip(coded[-1], stage.own, strict=True)])
        elif stage.idc == KLT:
            coded.append([lattice(coded[-1], stage.own)])
        elif stage.idc == NETWORK:
            h, w = lattice(coded[-1], stage.own)
            coded.append([(h << s, w << s) for s in stage.shifts])
        else:
            taken = zip(stage.before, stage.own, strict=True)
            coded.append(coded[-1] + [(1, tensor.channels) for tensor, one in taken if one])
    group.sizes, rest = [], iter(coded[-1])
    for tensors in header.substreams:
        own = [(t.rows * h, t.columns * w) for t, (h, w) in zip(tensors, rest, strict=False)]
        h, w = sum(h for h, _ in own), max(w for _, w in own)
        if tensors[0].inner_codec_idc in INNER_CODECS:
            h, w = max(32, h + h % 2), max(32, w + w % 2)
        group.sizes.append((num_pictures * tensors[0].channels // (tensors[0].columns * tensors[0].rows), h, w))
    return group


def picture_header(r: Reader, header: Header, before: Picture | None) -> Picture:
    """Clause 7.12: the ranges of each tensor, the orders of each."""
    scopes = [tensor.format.range_scope_idc for tensor in header.tensors]
    codings = [tensor.format.reorder_coding_idc for tensor in header.tensors]
    has_ranges, has_orders = before and {*scopes} != {FIXED}, before and {*codings} != {NONE}
    ranges_as_before_flag = r.u("ranges_as_before_flag", 1 if has_ranges else 0)
    orders_as_before_flag = r.u("orders_as_before_flag", 1 if has_orders else 0)
    picture = Picture(ranges=[], t1_digests=[b""] * len(header.tensors), t2_digest=b"")
    if ranges_as_before_flag:
        picture.ranges = before.ranges
    else:
        shared = value_ranges(r, 1 if PICTURE in scopes else 0)
        for tensor, scope in zip(header.tensors, scopes, strict=True):
            own = value_ranges(r, {TENSOR: 1, CHANNEL: tensor.channels}.get(scope, 0))
            picture.ranges.append({FIXED: tensor.format.fixed, PICTURE: shared}.get(scope, own))
        require(not has_ranges or picture.ranges != before.ranges, "ranges_as_before_flag is 0 where it could be 1")
    if orders_as_before_flag:
        picture.orders = before.orders
    else:
        taken = zip(codings, header.tensors, strict=True)
        picture.orders = [reorder_index(r, coding, tensor.channels) for coding, tensor in taken]
        require(not has_orders or picture.orders != before.orders, "orders_as_before_flag is 0 where it could be 1")
    return picture


def check_level(group: Group, header: Header) -> None:
    """Clause 9, for the groups so far; and docs/conformance.md, what a decoder may refuse."""
    header.num_groups += 1
    restored = zip(header.layers, group.dimensions, strict=True)
    restored = len(group.pictures) * sum(layer.channels * h * w for layer, (h, w) in restored)
    samples = max(sum(map(math.prod, group.sizes)), restored)
    header.pictures, header.samples = header.pictures + len(group.pictures), header.samples + samples
    sides, frames, areas = zip(*[(max(h, w), f, h * w) for f, h, w in group.sizes], strict=True)
    needs = [max(sides), max(frames), max(areas), samples, header.pictures, header.samples]
    bounds = LEVELS[header.level_idc][2:8]
    require(all(map(int.__le__, needs, bounds)), "the bitstream needs more than its level allows")
    header.output += 4 * restored
    within = max(areas) <= MAX_FRAME_SAMPLES and samples <= MAX_GROUP_SAMPLES and header.samples <= MAX_TOTAL_SAMPLES
    require(within and header.output <= MAX_OUTPUT_BYTES, "more than this decodes", LIMIT_ERROR)


def model(r: Reader, models: Models, most: int) -> None:
    """Clauses 7.18 and 9; what is kept of a model is its kind, digest and bytes."""
    model_id = r.u("model_id", 4)
    model_idc = r.extensible("model_idc", r.u("model_idc", 4), DATA, REFERENCE)
    kind = r.u("model_kind", 8)
    if model_idc == REFERENCE:
        reference = r.b("model_digest", r.left // 8)
        require(4 <= len(reference) <= 32, "model_digest does not have 4 to 32 bytes")
        found = {sha256: data for _, sha256, data in models.values() if sha256.startswith(reference)}
        require(found, f"model {reference.hex()} is not here", UNSUPPORTED_ERROR)
        require(len(found) == 1, "two models in force begin with model_digest")
        sha256, data = found.popitem()
    else:
        data = r.data[2:]
        sha256 = hashlib.sha256(data).digest()
    require(models.get(model_id, NO_MODEL)[:2] != (kind, sha256), "a model that is in force already")
    models[model_id] = (kind, sha256, data)
    require(sum(len(data) for *_, data in models.values()) <= most, "models of more bytes than the level allows")


def reorder_index(r: Reader, coding: int, channels: int) -> list[int]:
    """Clauses 7.13 and 8.2: the channel order."""
    unused = list(range(channels))
    if coding == NONE:
        return unused
    if coding == FIXED_LENGTH:
        order = [r.u("channel_index", (channels - 1).bit_length()) for _ in unused]
        require(sorted(order) == unused, "the indices of a layer are not a permutation")
        return order
    last, digit = math.factorial(channels) - 1, [0] * channels
    index = r.u("reorder_index", last.bit_length(), 0, last)
    for base in range(1, channels + 1):
        index, digit[channels - base] = divmod(index, base)
    return [unused.pop(entry) for entry in digit]


def digest(r: Reader, header: Header, group: Group, models: Models) -> None:
    """Clauses 7.17 and 8.7; the other digests are compared when there are tensors."""
    in_force = b"".join(bytes([number, kind]) + sha256 for number, (kind, sha256, _) in sorted(models.items()))
    expected = hashlib.sha256(header.payload + in_force + group.payload).digest()
    require(expected.startswith(r.b("header_digest", header.digest_length)), "header_digest differs")
    for picture in group.pictures:
        picture.t1_digests = [r.b("t1_digest", header.digest_length) for _ in header.tensors]
        picture.t2_digest = r.b("t2_digest", header.digest_length * header.t2_digest_flag)
    r.byte_alignment()


def canonical(name: bytes, tensor: np.ndarray) -> bytes:
    """Clause 8.7."""
    kind = {"<u2": b"\6uint16", "<i4": b"\5int32", "<f4": b"\7float32"}[tensor.dtype.str]
    return b"".join((bytes([len(name)]), name, kind, b"\3", np.array(tensor.shape, "<u4").tobytes(), tensor.tobytes()))


def decode(groups: Iterable[Group], folder: Path) -> None:
    """Clauses 8.1 and 8.7."""
    with open(folder / "t0.raw", "wb") as t0, open(folder / "t1.raw", "wb") as t1, open(folder / "t2.raw", "wb") as t2:
        for group in groups:
            header, decoders = group.header, {LOSSLESS: lossless, COEFFICIENTS: functools.partial(levels, group)}
            clips = []
            for run, stream, size in zip(header.substreams, group.inner_streams, group.sizes, strict=True):
                clips.append(decoders.get(run[0].inner_codec_idc, ffmpeg)(stream, size, run[0]))
            for p, picture in enumerate(group.pictures):
                tensors: list[np.ndarray] = []
                for run, clip in zip(header.substreams, clips, strict=True):
                    own = len(clip) // len(group.pictures)
                    frames = clip[p * own : (p + 1) * own]
                    if run[0].inner_codec_idc != COEFFICIENTS:
                        frames.tofile(t0)
                    tensors += coded_tensors(
                        frames, run, group.coded[-1][len(tensors) :], picture.orders[len(tensors) :]
                    )
                for tensor, values, expected in zip(header.tensors, tensors, picture.t1_digests, strict=True):
                    found = hashlib.sha256(canonical(tensor.name, values)).digest()
                    require(found.startswith(expected), "t1_digest differs")
                    values.tofile(t1)
                sha256 = hashlib.sha256()
                for layer, values in zip(header.layers, restored(tensors, header, group, picture), strict=True):
                    sha256.update(canonical(layer.name, values))
                    values.tofile(t2)
                require(sha256.digest().startswith(picture.t2_digest), "t2_digest differs")


def coded_tensors(
    frames: np.ndarray, run: list[Tensor], sizes: list[tuple[int, int]], orders: list[list[int]]
) -> Iterator[np.ndarray]:
    """Clauses 8.1 and 8.3: the tensors of a substream, tier T1; `sizes` and `orders` begin with theirs."""
    form, top = run[0].format, 0
    if form.inner_codec_idc == COEFFICIENTS:
        yield frames
        return
    shift = form.inner_bit_depth - form.n
    frames = np.minimum(frames + (1 << shift >> 1) >> shift, (1 << form.n) - 1)
    for tensor, (h, w), order in zip(run, sizes, orders, strict=False):
        part = frames[:, top : top + tensor.rows * h, : tensor.columns * w]
        yield feature_maps(part, tensor, np.array(order), h, w)
        top += tensor.rows * h


def restored(tensors: list[np.ndarray], header: Header, group: Group, picture: Picture) -> Iterator[np.ndarray]:
    """Clauses 8.9 and 8.6: the layers, tier T2."""
    forms = [tensor.format for tensor in header.tensors]
    current = [
        (mini_levels.samples(q.astype(np.int64), form.qp, form.offsets), pairs, 1)
        if form.inner_codec_idc == COEFFICIENTS
        else (q.astype(np.int64), pairs, (1 << form.n) - 1)
        for q, pairs, form in zip(tensors, picture.ranges, forms, strict=True)
    ]
    for stage, sizes, model in zip(header.stages[::-1], group.coded[-2::-1], group.models[::-1], strict=True):
        if stage.idc == RESIZE:
            current = [resized(*one, s, size) for one, s, size in zip(current, stage.own, sizes, strict=True)]
        elif stage.idc == KLT:
            layers = mini_klt.restored(model, fixed_point(values(*current[0]), 8, 20), stage.own, sizes)
            current = [(x, [(0.0, 2.0 ** -(14 + model.gain))], 1) for x in layers]
        elif stage.idc == NETWORK:
            inputs = [fixed_point(values(*one), f, b) for one, (_, _, b, f) in zip(current, model.inputs, strict=True)]
            outputs = mini_graph.evaluate(model, inputs, stage.condition)
            given = zip(outputs, model.outputs, sizes, strict=True)
            current = [(x[:, :h, :w], [(0.0, 2.0**-g)], 1) for x, (_, g), (h, w) in given]
        else:
            coefficients = iter(current[len(sizes) :])
            pairs = zip(current, stage.own, strict=False)
            current = [put_together(maps, next(coefficients), one) if one else maps for maps, one in pairs]
    for one in current:
        yield values(*one).astype("<f4")


def values(q: np.ndarray, pairs: list[tuple[float, float]], divisor: int) -> np.ndarray:
    """Clause 8.6, in binary64."""
    lo, hi = np.array(pairs).T.reshape(2, -1, 1, 1)
    return lo + q.astype(np.float64) * ((hi - lo) / divisor)


def put_together(maps: tuple, coefficients: tuple, one: SimpleNamespace) -> tuple:
    """Clause 8.9, PCA."""
    a, t = fixed_point(values(*maps), one.f, 20), fixed_point(values(*coefficients), 5, 18)
    shifted = t[:, 0] << np.array(one.shifts).reshape(-1, 1)
    s = (a[0] << one.u) + np.tensordot(shifted.T, a[1:], 1)
    return np.clip(s + (1 << one.u >> 1) >> one.u, -(2**31), 2**31 - 1), [(0.0, 2.0**-one.f)], 1


def fixed_point(v: np.ndarray, f: int, b: int) -> np.ndarray:
    """Clause 8.9."""
    return np.clip(np.floor(v * 2.0**f + 0.5), -(2 ** (b - 1)), 2 ** (b - 1) - 1).astype(np.int64)


def resized(q: np.ndarray, pairs: list[tuple[float, float]], divisor: int, shift: int, size: tuple[int, int]) -> tuple:
    """Clause 8.9, RESIZE."""
    if not shift:
        return q, pairs, divisor
    f = 1 << shift
    return interpolated(interpolated(q, 1, size[0], f), 2, size[1], f), pairs, divisor * (2 * f) ** 2


def interpolated(q: np.ndarray, axis: int, size: int, f: int) -> np.ndarray:
    """Clause 8.9, RESIZE: along one axis."""
    t, last = 2 * np.arange(size) + 1 - f, q.shape[axis] - 1
    weight = (t % (2 * f)).reshape((-1, 1) if axis == 1 else (-1,))
    one = q.take(np.clip(t // (2 * f), 0, last), axis)
    return (2 * f - weight) * one + weight * q.take(np.clip(t // (2 * f) + 1, 0, last), axis)


def level_tables(group: Group, header: Header, models: Models) -> None:
    """Clauses 7.22 and 8.10.5: the tables of each tensor of levels, None where they are the default ones."""
    group.tables, first = {}, 0
    for tensor in header.tensors:
        if getattr(tensor.format, "model_tables", 0):
            require(header.stages and hasattr(header.stages[-1], "model_id"), "tables of a model where there is none")
            model = mini_graph.model_tensors(models[header.stages[-1].model_id][2])
            group.tables[tensor.name] = mini_levels.tables(model, first, tensor.channels, tensor.format.qp)
        first += tensor.channels


def levels(group: Group, coded: InnerStream, size: tuple[int, int, int], tensor: Tensor) -> np.ndarray:
    """Clause 8.10."""
    tables = group.tables.get(tensor.name)
    return mini_levels.decode(coded[0], size, tensor.channels, tensor.format.picture_before, tables)


def lossless(coded: InnerStream, size: tuple[int, int, int], tensor: Tensor) -> np.ndarray:
    """Clause 8.8, modulo 2**16 and at last modulo 2**n."""
    n, symbols, stream = tensor.format.n, 0, coded[0]
    end = 4 + int.from_bytes(stream[:4], "big")
    require(n <= 8 or end <= len(stream), "low_size exceeds the bytes that follow it")
    for shift, part in enumerate([stream] if n <= 8 else [stream[4:end], stream[end:]]):
        bzip2, data = bz2.BZ2Decompressor(), b""
        with contextlib.suppress(OSError):
            data = bzip2.decompress(part, math.prod(size) + 1)  # that one shows that there are too many
        require(len(data) == math.prod(size) and bzip2.eof and not bzip2.unused_data, "bzip2 data not of the samples")
        tail = int.from_bytes(part[-11:], "big")  # the marker, the checksum, and k bits that fill the last byte
        k = next(k for k in range(8) if tail >> 32 + k & (1 << 48) - 1 == 0x177245385090)
        require(tail & (1 << k) - 1 == 0, "bits that fill the last byte of bzip2 data are not 0")
        symbols = symbols | np.frombuffer(data, np.uint8).astype("<u2") << 8 * shift
    require(int(symbols.max()) >> n == 0, "a symbol is not below 2**n")
    for p in symbols.reshape(size):
        p[...] = np.where(p & 1, ~(p >> 1), p >> 1)
        p[0, :1] += 1 << n - 1
        p[:, 0] = np.cumsum(p[:, 0], dtype="<u2")
        p[...] = np.cumsum(p, axis=1, dtype="<u2")
    return symbols.reshape(size) & (1 << n) - 1


def feature_maps(frames: np.ndarray, tensor: Tensor, order: np.ndarray, h: int, w: int) -> np.ndarray:
    """Clause 8.5: a tensor, tier T1, from its part of the frames."""
    rows, columns = tensor.rows, tensor.columns
    if tensor.allocation_idc == INTERLEAVED:  # position k is c · F + f
        order = order.reshape(rows, columns, -1).transpose(2, 0, 1)
    order = order.reshape(-1, rows, columns)
    if tensor.format.packing_idc == QUILTED:
        maps = frames.reshape(-1, h, rows, w, columns).transpose(0, 2, 4, 1, 3)
    else:
        maps = frames.reshape(-1, rows, h, columns, w).transpose(0, 1, 3, 2, 4)
    q = np.empty((tensor.channels, h, w), "<u2")
    q[order] = maps
    return q


def decoded(given: Path, output: Path) -> tuple[int, str]:
    """The exit code, and where it is not 0 the reason."""
    try:
        data = given.read_bytes()
        for _ in bitstream(data):
            pass  # all is checked before anything is decoded
        with tempfile.TemporaryDirectory(dir=output.absolute().parent) as temporary:
            folder = Path(temporary, "output")
            folder.mkdir()
            decode(bitstream(data), folder)
            folder.rename(output)
        return 0, ""
    except Refused as refused:
        message, status = refused.args
        return status, message
    except (MemoryError, subprocess.TimeoutExpired, OSError) as error:
        return 2 if isinstance(error, OSError) else LIMIT_ERROR, f"{type(error).__name__}: {error}"


def serve() -> None:
    """docs/conformance.md, "A decoder that serves": each job in a fork, so that nothing of it is there for the next."""
    for codec in INNER_CODECS:
        annex_a(codec)  # the templates are read once
    for line in sys.stdin.buffer:
        number, *paths = line.rstrip(b"\n").split(b"\t")
        reader, writer = os.pipe()
        pid = os.fork()
        if not pid:
            status = 1
            with contextlib.suppress(BaseException):
                status, message = decoded(*(Path(os.fsdecode(path)) for path in paths))
                os.write(writer, message.encode()[:1000])
            os._exit(status)
        os.close(writer)
        with open(reader, "rb") as pipe:
            message = b" ".join(pipe.read().split())
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        sys.stdout.buffer.write(b"%s %d %s\n" % (number, status, message))
        sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(description="Decode a bitstream as docs/bitstream.md says.")
    parser.add_argument("bitstream", type=Path, nargs="?")
    parser.add_argument("-o", dest="output", type=Path, help="the folder to make")
    parser.add_argument("--serve", action="store_true", help="decode what standard input names")
    given = parser.parse_args()
    if given.serve:
        serve()
        return 0
    if not given.bitstream or not given.output:
        parser.error("a bitstream and the folder to make are needed")
    status, message = decoded(given.bitstream, given.output)
    if status:
        print("mini_decoder:", message, file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
