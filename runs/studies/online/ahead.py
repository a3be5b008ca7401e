"""Units computed ahead by several processes, each kept where the study looks for it.

Times are not measured ahead: they are no times where other processes of ours run beside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from slotwise.emulator.scenario import InputError
from slotwise.runs.directory import finite, read_json, write_json
from slotwise.runs.progress import Board, progress_bar
from slotwise.runs.studies.online.latency import TIMED
from slotwise.runs.studies.part import Unit
from slotwise.runs.studies.study import Study, choose, run

__all__ = ["compute_ahead"]

_IDLE_S = 10


def compute_ahead(study: Study, names: Sequence[str], out: Path, jobs: int) -> None:
    """Compute what a study's directory does not hold yet; the study then finds it there.

    Parameters
    ----------
    study : Study
        What will be run.
    names : sequence of str
        Of its parts; none: all.
    out : Path
        The directory.
    jobs : int
        Processes; with one, nothing is done, for the study computes one after another itself.

    Raises
    ------
    InputError
        If the directory holds something else.
    """
    from joblib import Parallel, delayed, parallel_config

    parts = choose(study.parts, names)
    every = {unit.file_name: unit for part in parts for unit in part.units}
    missing = [unit for unit in every.values() if not (unit.place == TIMED or _is_kept(unit, out))]
    workers = min(jobs, len(missing))
    if workers < 2:
        return
    for _ in run(replace(study, parts=()), out):  # makes the directory, or refuses it
        pass
    total = sum(unit.steps for unit in missing)
    with (
        Board(len(missing)) as board,
        progress_bar("ahead", total, poll=board.total),
        parallel_config(
            "loky", n_jobs=workers, inner_max_num_threads=1, idle_worker_timeout=_IDLE_S
        ),
    ):
        Parallel(batch_size=1)(
            delayed(_compute)(unit, out, board.path, number) for number, unit in enumerate(missing)
        )


def _is_kept(unit: Unit, out: Path) -> bool:
    place = out / "units" / unit.file_name
    if not place.exists():
        return False
    try:
        return bool(read_json(place).get("identity") == finite(dict(unit.identity())))
    except InputError:
        return False


def _compute(unit: Unit, out: Path, board: str, number: int) -> None:
    import torch

    torch.set_num_threads(1)
    place = out / "units" / unit.file_name
    identity = finite(dict(unit.identity()))
    result = finite(dict(unit.compute(Board.writer(board, number))))
    place.parent.mkdir(parents=True, exist_ok=True)
    write_json(place, {"identity": identity, "result": result})
