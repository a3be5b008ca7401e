"""The wheel, as a stranger gets it: built, installed in an empty environment, used from elsewhere.

Nothing is borrowed from this environment: the new one installs the wheel and all its dependencies
as constraints.txt pins them. That takes about a minute, so it is not part of plain ``pytest``;
``make check`` runs it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("emulator", "controllers", "envs", "runs")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]

pytestmark = pytest.mark.wheel


def _run(*command: str | Path, folder: Path) -> str:
    """Run a command from a folder outside the checkout; its standard output."""
    clean = {
        name: value
        for name, value in os.environ.items()
        if name not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "MYPYPATH")
    }
    done = subprocess.run(
        list(map(str, command)),
        cwd=folder,
        env=clean,
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the source distribution, so that the latter is complete too."""
    folder = tmp_path_factory.mktemp("dist")
    _run(
        *(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT),
        folder=folder,
    )
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="session")
def elsewhere(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ``bin`` of an environment that holds the wheel and what it asks for, nothing else."""
    folder = tmp_path_factory.mktemp("elsewhere")
    _run(sys.executable, "-m", "venv", folder / "env", folder=folder)
    programs = folder / "env" / "bin"
    _run(
        *(programs / "pip", "install", "--quiet", "--disable-pip-version-check"),
        *("--constraint", ROOT / "constraints.txt", wheel),
        folder=folder,
    )
    return programs


def test_wheel_holds_code_types_and_data(wheel: Path) -> None:
    held = set(zipfile.ZipFile(wheel).namelist())
    wanted = {
        f"slotwise/{path.relative_to(ROOT)}"
        for package in PACKAGES
        for pattern in ("**/*.py", "**/*.toml", "**/*.j2", "**/*.safetensors", "**/py.typed")
        for path in (ROOT / package).glob(pattern)
    }
    code = {name for name in held if not name.split("/")[0].endswith(".dist-info")}
    assert code == wanted
    assert {f"slotwise/{package}/py.typed" for package in PACKAGES} <= wanted
    assert any(name.endswith(".toml") for name in wanted)
    assert any(name.endswith(".j2") for name in wanted)


def test_wheel_carries_licence_and_metadata(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    inner = f"slotwise-{PROJECT['version']}.dist-info"
    assert archive.read(f"{inner}/licenses/LICENSE") == (ROOT / "LICENSE").read_bytes()
    metadata = archive.read(f"{inner}/METADATA").decode()
    assert "License-Expression: Apache-2.0" in metadata
    assert "Requires-Python: >=3.11" in metadata


def test_nothing_is_installed_under_a_bare_name(wheel: Path) -> None:
    tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert tops == {"slotwise", f"slotwise-{PROJECT['version']}.dist-info"}


def test_all_packages_import_from_elsewhere(elsewhere: Path, tmp_path: Path) -> None:
    program = (
        "import importlib, json\n"
        f"modules = [importlib.import_module('slotwise.' + name) for name in {PACKAGES!r}]\n"
        "print(json.dumps([module.__file__ for module in modules]))\n"
    )
    files = [
        Path(name)
        for name in json.loads(_run(elsewhere / "python", "-c", program, folder=tmp_path))
    ]
    assert [file.parts[-3:-1] for file in files] == [("slotwise", name) for name in PACKAGES]
    assert all(file.is_relative_to(elsewhere.parent) for file in files)


def test_trained_controllers_decide_from_elsewhere_without_torch(
    elsewhere: Path, tmp_path: Path
) -> None:
    program = (
        "import sys\n"
        "import numpy as np\n"
        "from slotwise.controllers import make\n"
        "gain = np.eye(3) + 0.1\n"
        "for spec in ('unrolled', 'unrolled-tiny', 'graph', 'mlp:gaussian-ic-10'):\n"
        "    assert make(spec).allocate(gain, 1.0, 1.0).shape == (3,)\n"
        "print('torch' in sys.modules)\n"
    )
    assert _run(elsewhere / "python", "-c", program, folder=tmp_path) == "False\n"


def test_namespace_is_open_to_other_distributions(elsewhere: Path, tmp_path: Path) -> None:
    (tmp_path / "slotwise" / "guest").mkdir(parents=True)
    (tmp_path / "slotwise" / "guest" / "__init__.py").write_text("ANSWER = 42\n", "utf-8")
    program = "import slotwise.guest, slotwise.emulator; print(slotwise.guest.ANSWER)"
    assert _run(elsewhere / "python", "-c", program, folder=tmp_path) == "42\n"


def test_every_module_imports_from_elsewhere(elsewhere: Path, tmp_path: Path) -> None:
    """But those that say what an extra's library is for: they ask for it by name."""
    names = {
        ".".join(("slotwise", *path.relative_to(ROOT).with_suffix("").parts))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if path.name not in ("__init__.py", "__main__.py")
    }
    program = (
        "import importlib\n"
        f"for name in {sorted(names)!r}:\n"
        "    try: importlib.import_module(name)\n"
        "    except ModuleNotFoundError as error: print(name, error.name)\n"
    )
    said = _run(elsewhere / "python", "-W", "error", "-c", program, folder=tmp_path)
    assert dict(line.split() for line in said.splitlines()) == {
        "slotwise.envs.parallel": "pettingzoo",
        "slotwise.envs.sb3": "stable_baselines3",
        "slotwise.runs.rl.flat": "stable_baselines3",
        "slotwise.runs.rl.stable_baselines": "stable_baselines3",
    }


def test_command_line_tells_its_version(elsewhere: Path, tmp_path: Path) -> None:
    assert PROJECT["version"] in _run(elsewhere / "slotwise", "--version", folder=tmp_path)


def test_built_in_scenarios_are_there(elsewhere: Path, tmp_path: Path) -> None:
    listed = _run(elsewhere / "slotwise", "scenarios", folder=tmp_path)
    names = [path.stem for path in (ROOT / "emulator" / "scenarios").glob("*.toml")]
    assert [name for name in names if name not in listed] == []


def test_a_run_writes_its_report(elsewhere: Path, tmp_path: Path) -> None:
    """The whole path once: scenario data in, template data used, a report out."""
    _run(
        *(elsewhere / "slotwise", "run", "gaussian-ic", "--controller", "max"),
        *("--slots", "20", "--seed", "1", "--out", tmp_path / "out"),
        folder=tmp_path,
    )
    assert "gaussian-ic" in (tmp_path / "out" / "report.html").read_text("utf-8")
