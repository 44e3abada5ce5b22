"""Fuzz the decoder: anything at all may stand in a file, and only errors of ours may come of it.

    python tools/fuzz.py parse --seconds 3600 --processes 2 --folder fuzz
    python tools/fuzz.py decode --runs 20000 --folder fuzz
    python tools/fuzz.py decode --plain --only 'COEF*' 'levels-*' --folder fuzz
    python tools/fuzz.py decode-video --runs 5000 --folder fuzz
    python tools/fuzz.py summary --folder fuzz

``parse`` reads the whole bitstream and writes it again; ``decode`` decodes it, the lossless inner codec in process and
no other at hand; ``decode-video`` runs ffmpeg for the video codecs. Inputs come from libFuzzer, which keeps what gets
to new places in the code, and from ``fuzz_mutation``, which knows the syntax; with ``--plain``, which is faster, from
the latter and from blind changes of bytes. Each target has a folder of its own below ``--folder``: ``corpus/`` (a later
run goes on from it), ``findings/`` (an input and what came of it), ``sessions/`` (what was counted).

A finding is any exception but BitstreamError, UnsupportedError, LimitError and CodecError; what was accepted but is not
written again as it was; and whatever is slow, takes too much memory, or leaves a child process, a temporary file, a
thread or a descriptor. Ends with 1 where there are findings.

Needs atheris (``pip install .[fuzz]``), but for ``--plain``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

TARGETS = ("parse", "decode", "decode-video")
#: Where edges are counted.
INSTRUMENTED = ("bitstream", "conversion", "codec.lossless", "codec.ffmpeg", "decoder", "models")
VECTORS = Path(__file__).parent.parent / "conformance" / "vectors"
#: Longer inputs teach nothing new and take longer.
MAX_BYTES = 1 << 14
#: Of the plain inputs, those made by the mutations that know the syntax, which take several times as long as parsing.
KNOWING = {"parse": 0.25, "decode": 0.9, "decode-video": 0.9}
#: Of those, the ones in which nothing but coded data differs.
CODED = {"parse": 0.1, "decode": 0.7, "decode-video": 0.7}
#: Of libFuzzer's inputs, those made of a bitstream that is accepted: what it keeps is mostly what was refused.
FRESH = {"parse": 0.2, "decode": 0.6, "decode-video": 0.6}
COUNTED = ("executions", "accepted", "with a child")


def main() -> int:
    """Run a target, or sum up what earlier runs have counted."""
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", choices=(*TARGETS, "summary"))
    parser.add_argument("--folder", type=Path, default=Path("fuzz"))
    parser.add_argument("--vectors", type=Path, default=VECTORS, help="bitstreams to start from")
    parser.add_argument(
        "--only", nargs="+", default=["*"], metavar="PATTERN", help="bitstreams to start from, by the names they have"
    )
    parser.add_argument("--seconds", type=int, default=0, help="stop after so long (0: at --runs, or never)")
    parser.add_argument("--runs", type=int, default=0, help="executions of all processes together (0: no limit)")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument(
        "--slow", type=float, default=10.0, metavar="S", help="executions of more processor time are findings"
    )
    parser.add_argument("--memory", type=int, default=512, metavar="MIB", help="so are those that take more")
    parser.add_argument(
        "--plain",
        action="store_true",
        help="without libFuzzer: the same mutations, blind to coverage, faster",
    )
    parser.add_argument("--session", help=argparse.SUPPRESS)  # we are one of the processes
    arguments = parser.parse_args()
    if arguments.what == "summary":
        return summarise(arguments.folder)
    try:
        if not arguments.plain:
            import atheris  # noqa: F401
    except ImportError:
        print("fuzz: atheris is not installed; get it with pip install .[fuzz], or use --plain", file=sys.stderr)
        return 2
    if arguments.session:
        (plain if arguments.plain else fuzz)(arguments)
        return 0
    return supervise(arguments)


def supervise(arguments: argparse.Namespace) -> int:
    """Run the processes, and start again those that die, until the time or the executions are used up."""
    folder: Path = (arguments.folder / arguments.what).absolute()
    for name in ("corpus", "findings", "sessions", "crashes"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    deadline = time.time() + arguments.seconds if arguments.seconds else float("inf")
    left = [-(-arguments.runs // arguments.processes)] * arguments.processes if arguments.runs else []
    running: dict[int, tuple[str, subprocess.Popen[bytes]]] = {}
    for name in (signal.SIGINT, signal.SIGTERM):  # also where we were started in the background
        signal.signal(name, signal.default_int_handler)
    try:
        while True:
            for place in range(arguments.processes):
                if place in running and running[place][1].poll() is not None:
                    session, process = running.pop(place)
                    with suppress(OSError):
                        (folder / f"tmp-{session}").rmdir()
                    if process.returncode:
                        print(f"fuzz: {session} ended with {process.returncode}; see its log", file=sys.stderr)
                        if not counted(folder, session):
                            return 2
                    if left:  # one that ended by itself has done its part
                        done = counted(folder, session).get("executions", 0) if process.returncode else left[place]
                        left[place] -= done
                due = time.time() < deadline - 1 and (not left or left[place] > 0)
                if place not in running and due:
                    session = f"{time.strftime('%Y%m%d-%H%M%S')}-{place}"
                    seconds = 0 if deadline == float("inf") else int(deadline - time.time())
                    runs = left[place] if left else 0
                    running[place] = session, start(arguments, folder, session, seconds, runs)
            if not running:
                break
            time.sleep(1)
    except KeyboardInterrupt:
        pass
    finally:
        for session, process in running.values():
            process.terminate()
            process.wait()
            with suppress(OSError):
                (folder / f"tmp-{session}").rmdir()
    return summarise(arguments.folder)


def start(
    arguments: argparse.Namespace, folder: Path, session: str, seconds: int, runs: int
) -> subprocess.Popen[bytes]:
    """One process, with a temporary folder of its own."""
    temporary = folder / f"tmp-{session}"
    temporary.mkdir()
    environment = {**os.environ, "TMPDIR": str(temporary)}
    command = [sys.executable, __file__, arguments.what, "--folder", str(arguments.folder), "--session", session]
    command += ["--vectors", str(arguments.vectors), "--seconds", str(seconds), "--runs", str(runs)]
    command += ["--slow", str(arguments.slow), "--memory", str(arguments.memory)]
    command += ["--only", *arguments.only]
    command += ["--plain"] * arguments.plain
    with (folder / "sessions" / f"{session}.log").open("wb") as log:
        return subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)


def fuzz(arguments: argparse.Namespace) -> None:
    """One process's work. Does not return: libFuzzer ends the process."""
    import atheris

    with atheris.instrument_imports(include=[f"vcm_ref.{name}" for name in INSTRUMENTED]):
        import fuzz_mutation
        import fuzz_targets

    from vcm_ref.process.supervisor import adopt_orphans

    folder: Path = (arguments.folder / arguments.what).absolute()
    place = int(arguments.session.rpartition("-")[2])
    seeds = dict(fuzz_targets.seeds(arguments.what, arguments.vectors, arguments.only))
    streams = [data for data in seeds.values() if fuzz_targets.is_read(data)]
    for name, data in seeds.items():
        (folder / "corpus" / name).write_bytes(data)
    if arguments.what != "decode-video":
        os.environ["VCM_FFMPEG"] = "/nonexistent"
    words = folder / f"words-{place}.txt"
    escaped = ["".join(f"\\x{byte:02x}" for byte in word) for word in fuzz_mutation.dictionary()]
    words.write_text("".join(f'"{word}"\n' for word in escaped))
    adopt_orphans()
    watch = fuzz_targets.Watch(arguments.what, folder, arguments.session, arguments.slow, arguments.memory)

    def blindly(payload: bytes) -> bytes:
        return bytes(atheris.Mutate(payload, max(64, 2 * len(payload))))

    def mutator(data: bytes, largest: int, seed: int) -> bytes:
        rng = Random(seed)
        bytewise = blindly if rng.random() < 0.3 else None
        data = rng.choice(streams) if rng.random() < FRESH[arguments.what] else data
        return fuzz_mutation.mutate(rng, data, streams, bytewise, coded=CODED[arguments.what])[:largest]

    options = [
        f"-max_total_time={arguments.seconds}",
        f"-seed={int(time.time()) + place}",
        f"-max_len={MAX_BYTES}",
        f"-timeout={int(10 * arguments.slow)}",  # of the clock: what hangs uses no time of the processor
        "-report_slow_units=1000000",
        f"-rss_limit_mb={8 * arguments.memory}",
        f"-artifact_prefix={folder}/crashes/{arguments.session}-",
        f"-dict={words}",
        "-len_control=0",
        "-mutate_depth=1",
        "-print_final_stats=1",
        "-reload=30",
        *([f"-runs={arguments.runs}"] if arguments.runs else []),
    ]
    atheris.Setup(["fuzz", *options, str(folder / "corpus")], watch, custom_mutator=mutator)
    atheris.Fuzz()


