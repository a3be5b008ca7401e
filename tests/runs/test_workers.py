"""Tasks spread over processes: the same results everywhere, and nothing lost with a process."""

from __future__ import annotations

import itertools
import math
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet as pq
import pytest

from slotwise.emulator.scenario import InputError
from slotwise.runs.sweeps.planning.plan import read_plan
from slotwise.runs.sweeps.sweep import sweep
from slotwise.runs.workers import LOST_LINE, Lost, Workers, spread, together

TWO = Workers(jobs=2)


def _die(_: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _threads() -> Callable[[int], list[int]]:
    """Counts threads of NumPy, and those that torch would take."""

    # What is inside a function travels whole; the workers do not know this file.
    def count(_: int) -> list[int]:
        import os

        import numpy as np  # noqa: F401
        from threadpoolctl import threadpool_info

        return [int(os.environ["OMP_NUM_THREADS"]), *(x["num_threads"] for x in threadpool_info())]

    return count


def _is_alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def _wait(until: Callable[[], bool], seconds: float = 20.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if until():
            return True
        time.sleep(0.05)
    return until()


@pytest.mark.parametrize("jobs", [1, 2])
def test_every_task_has_its_result(jobs: int) -> None:
    found = dict(spread(math.sqrt, range(20), Workers(jobs=jobs)))
    assert found == {index: math.sqrt(index) for index in range(20)}


def test_no_task_is_no_work() -> None:
    assert list(spread(math.sqrt, [], TWO)) == []


def test_one_worker_is_this_process_and_of_several_none_is() -> None:
    """Not even for a single task, which might end it."""

    def whose(_: int) -> int:
        return os.getpid()

    assert [at for _, at in spread(whose, range(3), Workers(jobs=1))] == [os.getpid()] * 3
    for tasks in (1, 3):
        assert os.getpid() not in [at for _, at in spread(whose, range(tasks), TWO)]


def _arrivals(folder: Path, tasks: int, workers: Workers) -> list[int]:
    """Tasks in the order in which their results come, where the first waits for all others'."""
    folder.mkdir(exist_ok=True)

    def finish(number: int) -> None:
        end = time.monotonic() + 20
        while not number and len(list(folder.iterdir())) < tasks - 1 and time.monotonic() < end:
            time.sleep(0.01)

    order = []
    for number, _ in spread(finish, range(tasks), workers):
        (folder / str(number)).touch()
        order.append(number)
    return order


def test_results_come_as_they_finish(tmp_path: Path) -> None:
    assert _arrivals(tmp_path, 4, TWO)[-1] == 0


def test_tasks_are_taken_as_they_are_needed() -> None:
    taken: list[int] = []

    def endless() -> Iterator[int]:
        for number in itertools.count():
            taken.append(number)
            yield number

    found = dict(itertools.islice(spread(math.sqrt, endless(), TWO), 50))
    assert len(found) == 50
    assert len(taken) < 1000


def test_a_worker_has_one_thread_of_linear_algebra() -> None:
    for jobs in (1, 2):
        for _, found in spread(_threads(), range(2), Workers(jobs=jobs)):
            assert set(found) == {1}


def test_workers_are_where_their_owner_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes are kept from one work to the next, and paths may be relative."""
    for folder in (Path.cwd(), tmp_path):
        monkeypatch.chdir(folder)
        places = {place for _, place in spread(os.path.realpath, [".", "."], TWO)}
        assert places == {str(folder.resolve())}


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_a_task_raises_is_raised(jobs: int) -> None:
    with pytest.raises(ValueError, match="math domain error"):
        list(spread(math.sqrt, [1, 2, -1, 4, 5], Workers(jobs=jobs)))


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_the_tasks_raise_is_raised(jobs: int) -> None:
    def tasks() -> Iterator[int]:
        yield from range(10)
        raise RuntimeError("no more paper")

    with pytest.raises(RuntimeError, match="no more paper"):
        list(spread(math.sqrt, tasks(), Workers(jobs=jobs)))


def test_an_error_that_cannot_travel_is_told_in_its_words() -> None:
    class OddError(Exception):
        def __init__(self, what: str, when: str) -> None:
            super().__init__(f"{what} {when}")

    def odd(_: int) -> None:
        raise OddError("wrong", "today")

    with pytest.raises(RuntimeError, match=r"^OddError: wrong today$"):
        list(spread(odd, range(3), TWO))


def test_what_was_under_way_with_a_killed_task_is_done_again_side_by_side(tmp_path: Path) -> None:
    def meet(number: int) -> bool:
        """The first two die the first time that they meet."""
        again = (tmp_path / f"{number} died").exists()
        mine, other = (f"{one} {again}" for one in (number, 1 - number))
        (tmp_path / mine).touch()
        if number > 1:
            return True
        end = time.monotonic() + 10
        while not (met := (tmp_path / other).exists()) and time.monotonic() < end:
            time.sleep(0.01)
        if not again:
            (tmp_path / f"{number} died").touch()
            while not (tmp_path / f"{1 - number} died").exists():
                time.sleep(0.01)
            os.kill(os.getpid(), signal.SIGKILL)
        return met

    assert dict(spread(meet, range(8), TWO)) == dict.fromkeys(range(8), True)
    assert (tmp_path / "0 died").exists()


def _siblings() -> Callable[[], list[int]]:
    """Finds the other workers of the process that this one works for."""

    def find() -> list[int]:
        found = []
        for path in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                owner = (path / "stat").read_text().rpartition(")")[2].split()[1]
                if int(owner) == os.getppid() and b"LokyProcess" in (path / "cmdline").read_bytes():
                    found.append(int(path.name))
        return [process for process in found if process != os.getpid()]

    return find


def test_a_task_that_is_alone_has_nobody_whose_death_could_be_its_own(tmp_path: Path) -> None:
    find = _siblings()

    def fall(_: int) -> tuple[int, int]:
        """Die twice beside others and twice alone, then kill whoever is there."""
        run = len(list(tmp_path.iterdir())) + 1
        (tmp_path / str(run)).touch()
        if run <= 4:
            os.kill(os.getpid(), signal.SIGKILL)
        others = find()
        for process in others:
            os.kill(process, signal.SIGKILL)
        time.sleep(0.3 * len(others))
        return run, len(others)

    assert dict(spread(fall, [0], TWO)) == {0: (5, 0)}


def test_a_task_that_kills_its_process_every_time_is_lost_and_no_other() -> None:
    def die(number: int) -> int:
        if number == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return number

    assert dict(spread(die, range(5), TWO)) == {0: 0, 1: 1, 2: 2, 3: Lost(LOST_LINE), 4: 4}


class _Driver(NamedTuple):
    """A process with workers that say who they are, and then sleep."""

    process: subprocess.Popen[str]
    folder: Path

    def workers(self) -> list[int]:
        return [int(path.name) for path in self.folder.glob("[0-9]*")]

    def has_ended(self) -> bool:
        return not any(_is_alive(process) for process in self.workers())


@contextmanager
def _asleep(folder: Path, backend: str) -> Iterator[_Driver]:
    folder.mkdir()
    script = folder / "driver.py"
    script.write_text(f"""
import os, pathlib, sys, time
from slotwise.runs.workers import Workers, spread

def sleep(folder):
    pathlib.Path(folder, str(os.getpid())).touch()
    time.sleep(60)

if __name__ == "__main__":
    list(spread(sleep, [{str(folder)!r}] * 4, Workers({backend!r}, jobs=2)))
""")
    with subprocess.Popen(
        [sys.executable, str(script)],
        start_new_session=True,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(folder)},
    ) as process:
        try:
            yield _Driver(process, folder)
        finally:
            process.kill()


def _ends_with_its_owner(driver: _Driver) -> None:
    assert _wait(lambda: len(driver.workers()) == 2)
    driver.process.kill()
    assert _wait(driver.has_ended)


def _stops_on_ctrl_c(driver: _Driver) -> None:
    assert _wait(lambda: len(driver.workers()) == 2)
    os.killpg(driver.process.pid, signal.SIGINT)  # as a terminal does: to all of its processes
    _, errors = driver.process.communicate(timeout=20)
    assert driver.process.returncode == -signal.SIGINT
    assert _wait(driver.has_ended)
    assert errors.count("Traceback") == 1
    assert errors.rstrip().endswith("KeyboardInterrupt")


def test_workers_end_with_their_owner_and_on_ctrl_c(tmp_path: Path) -> None:
    with (
        _asleep(tmp_path / "a", "local") as killed,
        _asleep(tmp_path / "b", "local") as stopped,
    ):
        _ends_with_its_owner(killed)
        _stops_on_ctrl_c(stopped)


def test_what_no_worker_can_read_is_told() -> None:
    with pytest.raises(Exception, match="un-serialize"):
        list(spread(_die, range(3), TWO))  # a name in this file, which workers do not know


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"jobs": 0}, r"jobs = 0: must be at least 1"),
        ({"backend": "spark"}, r"backend = spark: must be one of local, ray, dask"),
        ({"address": "there:1"}, r"address = there:1: only with backend ray or dask"),
    ],
)
def test_workers_that_cannot_be_are_refused(asked: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        Workers(**asked)


def test_an_address_where_nobody_listens_is_refused_at_once() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
        for backend, package in (("ray", "ray"), ("dask", "distributed")):
            if find_spec(package) is None:
                continue
            workers = Workers(backend, address=address)  # type: ignore[arg-type]
            with pytest.raises(InputError, match=f"{address}: no {backend} cluster answers"):
                list(spread(math.sqrt, range(3), workers))


@pytest.mark.parametrize(("backend", "package"), [("ray", "ray"), ("dask", "distributed")])
def test_a_missing_extra_is_named(
    backend: Any, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError, match=rf"pip install 'slotwise\[{backend}\]'"):
        list(spread(math.sqrt, range(3), Workers(backend, jobs=2)))


@pytest.mark.parametrize(
    "command", ["study late", "train mlp --scenario gaussian-ic --out w.safetensors"]
)
def test_commands_say_what_is_wrong_with_workers(
    slotwise: Callable[..., tuple[int, str, str]], command: str
) -> None:
    code, _, said = slotwise(*command.split(), "--address", "there:1")
    assert code == 2
    assert said == "slotwise: error: address = there:1: only with backend ray or dask\n"


# On clusters. Each is asked for once, with two processes, and everything is tried there.


@pytest.fixture(params=["ray", "dask"], scope="module")
def backend(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    pytest.importorskip(
        {"ray": "ray", "dask": "distributed"}[name],
        reason=f"the extra {name} is not installed: pip install 'slotwise[{name}]'",
    )
    return name


@pytest.fixture(scope="module")
def owner(backend: str) -> Iterator[_Driver]:
    """Another who has a cluster, which starts while ours is at work."""
    # Ray's sockets need a short path, and what is killed leaves its files behind.
    with (
        tempfile.TemporaryDirectory(prefix="s-", ignore_cleanup_errors=True) as folder,
        _asleep(Path(folder, "d"), backend) as driver,
    ):
        yield driver


@pytest.mark.usefixtures("owner")
def test_a_cluster_does_what_this_machine_does(backend: str, tmp_path: Path) -> None:
    def who(_: int) -> int:
        time.sleep(0.1)
        return os.getpid()

    deaths = {3: 1, 7: 3}  # the last one alone

    def fall(number: int) -> int:
        marks = [tmp_path / f"{number} {death}" for death in range(deaths.get(number, 0))]
        for mark in marks:
            if not mark.exists():
                mark.touch()
                os.kill(os.getpid(), signal.SIGKILL)
        return number

    workers = Workers(backend, jobs=2)  # type: ignore[arg-type]
    with together(workers):
        found = dict(spread(math.sqrt, range(40), workers))
        assert found == {index: math.sqrt(index) for index in range(40)}

        processes = {at for _, at in spread(who, range(8), workers)}
        assert len(processes) == 2
        assert os.getpid() not in processes

        assert _arrivals(tmp_path / "arrived", 6, workers)[-1] == 0

        for _, threads in spread(_threads(), range(2), workers):
            assert set(threads) == {1}

        with pytest.raises(ValueError, match=r"^math domain error$"):
            list(spread(math.sqrt, [1, 2, -1, 4], workers))

        assert len(list(itertools.islice(spread(math.sqrt, itertools.count(), workers), 9))) == 9

        survived = dict(spread(fall, range(12), workers))
        assert survived == {number: number for number in range(12)}

        assert _swept(tmp_path / backend, workers) == _swept(tmp_path / "alone", Workers(jobs=1))


def _swept(out: Path, workers: Workers) -> bytes:
    """Results of a plan, as its file holds them."""
    out.mkdir()
    (out / "small.toml").write_text("""
        scenario = "gaussian-ic"
        controllers = ["max", "wmmse"]
        seeds = 3
        slots = 20
        grid."population.initial_users" = [2, 5]
    """)
    sweep(read_plan(out / "small.toml"), out=out / "swept", workers=workers, progress=False)
    (lived,) = (out / "swept" / "times").glob("plan=*/times.parquet")
    assert len(set(pq.ParquetFile(lived).read()["worker"].to_pylist())) == workers.jobs
    (cells,) = (out / "swept" / "cells").glob("plan=*/cells.parquet")
    return cells.read_bytes()


def test_a_cluster_of_ones_own_ends_with_its_owner(owner: _Driver) -> None:
    _ends_with_its_owner(owner)
