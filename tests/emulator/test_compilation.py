"""Compiled code: kept where it can be, used by the next process, and never a reason to fail."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from slotwise.emulator.kernels import compilation

PROGRAM = """
import sys, warnings
warnings.simplefilter("always")
import numpy as np
from slotwise.emulator.kernels import normals
state = normals.seed_lanes(np.random.SeedSequence(1))
out = np.empty(5, np.float32)
normals.fill_normal(state, out)
hits = getattr(normals.fill_normal, "stats", None)
print(out.tolist(), sum(hits.cache_hits.values()) if hits else "interpreted")
"""


def run(**environment: str) -> tuple[str, str, str]:
    """Numbers drawn in a new process, from how many kept functions, and what it complained of."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
        env=os.environ | environment,
    )
    numbers, _, hits = done.stdout.strip().rpartition(" ")
    return numbers, hits, done.stderr


def test_the_second_process_starts_with_the_code_of_the_first(tmp_path: Path) -> None:
    first, second = (run(NUMBA_CACHE_DIR=str(tmp_path)) for _ in range(2))
    assert first == (second[0], "0", "")
    assert second[1] == "1"
    assert second[2] == ""
    assert any(tmp_path.rglob("*.nbi"))


def test_the_first_use_is_known_from_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "state"
    monkeypatch.setattr(compilation, "_directory", lambda _: folder)
    folder.mkdir()
    assert compilation.is_first_use(Path("kernels"))
    (folder / "kernel.nbi").touch()
    assert not compilation.is_first_use(Path("kernels"))


def test_kernels_run_as_python_where_nothing_is_compiled(tmp_path: Path) -> None:
    numbers, hits, complaint = run(NUMBA_DISABLE_JIT="1", NUMBA_CACHE_DIR=str(tmp_path))
    compiled = [float(x) for x in run()[0].strip("[]").split(",")]
    assert hits == "interpreted"
    assert complaint == ""
    assert [float(x) for x in numbers.strip("[]").split(",")] == pytest.approx(compiled, rel=1e-5)
    assert not any(tmp_path.iterdir())


def test_code_that_cannot_be_kept_is_a_notice(tmp_path: Path) -> None:
    blocked = tmp_path / "file"  # stands where the directory would be
    blocked.write_text("")
    numbers, hits, complaint = run(NUMBA_CACHE_DIR=str(blocked / "cache"))
    assert numbers == run()[0]
    assert hits == "0"
    assert complaint.count("CompilationNotice: compiled code cannot be kept") == 1


def test_code_of_states_long_gone_is_removed_and_nothing_else(tmp_path: Path) -> None:
    old = [tmp_path / f"{number:016x}" for number in range(30)]
    notes = tmp_path / "notes"
    for age, folder in enumerate([*old, notes]):
        folder.mkdir()
        os.utime(folder, (1e9 - age, 1e9 - age))
    compilation._keep_recent(tmp_path)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {notes.name, *(folder.name for folder in old[:24])}