def plain(arguments: argparse.Namespace) -> None:
    """One process's work without libFuzzer: mutations of the streams, and of what was made of them before."""
    import fuzz_mutation
    import fuzz_targets

    from vcm_ref.process.supervisor import adopt_orphans

    folder: Path = (arguments.folder / arguments.what).absolute()
    rng = Random(f"{arguments.session} {time.time_ns()}")
    seeds = fuzz_targets.seeds(arguments.what, arguments.vectors, arguments.only)
    streams = [data for _, data in seeds if fuzz_targets.is_read(data)]
    if arguments.what != "decode-video":
        os.environ["VCM_FFMPEG"] = "/nonexistent"
    adopt_orphans()
    watch = fuzz_targets.Watch(arguments.what, folder, arguments.session, arguments.slow, arguments.memory)
    deadline = time.time() + arguments.seconds if arguments.seconds else float("inf")
    data = b""
    while time.time() < deadline and not 0 < arguments.runs <= watch.counts["executions"]:
        data = rng.choice(streams) if not data or rng.random() < 0.5 else data
        if rng.random() < KNOWING[arguments.what]:
            data = fuzz_mutation.mutate(rng, data, streams, coded=CODED[arguments.what])[:MAX_BYTES]
        else:
            data = fuzz_mutation.edited(rng, data)[:MAX_BYTES]
        watch(data)
    watch.save()


