"""Units of studies and labels of trainings that workers compute: the same as without them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open

from slotwise.runs.directory import read_json
from slotwise.runs.studies import ahead
from slotwise.runs.studies.ahead import UnitError, compute_ahead
from slotwise.runs.studies.part import Document, Part, Unit
from slotwise.runs.studies.study import Study, run
from slotwise.runs.workers import Lost, Workers

TWO = Workers(jobs=2)


def _study(units: int = 4) -> Study:
    """Units that sum a product of matrices, and one that tells the time."""

    def unit(number: int) -> Unit:
        def compute(done: Callable[[int], None]) -> dict[str, Any]:
            import numpy as np

            done(1)
            draws = np.random.default_rng(number).random((300, 300))
            return {"sum": float((draws @ draws).sum()), "process": os.getpid()}

        return Unit("place", f"number {number}", 1, lambda: {"number": number}, compute)

    clock = Unit("place", "clock", 1, dict, lambda _: {"s": time.monotonic()}, timed=True)
    part = Part("1", "One", "", (*map(unit, range(units)), clock), lambda _: Document(()))
    return Study("toy", "Toy", "", "small", 0, (part,))


def _kept(out: Path) -> dict[str, Any]:
    return {path.stem: read_json(path)["result"] for path in (out / "units").rglob("*.json")}


def test_units_computed_ahead_do_not_depend_on_workers(tmp_path: Path) -> None:
    sums, processes = [], []
    for jobs in (1, 2):
        compute_ahead(_study(), (), tmp_path / str(jobs), Workers(jobs=jobs))
        found = _kept(tmp_path / str(jobs))
        assert sorted(found) == [f"number-{number}" for number in range(4)]  # and no clock
        sums.append({name: result["sum"] for name, result in found.items()})
        processes.append({result["process"] for result in found.values()})
    assert sums[0] == sums[1]
    assert processes[0] == {os.getpid()}
    assert os.getpid() not in processes[1]


def test_a_study_finds_what_was_computed_ahead_and_computes_the_rest(tmp_path: Path) -> None:
    compute_ahead(_study(3), (), tmp_path, TWO)
    before = _kept(tmp_path)
    compute_ahead(_study(4), ("1",), tmp_path, Workers(jobs=1))
    list(run(_study(5), tmp_path))
    found = _kept(tmp_path)
    assert {name: found[name] for name in before} == before
    assert len(found) == 6


def test_a_unit_that_is_lost_is_told_when_the_others_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def losing(do: Callable[[Any], Any], tasks: Iterable[Any], _: Workers) -> Iterator[Any]:
        for number, task in enumerate(tasks):
            yield number, Lost() if number == 1 else do(task)

    monkeypatch.setattr(ahead, "spread", losing)
    with pytest.raises(UnitError, match=r"1 of 3 units failed.*place/number-1\.json.*killed"):
        compute_ahead(_study(3), (), tmp_path, TWO)
    assert len(_kept(tmp_path)) == 2


# Labels, which a training learns from.


def test_samples_to_learn_from_do_not_depend_on_workers() -> None:
    from slotwise.controllers.training import energy_mlp
    from slotwise.controllers.training.draws import Part, collect, form_of, of_scenario
    from slotwise.emulator.objective import Objective
    from slotwise.emulator.scenario import load
    from slotwise.runs.training import spread_over

    draw = of_scenario(load("gaussian-ic"), 4)
    told: list[int] = []
    about = draw, form_of(draw), 5, Part.TRAINING, 2100, True
    here, there = collect(*about), collect(*about, told.append, spread_over(TWO))
    assert [one.tobytes() for one in here] == [one.tobytes() for one in there]
    assert sorted(told) == told
    assert told[-1] == 2100

    aim = draw, Objective("energy-efficiency", 4.0, 1.0), (5, Part.TRAINING), 2100, True
    mine, theirs = energy_mlp.collect(*aim), energy_mlp.collect(*aim, spread=spread_over(TWO))
    assert all(map(torch.equal, mine, theirs))


def test_a_training_on_two_workers_ends_with_the_same_weights(
    slotwise: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    asked = "train mlp --scenario gaussian-ic --links 3 --samples 2000 --steps 20 --test-samples 2"
    weights = []
    for jobs in ([], ["--jobs", "2"]):
        out = tmp_path / f"{len(jobs)}.safetensors"
        assert slotwise(*asked.split(), *jobs, "--out", out)[0] == 0
        with safe_open(out, "np") as file:
            weights.append({name: file.get_tensor(name).tobytes() for name in file.keys()})  # noqa: SIM118
    assert weights[0] == weights[1]
