"""The examples run as they stand, on a tiny budget, each in a process of its own."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "examples"
EXAMPLES = sorted(FOLDER.glob("*.py"))
TINY = {
    "evaluate_agent.py": ["--episodes", "2", "--steps", "10"],
    "parallel_agents.py": ["--steps", "20"],
    "rllib_env.py": ["--iterations", "1"],
    "train_cleanrl.py": ["--steps", "4000", "--episodes", "2"],
    "train_stable_baselines3.py": ["--steps", "1024", "--episodes", "2"],
    "train_torchrl.py": ["--steps", "2048", "--episodes", "2"],
}
NEEDS = {
    "parallel_agents.py": "pettingzoo",
    "train_stable_baselines3.py": "stable_baselines3",
    "train_torchrl.py": "torchrl",
}
PRINTS = {
    "evaluate_agent.py": ["thresholds", "ascent", "wmmse"],
    "parallel_agents.py": ["random", "greedy", "polite"],
    "rllib_env.py": ["(141,) numbers in, (10,) out"],
    "train_cleanrl.py": ["slotwise/GaussianIC-v0, 2 episodes", "ppo", "max", "wmmse"],
    "train_stable_baselines3.py": ["slotwise/NasirGuo-v0, 2 episodes", "ppo", "max", "wmmse"],
    "train_torchrl.py": ["slotwise/GaussianIC-v0, 2 episodes", "ppo", "max", "wmmse"],
}
LONGEST = 120


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_runs_and_says_what_it_reached(path: Path, tmp_path: Path) -> None:
    needed = NEEDS.get(path.name)
    if needed is not None and find_spec(needed) is None:
        pytest.skip(f"{needed} is not installed")
    if path.name == "rllib_env.py" and find_spec("ray") is not None:
        pytest.skip("ray starts processes, which takes longer than all other tests of examples")
    done = subprocess.run(
        [sys.executable, str(path), *TINY[path.name]],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    for words in PRINTS[path.name]:
        assert words in done.stdout


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_is_short_and_begins_with_how_to_run_it(path: Path) -> None:
    text = path.read_text("utf-8")
    assert len(text.splitlines()) <= LONGEST
    told = ast.get_docstring(ast.parse(text)) or ""
    assert f"python examples/{path.name}" in told