def counted(folder: Path, session: str) -> dict[str, Any]:
    """What one process has counted."""
    path = folder / "sessions" / f"{session}.json"
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return found


def summarise(folder: Path) -> int:
    """Write ``summary.json`` and ``summary.md``, and print the latter. Returns 1 where there are findings."""
    targets = {name: summary(folder / name) for name in TARGETS if (folder / name / "sessions").is_dir()}
    versions = {"python": platform.python_version()}
    for name in ("atheris", "numpy"):
        try:
            versions[name] = __import__("importlib.metadata", fromlist=["version"]).version(name)
        except ImportError:
            continue
    (folder / "summary.json").write_text(json.dumps({"versions": versions, "targets": targets}, indent=1) + "\n")
    lines = ["| target | executions | process hours | accepted | refused | edges | corpus | slowest | findings |"]
    lines += ["|---|---|---|---|---|---|---|---|---|"]
    for name, told in targets.items():
        refused = ", ".join(f"{kind} {count:,}" for kind, count in told["refused"].items())
        lines.append(
            f"| {name} | {told['executions']:,} | {told['hours']:.2f} | {told['accepted']:,} | {refused} "
            f"| {told['edges']:,} | {told['corpus']:,} | {told['slowest_s']:.1f} s | {len(told['findings'])} |"
        )
    text = "\n".join(lines) + "\n"
    (folder / "summary.md").write_text(text)
    print(text, end="")
    return int(any(told["findings"] for told in targets.values()))


def summary(folder: Path) -> dict[str, Any]:
    """All sessions of one target together."""
    sessions = [json.loads(path.read_text()) for path in sorted((folder / "sessions").glob("*.json"))]
    logs = [path.read_text(errors="replace") for path in (folder / "sessions").glob("*.log")]
    sums: dict[str, Counter[str]] = {name: Counter() for name in ("refused", "clauses", "found")}
    for session in sessions:
        for name, counter in sums.items():
            counter.update(session[name])
    findings = [*(folder / "findings").glob("*.bin"), *(folder / "crashes").iterdir()]
    return {
        **{name: sum(session.get(name, 0) for session in sessions) for name in COUNTED},
        "hours": sum(session["seconds"] for session in sessions) / 3600,
        **{name: dict(counter.most_common()) for name, counter in sums.items()},
        "edges": max((int(edges) for log in logs for edges in re.findall(r"\bcov: (\d+)", log)), default=0),
        "corpus": sum(1 for _ in (folder / "corpus").iterdir()),
        "slowest_s": max((session["slowest_s"] for session in sessions), default=0.0),
        "peak_mib": max((session["peak_mib"] for session in sessions), default=0),
        "sessions": len(sessions),
        "findings": sorted(path.name for path in findings),
    }


if __name__ == "__main__":
    sys.exit(main())
