"""``vcm_conformance``: any decoder against the conformance suite, and the suite itself (docs/conformance.md)."""

from __future__ import annotations

import argparse
import importlib.util
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..conformance.errors import HarnessError, NothingRunError, NotPassedError
from ..conformance.shipped import HERE, adaptors, find_adaptor, find_suite
from ..conversion.parallel import core_count
from ..errors import ConfigError, VcmError
from ..files.atomic import OutputError, check_output, check_outputs
from .arguments import whole_number
from .command import argument_parser, progress_bar, run

if TYPE_CHECKING:
    from ..conformance.adaptor import Adaptor
    from ..conformance.manifest import Suite, Vector
    from ..conformance.results import Report, Result
    from ..conformance.runner import Plan
    from ..conformance.selection import Selection

_KINDS = ("positive", "negative", "limit")
_MOST_JOBS = 10_000
_REPORTS = (".md", ".json", ".csv", ".xml")


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``vcm_conformance``; returns the exit code."""
    parser = argument_parser("vcm_conformance", "Tell whether a decoder conforms to the specification.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    run_command = commands.add_parser("run", help="run a decoder against the suite")
    run_command.set_defaults(work=_run)
    _add_decoder_arguments(run_command)
    run_command.add_argument("--mode", choices=("a", "b"), default="b", help="a: give it the inner planes (default: b)")
    run_command.add_argument(
        "-o",
        "--output",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a report: Markdown, JSON, CSV or JUnit XML, by the suffix .md, .json, .csv or .xml; may be repeated",
    )
    _add_selection_arguments(run_command)

    list_command = commands.add_parser("list", help="list vectors")
    list_command.set_defaults(work=_list)
    list_command.add_argument(
        "--format", choices=("table", "ids", "json"), default="table", help="how to list them (default: table)"
    )
    _add_selection_arguments(list_command)

    verify_command = commands.add_parser("verify", help="check the suite's files against its manifest")
    verify_command.set_defaults(work=_verify)

    validate_command = commands.add_parser("validate", help="tell whether one bitstream is conformant, and why not")
    validate_command.set_defaults(work=_validate)
    validate_command.add_argument("bitstream", type=Path, metavar="BITSTREAM", help="the file to check")
    validate_command.add_argument(
        "--backend", choices=("auto", "ffmpeg", "vtm"), default="auto", help="the VVC decoder (default: auto)"
    )
    validate_command.add_argument(
        "--limit",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a limit of the decoder, as in frames=64; may be repeated (defaults: docs/guide.md)",
    )

    compare_command = commands.add_parser("compare", help="compare two decoders' outputs sample by sample")
    compare_command.set_defaults(work=_compare)
    compare_command.add_argument(
        "first", type=Path, metavar="FIRST", help="one output: .raw, .npz, .safetensors, or a folder of them"
    )
    compare_command.add_argument("second", type=Path, metavar="SECOND", help="the other output, of the same form")
    compare_command.add_argument(
        "--vector",
        metavar="ID",
        help="the vector of these outputs; it gives the shapes of .raw files (default: their .json files)",
    )

    generate_command = commands.add_parser("generate", help="make the suite again")
    generate_command.set_defaults(work=_generate)
    generate_command.add_argument(
        "--only", action="append", default=[], metavar="GLOB", help="vectors with these ids only (default: all)"
    )

    fluster_command = commands.add_parser("fluster", help="write the positive vectors as a test suite of fluster's")
    fluster_command.set_defaults(work=_fluster)
    _add_decoder_arguments(fluster_command)
    fluster_command.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER", help="a new folder")

    for command in (run_command, list_command, verify_command, compare_command, generate_command, fluster_command):
        command.add_argument(
            "--suite",
            type=Path,
            default=HERE if command is generate_command else find_suite(),
            metavar="FOLDER",
            help="where the suite is (default: the folder conformance"
            + (")" if command is generate_command else " if there is one, else the suite that comes with the package)"),
        )
    return run(parser, lambda arguments: arguments.work(arguments), argv)


def _add_decoder_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "adaptor",
        nargs="?",
        type=find_adaptor,
        default="vcm_dec",
        metavar="ADAPTOR",
        help=f"the YAML file that says how the decoder is run, or one of {', '.join(adaptors())} (default: vcm_dec)",
    )
    parser.add_argument(
        "-j", "--jobs", type=whole_number(), metavar="N", help="decoders at a time (default: one for each core)"
    )
    parser.add_argument(
        "--time-factor", type=float, default=1.0, metavar="X", help="multiply time limits by X (default: 1)"
    )
    parser.add_argument(
        "--fresh", action="store_true", help="start the decoder for each vector, also where the adaptor has serve"
    )


def _add_selection_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("selection; each may be repeated (default: all vectors)")
    group.add_argument("--kind", choices=_KINDS, action="append", default=[], help="vectors of this kind")
    group.add_argument("--feature", action="append", default=[], metavar="NAME", help="vectors of this feature")
    group.add_argument("--profile", action="append", default=[], metavar="NAME", help="vectors of this profile")
    group.add_argument(
        "--level", type=whole_number(0), action="append", default=[], metavar="N", help="vectors of this level"
    )
    group.add_argument("--id", action="append", default=[], metavar="GLOB", help="vectors with these ids, as 'GRID_*'")


def _run(arguments: argparse.Namespace) -> None:
    from ..conformance.reports import terminal_report
    from ..conformance.reports.content import verdict

    _check_reports(arguments)
    suite, vectors = _selected(arguments)
    plan = _plan(arguments, arguments.mode)
    if plan.mode == "a" and plan.adaptor.planes is None:
        raise ConfigError(f"{arguments.adaptor}: planes: is missing, and --mode a needs it")
    report = _report(arguments, suite, plan, vectors)
    _write_reports(arguments.output, report)
    print(terminal_report(report))
    for path in arguments.output:
        print(f"wrote {path}")
    if report.failures:
        raise NotPassedError(f"{verdict(report)}; the first is {report.failures[0].vector.id}")


def _report(arguments: argparse.Namespace, suite: Suite, plan: Plan, vectors: Sequence[Vector]) -> Report:
    """Run, and put together what is known."""
    from ..conformance.manifest import MANIFEST
    from ..conformance.results import Report
    from ..conformance.runner import decoder_version, run_vectors
    from ..reporting.provenance import file_digest, host, versions

    manifest_sha256 = file_digest(plan.folder / MANIFEST)
    version = decoder_version(plan.adaptor)
    started = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    start = time.monotonic()
    with progress_bar(len(vectors), "running") as advance:
        results = run_vectors(plan, vectors, advance)
    _check_anything_ran(plan.adaptor, results)
    return Report(
        suite=suite,
        manifest_sha256=manifest_sha256,
        adaptor=plan.adaptor,
        decoder_version=version,
        mode=plan.mode,
        selection=_selection(arguments).record(),
        time_factor=plan.time_factor,
        served=plan.served,
        started=started,
        seconds=time.monotonic() - start,
        host=host(),
        versions=versions(),
        results=tuple(results),
    )


def _check_anything_ran(adaptor: Adaptor, results: Sequence[Result]) -> None:
    if all(result.seconds is None for result in results):
        reasons = sorted({result.judgement.reason for result in results})
        raise NothingRunError(f"{adaptor.name}: nothing was run of {len(results)} vectors: {', '.join(reasons)}")


def _check_reports(arguments: argparse.Namespace) -> None:
    for path in arguments.output:
        if path.suffix not in _REPORTS:
            raise ConfigError(f"-o {path}: a report ends in {', '.join(_REPORTS)}")
        if path.is_dir() or path.resolve() == (arguments.suite / "manifest.json").resolve():
            raise OutputError(f"-o {path}: would be replaced; name another")
    suite = (path for path in arguments.suite.rglob("*") if path.is_file())
    check_outputs(arguments.output, [arguments.adaptor, *suite])


def _write_reports(paths: Sequence[Path], report: Report) -> None:
    from ..conformance.reports import write_report

    for path in paths:
        try:
            write_report(path, report)
        except OutputError as error:  # not the user's usage: the place was fine when we began
            raise HarnessError(str(error)) from error


def _plan(arguments: argparse.Namespace, mode: Any) -> Plan:
    from ..conformance.adaptor import load_adaptor
    from ..conformance.runner import Plan

    jobs = core_count() if arguments.jobs is None else arguments.jobs
    if not 1 <= jobs <= _MOST_JOBS:
        raise ConfigError(f"--jobs {jobs}: must be at least 1 and at most {_MOST_JOBS}")
    if not 0 < arguments.time_factor < float("inf"):
        raise ConfigError(f"--time-factor {arguments.time_factor}: must be above 0")
    adaptor = load_adaptor(arguments.adaptor)
    return Plan(arguments.suite, adaptor, mode, jobs, arguments.time_factor, arguments.fresh)


def _selection(arguments: argparse.Namespace) -> Selection:
    from ..conformance.selection import Selection

    chosen = (arguments.kind, arguments.feature, arguments.profile, arguments.level, arguments.id)
    return Selection(*(tuple(values) for values in chosen))


def _selected(arguments: argparse.Namespace) -> tuple[Suite, list[Vector]]:
    """The suite, and at least one vector of it."""
    from ..conformance.manifest import load_suite
    from ..conformance.selection import select

    suite = load_suite(arguments.suite)
    vectors = select(suite, _selection(arguments))
    if not vectors:
        raise NothingRunError(f"no vector is selected, of {len(suite.vectors)} in the suite")
    return suite, vectors


def _list(arguments: argparse.Namespace) -> None:
    suite, vectors = _selected(arguments)
    if arguments.format == "ids":
        print("\n".join(vector.id for vector in vectors))
    elif arguments.format == "json":
        import json

        print(json.dumps([vector.record() for vector in vectors], indent=1))
    else:
        from ..conformance.tables import vectors_table

        print(vectors_table(vectors))
        print(f"\n{len(vectors)} of {len(suite.vectors)} vectors")


def _verify(arguments: argparse.Namespace) -> None:
    from ..conformance.manifest import load_suite
    from ..conformance.verification import described_files, suite_differences

    suite = load_suite(arguments.suite)
    count = len(described_files(suite))
    with progress_bar(count, "verifying") as advance:
        found = suite_differences(arguments.suite, suite, advance)
    for line in found:
        print(line)
    if found:
        raise NotPassedError(f"{arguments.suite}: {len(found)} of its files differ from the manifest")
    print(f"{suite.suite} {suite.version}: {len(suite.vectors)} vectors, {count} files, all as in the manifest")


def _validate(arguments: argparse.Namespace) -> None:
    from ..conformance.validate import validate
    from .decoding import decoder_limits
    from .inputs import check_regular

    limits = decoder_limits(arguments.limit)
    if arguments.bitstream.exists():
        check_regular(arguments.bitstream)
    with progress_bar(1, "validating") as advance:
        verdict = validate(arguments.bitstream, limits=limits, backend=arguments.backend, progress=advance)
    rows = {
        "error": verdict.error,
        "message": verdict.message,
        "bit": verdict.bit_offset,
        "clause": verdict.clause,
        "hint": verdict.hint,
    }
    print(f"{arguments.bitstream}: {'conformant' if verdict.exit_code == 0 else 'not accepted'}")
    for name, value in rows.items():
        if value not in (None, ""):
            print(f"  {name:<8} {value}")
    if verdict.exit_code != 0:
        error = VcmError(f"{arguments.bitstream}: {verdict.error}: {verdict.message}")
        error.exit_code = verdict.exit_code
        raise error


def _compare(arguments: argparse.Namespace) -> None:
    from ..conformance.compare import compare_outputs
    from ..conformance.tables import comparison_table

    vector = _vector(arguments) if arguments.vector else None
    found = compare_outputs(arguments.first, arguments.second, vector)
    print(comparison_table(found))
    if not found.is_equal:
        count = sum(not tensor.is_equal for tensor in found.tensors)
        raise NotPassedError(
            f"{arguments.first} and {arguments.second} differ: {count} of {len(found.tensors)} tensors"
        )
    print(f"\n{arguments.first} and {arguments.second} are equal: {len(found.tensors)} tensors")


def _vector(arguments: argparse.Namespace) -> Vector:
    from ..conformance.manifest import load_suite

    for vector in load_suite(arguments.suite).vectors:
        if vector.id == arguments.vector:
            return vector
    raise ConfigError(f"--vector {arguments.vector}: the suite in {arguments.suite} does not have this vector")


def _generate(arguments: argparse.Namespace) -> None:
    from ..conformance.generate import make_suite

    if importlib.util.find_spec("bitstring") is None:
        raise ConfigError("making the suite needs bitstring, which is not installed: pip install bitstring")
    with progress_bar(1, "generating") as advance:
        lines = make_suite(arguments.suite, only=arguments.only, progress=advance)
    for line in lines:
        print(line)


def _fluster(arguments: argparse.Namespace) -> None:
    from ..conformance.fluster import export_suite, positive_vectors
    from ..conformance.manifest import load_suite

    check_output(arguments.output)
    suite = load_suite(arguments.suite)
    plan = _plan(arguments, "b")
    with progress_bar(len(positive_vectors(suite)), "decoding") as advance:
        count = export_suite(plan, suite, arguments.output, advance)
    print(f"wrote {arguments.output}: {count} vectors, in its folders test_suites and resources")
