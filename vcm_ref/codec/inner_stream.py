"""An inner stream as its decoder is given it: it keeps the rules, and has nothing that a decoder ignores."""

from __future__ import annotations

from ..bitstream.inner_stream import check_inner_stream, kept_nal_units
from ..bitstream.nal import join_byte_stream, split_byte_stream
from ..bitstream.sequence_parameters import SequenceParameters
from ..bitstream.values import InnerCodecId
from ..errors import BitstreamError, CodecError


def checked_inner_stream(
    codec_id: InnerCodecId, stream: bytes, count: int, height: int, width: int
) -> tuple[bytes, SequenceParameters]:
    """Leave out of an Annex B byte stream the NAL units that change no sample, and check the others.

    The stream shall give ``count`` pictures of ``height`` x ``width`` after cropping. Returns the byte stream that is
    left, and the parameters that all pictures have. Raises CodecError where the stream breaks a rule of
    docs/bitstream.md, 8.3: the streams of a bitstream do not, as its reader has checked them.
    """
    try:
        parameters = check_inner_stream(codec_id, split_byte_stream(stream), count, height, width)
    except BitstreamError as error:
        raise CodecError(error.message) from error
    return join_byte_stream(kept_nal_units(codec_id, split_byte_stream(stream))), parameters
