"""The structure that the design promises: one-way imports, small modules, documented names."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAY_IMPORT = {
    "emulator": {"emulator"},
    "controllers": {"emulator", "controllers"},
    "envs": {"emulator", "envs"},
    "runs": {"emulator", "controllers", "envs", "runs"},
}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
FOLDERS = list(MAY_IMPORT)
MODULES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
LONGEST_MODULE = 400
LONGEST_FUNCTION = 70
MOST_NAMES = 25
NOBODYS_WORDS = ("manager", "helper", "utils", "handler", "common", "misc")
SLOW_IMPORTS = ("torch", "matplotlib", "pettingzoo", "stable_baselines3")


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"), str(path))


def _imports(tree: ast.Module) -> list[str]:
    """Full names of all modules imported anywhere in a file."""
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names += [f"{node.module or '.'}.{alias.name}" for alias in node.names]
    return names


def _module(path: Path) -> str:
    """Installed name of a file: emulator/radio.py is slotwise.emulator.radio."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(("slotwise", *(part for part in parts if part != "__init__")))


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_imports_point_one_way(path: Path) -> None:
    allowed = MAY_IMPORT[path.relative_to(ROOT).parts[0]]
    ours = [name.split(".") for name in _imports(_tree(path)) if name.startswith("slotwise")]
    upward = [".".join(parts) for parts in ours if len(parts) < 2 or parts[1] not in allowed]
    assert upward == []


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_folders_are_imported_by_their_installed_names(path: Path) -> None:
    bare = [name for name in _imports(_tree(path)) if name.split(".")[0] in {*FOLDERS, ""}]
    assert bare == []


def _declared(*extras: str) -> set[str]:
    """Distributions that pyproject.toml asks for, as import names."""
    optional = PROJECT["project"]["optional-dependencies"]
    asked = PROJECT["project"]["dependencies"] + [line for e in extras for line in optional[e]]
    return {re.split(r"[^\w-]", line)[0].replace("-", "_") for line in asked}


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_what_is_imported_is_a_declared_dependency(path: Path) -> None:
    foreign = {name.split(".")[0] for name in _imports(_tree(path))}
    declared = _declared("train", "peers", "rl", "ray", "dask")
    assert foreign - sys.stdlib_module_names - {"slotwise"} <= declared


def test_every_dependency_is_imported_somewhere() -> None:
    used = {name.split(".")[0] for path in MODULES for name in _imports(_tree(path))}
    assert _declared() <= used


def test_every_dependency_is_pinned_in_the_constraints() -> None:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pinned = {line.partition("==")[0].lower().replace("-", "_") for line in lines if "==" in line}
    assert _declared("demo", "test", "dev") - {"slotwise"} <= pinned


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_modules_and_functions_stay_short(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= LONGEST_MODULE
    long = [
        f"{node.name}: {node.end_lineno - node.lineno + 1} lines"
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno >= LONGEST_FUNCTION
    ]
    assert long == []


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_file_names_are_nouns_of_the_field(path: Path) -> None:
    assert [word for word in NOBODYS_WORDS if word in path.stem.lower()] == []


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_public_names_exist_and_are_documented(path: Path) -> None:
    module = importlib.import_module(_module(path))
    names = getattr(module, "__all__", None)
    assert names is not None, "a module says in __all__ what is public"
    assert len(set(names)) == len(names)
    undocumented = []
    for name in names:
        value = getattr(module, name)
        if inspect.isclass(value) or inspect.isroutine(value):
            own = value.__dict__.get("__doc__") if inspect.isclass(value) else value.__doc__
            undocumented += [] if (own or "").strip() else [name]
    assert undocumented == []


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_package_has_few_public_names(folder: str) -> None:
    assert len(importlib.import_module(f"slotwise.{folder}").__all__) <= MOST_NAMES


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["run", "--help"]])
def test_help_imports_nothing_slow(arguments: list[str]) -> None:
    program = (
        "import sys\n"
        f"sys.argv = ['slotwise', *{arguments!r}]\n"
        "from slotwise.runs.cli import main\n"
        "try:\n"
        "    main()\n"
        "except SystemExit as stop:\n"
        "    assert not stop.code, stop.code\n"
        f"print('slow:', [name for name in {SLOW_IMPORTS!r} if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "slow: []"


def test_mypy_and_setuptools_know_the_same_folders() -> None:
    """Whoever adds a folder adds it everywhere: the package list, the links, this file."""
    packages = {f"slotwise.{folder}": folder for folder in FOLDERS}
    inner = {
        f"slotwise.{'.'.join(path.parent.relative_to(ROOT).parts)}": _name(path.parent)
        for path in MODULES
        if path.name == "__init__.py" and path.parent.parent != ROOT
    }
    assert set(PROJECT["tool"]["setuptools"]["packages"]) == {*packages, *inner}
    assert PROJECT["tool"]["setuptools"]["package-dir"] == packages
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert f"FOLDERS := {' '.join(FOLDERS)}\n" in makefile
