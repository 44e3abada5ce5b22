"""One process that decodes many bitstreams, for the conformance suite (docs/conformance.md, "A decoder that serves").

Each job is run in a fork of this process: what one job loads, keeps, takes or breaks does not reach the next. What is
imported here, all jobs have.
"""

from __future__ import annotations

import gc
import os
import sys
import tempfile
from collections.abc import Callable
from typing import BinaryIO

from ..bitstream.parameter_sets import templates
from ..bitstream.values import InnerCodecId
from ..codec import ffmpeg, lossless  # noqa: F401  decoding imports it when it needs it
from ..conversion.reduction.network import evaluation  # noqa: F401
from ..errors import ConfigError
from ..process.words import KEPT, last_words

#: The options before the paths of a job: bitstream, output, planes.
_PLACES = ("", "-o", "--planes")


def serve(work: Callable[[list[str]], int]) -> None:
    """Run jobs until standard input ends. Raises :class:`ConfigError` for a line that is no job.

    ``work`` is given a job's words of a command line, and gives the exit code.
    """
    for codec in (InnerCodecId.HEVC, InnerCodecId.VVC):
        templates(codec)
    gc.collect()
    gc.freeze()  # a collection in a fork would copy all pages
    for line in sys.stdin.buffer:
        number, *paths = line.rstrip(b"\n").split(b"\t")
        if len(paths) not in (2, 3):
            raise ConfigError("--serve: a job is a line with a number and two or three paths, with tabs between them")
        words = [word for pair in zip(_PLACES, map(os.fsdecode, paths), strict=False) for word in pair if word]
        with tempfile.TemporaryFile() as said:
            code = _in_a_fork(work, words, said)
            said.seek(max(0, said.tell() - KEPT))
            answer = b"%s %d %s" % (number, code, last_words(said.read()).encode("utf-8", "replace"))
        os.write(sys.stdout.fileno(), answer + b"\n")


def _in_a_fork(work: Callable[[list[str]], int], words: list[str], said: BinaryIO) -> int:
    """The exit code of the fork, or the negative number of the signal that ended it; what it says is in ``said``."""
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    code = 70
    try:
        nothing = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((nothing, 0), (said.fileno(), 1), (said.fileno(), 2)):
            os.dup2(source, target)
        code = work(words)
        sys.stdout.flush()
        sys.stderr.flush()
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    finally:
        os._exit(code)
