"""Inner streams written down bit by bit from the tables of H.265 and H.266."""

from __future__ import annotations

from vcm_ref.bitstream.values import InnerCodecId

HEVC, VVC = InnerCodecId.HEVC, InnerCodecId.VVC
START = b"\0\0\0\1"
#: Sequence parameter sets for pictures of 1088x800 (docs/bitstream.md, Annex A: HEVC 2, VVC 1).
SEQUENCE_PARAMETERS = {
    HEVC: bytes.fromhex("4201010408000003009de800000300005dc0088200c84d96ea4932b9b020000003002000000303c1"),
    VVC: bytes.fromhex("0079000b0233800080088200c846a03fff58426cac608104e0aa1982338820"),
}


def acceptable_stream(codec: InnerCodecId, count: int, height: int, width: int, chroma: int = 0) -> bytes:
    """A stream with the headers of ``count`` pictures and nothing in them: a decoder is started, and fails."""
    sequence = sequence_set(codec, height, width, chroma=chroma)
    picture = b"\x26\x01\x80\x80" if codec == HEVC else b"\x00\x41\x80\x80"
    return START.join([b"", sequence, *[picture] * count])


def nal_unit(codec: InnerCodecId, kind: int, layer: int = 0, payload: bytes = b"\x55\x80") -> bytes:
    """A NAL unit of type ``kind`` of a layer (H.265 and H.266, 7.3.1.2)."""
    header = [kind << 1 | layer >> 5, (layer & 31) << 3 | 1] if codec == HEVC else [layer, kind << 3 | 1]
    return bytes(header) + payload


def ue(*values: int) -> str:
    """The values as ue(v) (H.265, 9.2)."""
    return "".join(f"{value + 1:0{2 * (value + 1).bit_length() - 1}b}" for value in values)


def packed(header: str, bits: str) -> bytes:
    """A NAL unit of that header, in hexadecimal, with a trailing 1 bit."""
    bits += "1" + "0" * (-(len(bits) + 1) % 8)
    payload = int(bits, 2).to_bytes(len(bits) // 8, "big")
    escaped = bytearray(bytes.fromhex(header))
    zeros = 0
    for byte in payload:
        if zeros >= 2 and byte <= 3:
            escaped.append(3)
            zeros = 0
        escaped.append(byte)
        zeros = zeros + 1 if byte == 0 else 0
    return bytes(escaped)


def sequence_set(codec: InnerCodecId, height: int, width: int, **elements: int) -> bytes:
    """A sequence parameter set of either codec, for pictures of that size."""
    return (hevc_set if codec == HEVC else vvc_set)((height, width), **elements)


def hevc_set(size: tuple[int, int] = (64, 96), sublayers: str = "", **elements: int) -> bytes:
    """A sequence parameter set, written down from the table of H.265, 7.3.2.2.1. ``size`` is (height, width)."""
    chroma = elements.get("chroma", 1)
    count = {"": 0, "0111" + "0" * 12 + "0" * 8 + "0" * 96: 2}[sublayers]
    bits = f"0000{count:03b}1" + f"000{elements.get('profile', 2):05b}" + "0" * 32 + "0" * 48 + "01011101" + sublayers
    bits += ue(0, chroma) + (str(elements.get("separate", 0)) if chroma == 3 else "") + ue(size[1], size[0])
    bits += "1" + ue(0, 4, 0, 2) + ue(elements.get("luma", 10) - 8, elements.get("colour", 10) - 8) + ue(4)
    return packed("4201", bits)


def vvc_set(size: tuple[int, int] = (64, 96), subpictures: str = "0", constraints: str = "0", **elements: int) -> bytes:
    """A sequence parameter set, written down from the table of H.266, 7.3.2.4: CTUs of 32, three sublayers."""
    head = "0000" + "0000" + "010" + f"{elements.get('chroma', 1):02b}" + "00" + "1"
    level = f"{elements.get('profile', 1):07b}" + "0" + "01011101" + "1" + "0" + constraints
    level += "0" * (-len(level) % 8) + "10" + "000000" + "01010101" + "00000001" + "0" * 32
    rest = (
        "0" + "1" + "1" + ue(size[1], size[0]) + "1" + ue(0, 4, 0, 2) + subpictures + ue(elements.get("depth", 10) - 8)
    )
    return packed("0079", head + level + rest)
