"""A decoder run on vectors, several at a time, and judged."""

from __future__ import annotations

import stat
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from ..errors import ConfigError, reason
from ..process.scratch import remove_tree, scratch_folder
from ..process.served import Served
from ..process.watched import Cancelled, Cause, Ending, NotEndedError, RunLimits, execute
from .adaptor import Adaptor, Mode
from .decoded_files import expected_bytes
from .errors import HarnessError
from .judgement import Judgement, Outcome, judge
from .manifest import Vector
from .results import Result
from .selection import why_not_run
from .stored_file import copy_stored

#: What a decoder may write beyond what is asked for: descriptions beside its files, temporary ones.
_DISK_SLACK = 1 << 26
#: Of vectors that it shall refuse, which it may decode to the end before it sees why.
_DISK_REFUSED = 1 << 30
_VERSION_LIMITS = RunLimits(seconds=20.0, memory=1 << 32, disk=1 << 20)

#: Is given a vector that has passed and the decoder's output folder, before that is removed.
Inspect = Callable[[Vector, Path], None]


@dataclass(frozen=True)
class Plan:
    """How to run: the suite's ``folder``, the decoder, the mode, how many at a time, a factor for time limits.

    Where ``fresh`` is set, or the adaptor does not say how to serve, each vector has a process of its own.
    """

    folder: Path
    adaptor: Adaptor
    mode: Mode = "b"
    jobs: int = 1
    time_factor: float = 1.0
    fresh: bool = False

    @property
    def served(self) -> bool:
        """Whether one process is given many vectors."""
        return self.adaptor.serve is not None and not self.fresh


def run_vectors(
    plan: Plan, vectors: Sequence[Vector], progress: Callable[[float], None], inspect: Inspect | None = None
) -> list[Result]:
    """The results, in the order of ``vectors``; ``progress`` is told 1 for each that is done.

    Vectors that the decoder does not claim, or to which the mode does not apply, are not run. Neither processes nor
    files are left, however this ends. Raises :class:`SuiteError` where a vector's file is not what the manifest says,
    :class:`HarnessError` where the harness cannot write, :class:`ConfigError` where the decoder's program cannot be
    started, and whatever ``inspect`` raises.
    """
    cancelled = threading.Event()
    with (
        scratch_folder("conformance") as work,
        closing(_Decoders(plan, work.absolute())) as decoders,
        ThreadPoolExecutor(plan.jobs) as pool,
    ):
        try:
            futures = [pool.submit(_run_one, plan, vector, decoders, cancelled, inspect) for vector in vectors]
            for future in as_completed(futures):
                future.result()
                progress(1)
        finally:  # an interrupt or an error: the rest is called off, and waited for
            cancelled.set()
            pool.shutdown(cancel_futures=True)
    return [future.result() for future in futures]


def decoder_version(adaptor: Adaptor) -> str | None:
    """What the decoder's ``version`` command prints; ``None`` where it has none, or that fails."""
    if adaptor.version is None:
        return None
    with scratch_folder("conformance") as folder:
        ending = execute(adaptor.version, folder.absolute(), _VERSION_LIMITS, threading.Event())
    return ending.words if (ending.cause, ending.code) == (Cause.EXIT, 0) and ending.words else None


class _Decoders:
    """How a plan's decoder is run: a process for each vector, or processes that wait for vectors."""

    def __init__(self, plan: Plan, work: Path) -> None:
        self.work = work
        self._plan = plan
        self._waiting: list[Served] = []
        self._lock = threading.Lock()

    def run(self, vector: Vector, paths: Sequence[Path], cancelled: threading.Event) -> Ending:
        """How the decoder ended with a vector, of which ``paths`` has the bitstream, the output and maybe planes."""
        bitstream, output, *planes = paths
        folder, limits = bitstream.parent, _limits(self._plan, vector)
        if not self._plan.served:
            command = self._plan.adaptor.command_line(self._plan.mode, bitstream, output, *planes)
            return execute(command, folder, limits, cancelled)
        try:
            decoder = self._taken()
        except (OSError, ValueError) as error:
            return Ending(Cause.NOT_STARTED, None, 0.0, 0, reason(error))
        ending = decoder.ask(paths, folder, limits, cancelled)
        self._give_back(decoder)
        return ending

    def _taken(self) -> Served:
        while decoder := self._popped():
            if decoder.lives:
                return decoder
            decoder.end()
            remove_tree(decoder.folder)
        assert self._plan.adaptor.serve is not None
        return Served(self._plan.adaptor.serve, Path(tempfile.mkdtemp(dir=self.work)))

    def _popped(self) -> Served | None:
        with self._lock:
            return self._waiting.pop() if self._waiting else None

    def _give_back(self, decoder: Served) -> None:
        if not decoder.usable:
            remove_tree(decoder.folder)
            return
        with self._lock:
            self._waiting.append(decoder)

    def close(self) -> None:
        """End all that wait, when nothing runs any more. Raises :class:`HarnessError` where one cannot be ended."""
        try:
            with ExitStack() as ending:  # one that cannot be ended does not keep the others
                for decoder in self._waiting:
                    ending.callback(decoder.end)
        except NotEndedError as error:
            raise HarnessError(str(error)) from error


def _run_one(
    plan: Plan, vector: Vector, decoders: _Decoders, cancelled: threading.Event, inspect: Inspect | None
) -> Result:
    reason = why_not_run(vector, plan.adaptor, plan.mode)
    if reason is not None:
        return Result(vector, Judgement(Outcome.NOT_RUN, reason))
    if cancelled.is_set():
        raise Cancelled
    with _vector_folder(decoders.work) as folder:
        # Neither a path nor a name tells the decoder which vector it is given, and a copy is what it may spoil.
        bitstream, output = folder / "stream.bin", folder / "output"
        paths = [bitstream, output]
        copy_stored(plan.folder, vector.bitstream, bitstream)
        if plan.mode == "a" and vector.planes is not None:
            paths.append(folder / "planes.raw")
            copy_stored(plan.folder, vector.planes, paths[-1])
        try:
            ending = decoders.run(vector, paths, cancelled)
        except NotEndedError as error:
            raise HarnessError(str(error)) from error
        if ending.cause is Cause.NOT_STARTED:
            program = ((plan.served and plan.adaptor.serve) or plan.adaptor.command)[0]
            raise ConfigError(f"{plan.adaptor.name}: {program} could not be started: {ending.words}")
        with suppress(OSError):
            folder.chmod(stat.S_IRWXU)  # what the decoder may have taken from us
        judgement = judge(vector, ending, output, plan.adaptor.refusals)
        if inspect is not None and judgement.outcome is Outcome.PASS:
            inspect(vector, output)
    return Result(vector, judgement, ending.seconds, ending.memory)


@contextmanager
def _vector_folder(work: Path) -> Iterator[Path]:
    try:
        folder = Path(tempfile.mkdtemp(dir=work))
    except OSError as error:
        raise HarnessError(f"{work}: no folder can be made there: {error.strerror or error}") from error
    try:
        yield folder
    finally:
        remove_tree(folder)


def _limits(plan: Plan, vector: Vector) -> RunLimits:
    given = vector.bitstream.size + (vector.planes.size if vector.planes is not None else 0)
    allowed = 2 * expected_bytes(vector.pictures) + _DISK_SLACK if vector.pictures else _DISK_REFUSED
    return RunLimits(vector.limits.seconds * plan.time_factor, vector.limits.memory, given + allowed)
