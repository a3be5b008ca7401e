"""Made-up run directories, a small scenario, and the command line in this process."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from slotwise.emulator.scenario import Scenario, load
from slotwise.runs import cli
from slotwise.runs.report import write_report
from slotwise.runs.report.recording import Recording, read_recording


def _load_synthetic() -> ModuleType:
    path = Path(__file__).with_name("synthetic.py")
    spec = importlib.util.spec_from_file_location("slotwise_synthetic_runs", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def synthetic() -> ModuleType:
    """The module that makes run directories up; tests are no packages, so it has no name."""
    return _load_synthetic()


@pytest.fixture(scope="session")
def town(synthetic: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A comparison of three controllers over three seeds of 4,000 slots. Read it, do not write."""
    directory: Path = synthetic.write_comparison(tmp_path_factory.mktemp("town"))
    return directory


@pytest.fixture(scope="session")
def page(town: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of the town, in a copy of its directory."""
    directory = tmp_path_factory.mktemp("report") / "town"
    shutil.copytree(town, directory)
    return write_report(directory)


@pytest.fixture(scope="module")
def pair(town: Path) -> Recording:
    """The town's first two controllers, max and wmmse, as lived."""
    return replace(read_recording(town), controllers=("max", "wmmse"), ideal={})


@pytest.fixture
def links() -> Scenario:
    """Four links that fade, and nobody comes or goes."""
    return load("gaussian-ic", ["population.initial_users=4"])


@pytest.fixture
def slotwise(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run a command line in this process: exit code, standard output, standard error."""

    def call(*arguments: str | Path) -> tuple[int, str, str]:
        code = cli.status([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call
