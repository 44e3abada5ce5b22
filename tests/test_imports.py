"""What may depend on what (the table of rooms of docs/architecture.md)."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import vcm_ref

PACKAGE = Path(vcm_ref.__file__).parent
#: What each room may import, beside Python's own library.
ALLOWED = {
    # the syntax includes the tables of the reduction stages, which stand beside their processes
    "bitstream": ("numpy", "vcm_ref.bitstream", "vcm_ref.conversion.reduction", "vcm_ref.models", "vcm_ref.errors"),
    "conversion": ("numpy", "vcm_ref.bitstream", "vcm_ref.conversion", "vcm_ref.errors", "vcm_ref.models"),
    "codec": (
        "numpy",
        "imageio_ffmpeg",
        "vcm_ref.bitstream",
        "vcm_ref.codec",
        "vcm_ref.errors",
        "vcm_ref.models",
        "vcm_ref.process",
    ),
    "process": ("psutil", "vcm_ref.errors", "vcm_ref.process"),
}


def test_every_room_is_in_the_table_of_rooms() -> None:
    """And the root of the package holds the two processes, and what every room needs."""
    page = (Path(__file__).parents[1] / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = set(re.findall(r"^\| `vcm_ref/(\w+)/`", page, re.MULTILINE))
    assert table == {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert {path.stem for path in PACKAGE.glob("*.py")} == {"__init__", "decoder", "encoder", "errors", "feature_set"}


def nodes(tree: ast.AST, inside_functions: bool) -> Iterator[ast.AST]:
    """All nodes below ``tree``; of functions and of blocks for type checkers none, unless they are asked for."""
    for node in ast.iter_child_nodes(tree):
        function = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        checked = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        if inside_functions or not (function or checked):
            yield node
            yield from nodes(node, inside_functions)


def imported(path: Path, inside_functions: bool = True) -> Iterator[str]:
    """The full name of every module that ``path`` imports, wherever in the file or while it is itself imported."""
    package = ["vcm_ref", *path.relative_to(PACKAGE).parts[:-1]]
    for node in nodes(ast.parse(path.read_text(encoding="utf-8")), inside_functions):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            outer = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*outer, *([node.module] if node.module else [])])
            if node.module and not (PACKAGE.parent / Path(*module.split("."))).is_dir():
                yield module
            else:
                for alias in node.names:
                    full = f"{module}.{alias.name}"
                    place = PACKAGE.parent / Path(*full.split("."))
                    yield full if place.is_dir() or place.with_suffix(".py").is_file() else module


@pytest.mark.parametrize("room", ALLOWED)
def test_a_room_imports_nothing_above_it(room: str) -> None:
    """Every import statement, also those inside functions."""
    files = sorted((PACKAGE / room).rglob("*.py"))
    assert len(files) > 3
    foreign = [
        f"{path.relative_to(PACKAGE)}: {name}"
        for path in files
        for name in imported(path)
        if name.split(".")[0] not in sys.stdlib_module_names
        and not any(name == allowed or name.startswith(f"{allowed}.") for allowed in ALLOWED[room])
    ]
    assert foreign == []


def test_the_import_walk_sees_what_it_should() -> None:
    """Relative imports are resolved: else the test above would pass on anything."""
    found = set(imported(PACKAGE / "decoder.py"))
    assert {"vcm_ref.bitstream.stream", "vcm_ref.codec", "vcm_ref.conversion.chain", "numpy"} <= found
    assert "vcm_ref.encoder" not in found


def test_imports_have_no_circles() -> None:
    """No module needs itself while it is imported. A circle would depend on which of its modules comes first."""
    files = {
        ".".join(["vcm_ref", *path.relative_to(PACKAGE).with_suffix("").parts]): path for path in PACKAGE.rglob("*.py")
    }
    modules = {name.removesuffix(".__init__"): path for name, path in files.items()}
    graph = {name: {*imported(path, inside_functions=False)} & modules.keys() for name, path in modules.items()}
    assert len(graph) > 200
    assert graph["vcm_ref.decoder"] >= {"vcm_ref.conversion.chain", "vcm_ref.bitstream.stream"}
    assert len([*TopologicalSorter(graph).static_order()]) == len(graph)  # raises CycleError, which names the circle


def loaded_by(statement: str) -> set[str]:
    """The modules that a fresh interpreter has after ``statement``."""
    code = f"import sys; {statement}; print('\\n'.join(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(result.stdout.split())


@pytest.mark.integration
def test_the_decoder_needs_neither_encoder_nor_torch() -> None:
    """Nor what only checks configurations or draws."""
    loaded = loaded_by("import vcm_ref.app.decoding")
    assert "vcm_ref.decoder" in loaded
    unwanted = {"vcm_ref.encoder", "torch", "torchvision", "jsonschema", "matplotlib", "yaml", "PIL", "vcm_ref.network"}
    assert loaded & unwanted == set()


@pytest.mark.integration
def test_the_help_of_vcm_dec_needs_no_decoder() -> None:
    """Nor NumPy, which takes most of the time of a start."""
    help_text = (
        "from contextlib import suppress\nfrom vcm_ref.app import dec\nwith suppress(SystemExit): dec.main(['--help'])"
    )
    loaded = loaded_by(f"exec({help_text!r})")
    assert "vcm_ref.app.dec" in loaded
    assert loaded & {"numpy", "vcm_ref.decoder", "vcm_ref.bitstream", "logging", "difflib"} == set()


@pytest.mark.integration
def test_the_harness_imports_no_decoder() -> None:
    """It runs installed executables, as anybody's."""
    harness = "adaptor, compare, fluster, judgement, manifest, reports, runner, verification"
    loaded = loaded_by(f"from vcm_ref.conformance import {harness}")
    assert "vcm_ref.conformance.runner" in loaded
    assert loaded & {"vcm_ref.decoder", "vcm_ref.encoder", "vcm_ref.codec", "vcm_ref.network", "torch"} == set()


@pytest.mark.integration
def test_the_encoder_needs_no_torch() -> None:
    """Feature files are coded without a network."""
    assert loaded_by("import vcm_ref.encoder, vcm_ref.app.enc") & {"torch", "torchvision", "matplotlib"} == set()
