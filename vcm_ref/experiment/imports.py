"""The code that a module consists of: the files of all modules that it imports, directly or not.

It is found in the source, so that nothing has to be imported for it. Counted are all import statements, also those
inside functions; modules that are imported by name (a text such as ``"vcm_ref.network.refnet"``); and the package's
data files that a module names. Imports for type checkers alone are not. A package that is imported only because a
module in it is, or by a module in it, counts with all that it imports at once, without the imports in its functions.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

_MODULE = re.compile(r"[a-z_0-9]+(\.[a-z_0-9]+)+")


class Code(NamedTuple):
    """The files of a package, sorted, and the top-level names of other packages that code imports."""

    files: tuple[Path, ...]
    packages: tuple[str, ...]


class _Imports(NamedTuple):
    """One module's imports: modules of the package, other packages, data files."""

    modules: frozenset[str]
    packages: frozenset[str]
    data: frozenset[Path]


def code_of(modules: Iterable[str], package: Path) -> Code:
    """The code that ``modules`` of the package in the folder ``package`` consist of.

    Raises :class:`ModuleNotFoundError` where a module of the package is imported that is not there.
    """
    files: set[Path] = set()
    packages: set[str] = set()
    seen: set[tuple[str, bool]] = set()
    waiting = [(name, True) for name in modules]
    while waiting:
        name, whole = waiting.pop()
        if (name, whole) in seen or (name, True) in seen:
            continue
        seen.add((name, whole))
        parent = name.rpartition(".")[0]
        if parent:
            waiting.append((parent, False))
        path = _file(name, package)
        found = _imports(path, name, package, whole)
        files |= {path, *found.data}
        packages |= found.packages
        waiting += [(module, not name.startswith(f"{module}.")) for module in found.modules]
    return Code(tuple(sorted(files)), tuple(sorted(packages)))


def _file(name: str, package: Path) -> Path:
    path = package.parent.joinpath(*name.split("."))
    for file in (path / "__init__.py", path.with_suffix(".py")):
        if file.is_file():
            return file
    raise ModuleNotFoundError(f"there is no module {name} in {package}")


def _is_module(name: str, package: Path) -> bool:
    path = package.parent.joinpath(*name.split("."))
    return (path / "__init__.py").is_file() or path.with_suffix(".py").is_file()


@cache
def _imports(path: Path, name: str, package: Path, whole: bool) -> _Imports:
    modules: set[str] = set()
    packages: set[str] = set()
    data: set[Path] = set()
    inside = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in _nodes(ast.parse(path.read_text(encoding="utf-8")), whole):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
            if _MODULE.fullmatch(text) and text.startswith(f"{package.name}.") and _is_module(text, package):
                modules |= {text} if whole else set()
            elif 0 < len(text) < 100 and "\0" not in text and "/" not in text and Path(text).suffix not in ("", ".py"):
                data |= {file for file in [path.parent / text] if file.is_file()}
            continue
        for imported in _imported(node, inside, package):
            root = imported.partition(".")[0]
            if root == package.name:
                modules.add(imported)
            elif root not in sys.stdlib_module_names:
                packages.add(root)
    return _Imports(frozenset(modules), frozenset(packages), frozenset(data))


def _nodes(node: ast.AST, whole: bool) -> Iterator[ast.AST]:
    """All nodes, but those that only a type checker reads; unless ``whole``, those outside functions only."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
            for other in child.orelse:
                yield other
                yield from _nodes(other, whole)
        elif whole or not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield child
            yield from _nodes(child, whole)


def _imported(node: ast.AST, inside: str, package: Path) -> Iterator[str]:
    """The modules that a statement imports; of names that it imports from a package, those that are modules."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        outer = inside.split(".")[: len(inside.split(".")) - node.level + 1] if node.level else []
        module = ".".join([*outer, *([node.module] if node.module else [])])
        yield module
        if module.partition(".")[0] == package.name:
            names = [f"{module}.{alias.name}" for alias in node.names]
            yield from (name for name in names if _is_module(name, package))
