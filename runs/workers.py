"""Workers: one way from a function and many tasks to their results, on one core or on a cluster.

Tasks go to processes of this machine by default, and unchanged to a Ray or a Dask cluster, by
joblib. Results come back as they finish. A process that is killed takes nothing with it: what was
under way is done again, first side by side, then, where that was killed too, one task at a time
with no other beside it. Only a task whose process is killed every time that it is alone is lost.
"""

from __future__ import annotations

import functools
import os
import pickle
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any, Generic, Literal, NamedTuple, TypeVar, get_args

from slotwise.emulator.scenario import InputError

__all__ = ["LOST_LINE", "BackendName", "Lost", "Workers", "spread", "together"]

T = TypeVar("T")
R = TypeVar("R")

BackendName = Literal["local", "ray", "dask"]

# The error of a task that is lost, as it is stored: whoever finds it may try the task once more.
LOST_LINE = (
    "its process was killed each of the three times that it ran alone, perhaps for want of memory"
)

_TIMES_ALONE = 3
_WATCH_S = 1.0
_IDLE_S = 60


@dataclass(frozen=True)
class Workers:
    """Who does the work.

    Attributes
    ----------
    backend : str
        ``local``: processes of this machine. ``ray``, ``dask``: a cluster's.
    jobs : int or None
        Processes; of a cluster with an address, tasks under way at once. None: one for each core.
    address : str or None
        Of a cluster that is there; None: one is started on this machine and ended afterwards.

    Raises
    ------
    InputError
        If one of them cannot be.
    """

    backend: BackendName = "local"
    jobs: int | None = None
    address: str | None = None

    def __post_init__(self) -> None:
        if self.backend not in get_args(BackendName):
            names = ", ".join(get_args(BackendName))
            raise InputError(f"backend = {self.backend}: must be one of {names}")
        if self.jobs is not None and self.jobs < 1:
            raise InputError(f"jobs = {self.jobs}: must be at least 1")
        if self.address is not None and self.backend == "local":
            raise InputError(f"address = {self.address}: only with backend ray or dask")

    def count(self, tasks: int | None = None) -> int:
        """How many processes will work on so many tasks.

        How many a cluster with an address has is known inside `together` only.
        """
        if self.jobs is not None:
            most = self.jobs
        elif self in _TOGETHER:
            most = _TOGETHER[self].processes
        else:
            from joblib import cpu_count

            most = cpu_count()
        return most if tasks is None else max(1, min(most, tasks))


class Lost(NamedTuple):
    """What stands for the result of a task whose process was killed every time that it ran alone.

    Attributes
    ----------
    line : str
        What happened, in one line.
    """

    line: str = LOST_LINE


class _Source(Generic[T]):
    """Numbered tasks, from where they come until their results are there.

    Tasks are taken in threads of joblib's, whichever has just heard of a result.
    """

    def __init__(self, tasks: Iterator[tuple[int, T]]) -> None:
        self._tasks = tasks
        self._lock = threading.Lock()
        self._call = 0
        self.exhausted = False
        self._under_way: dict[int, T] = {}

    def feed(self) -> Iterator[tuple[int, T]]:
        """Tasks that nobody has taken yet, until `recall` is called."""
        call = self._call
        while True:
            with self._lock:
                if call != self._call:
                    return
                try:
                    index, task = next(self._tasks)
                except StopIteration:
                    self.exhausted = True
                    return
                self._under_way[index] = task
            yield index, task

    def settle(self, index: int) -> None:
        """The task's result is there."""
        del self._under_way[index]

    def recall(self) -> dict[int, T]:
        """Take back what is under way, and give out no more to those who asked before."""
        with self._lock:
            self._call += 1
            recalled, self._under_way = self._under_way, {}
        return recalled


def spread(
    do: Callable[[T], R], tasks: Iterable[T], workers: Workers = Workers()
) -> Iterator[tuple[int, R | Lost]]:
    """Do tasks in several processes, each with one thread of linear algebra.

    With one worker all is done in this process; with more not even a single task is, so that none
    can end it. Whoever stops asking for results stops the work.

    Parameters
    ----------
    do : callable
        Takes a task. It and what it takes and returns travel as pickles.
    tasks : iterable
        Taken as they are needed, from other threads too, by one at a time.
    workers : Workers
        Who does them.

    Yields
    ------
    int, result
        Number of the task from 0, and what ``do`` returned, in the order in which they finish;
        `Lost` for a task whose process was killed every time that it ran alone.

    Raises
    ------
    InputError
        If the back end is not installed, cannot be reached, or has another version of slotwise.
    Exception
        Whatever ``do`` raises, at once; the other results are then given up.
    """
    ahead = iter(tasks)
    first = list(islice(ahead, workers.count()))
    if workers.address is None and (not first or workers.count() == 1):
        yield from _here(do, chain(first, ahead))
        return
    with _gathered(workers, len(first)) as team:
        killed = yield from _side_by_side(do, enumerate(chain(first, ahead)), team)
        if killed:
            killed = yield from _side_by_side(do, iter(killed.items()), team)
        for index, task in killed.items():
            yield index, _alone(do, index, task, team)


def _here(do: Callable[[T], R], tasks: Iterable[T]) -> Iterator[tuple[int, R]]:
    """In this process, one after another, with one thread as anywhere else."""
    from slotwise.runs.quiet import single_threaded

    with single_threaded():
        for index, task in enumerate(tasks):
            yield index, do(task)


class _Team(NamedTuple):
    """A way to processes: joblib's configuration, how many they are, tasks given at once.

    In a pool all are ended when one of them is killed; a cluster keeps the others.
    """

    config: Callable[[], AbstractContextManager[Any]]
    processes: int
    under_way: int
    is_pool: bool = False


_TOGETHER: dict[Workers, _Team] = {}


@contextmanager
def together(workers: Workers) -> Iterator[None]:
    """Keep one cluster for all that is spread over these workers meanwhile.

    Parameters
    ----------
    workers : Workers
        Who does the work. Processes of this machine are kept anyway.
    """
    if workers.backend == "local" or workers in _TOGETHER:
        yield
        return
    with _gathered(workers, None) as team:
        _TOGETHER[workers] = team
        try:
            yield
        finally:
            del _TOGETHER[workers]


@contextmanager
def _gathered(workers: Workers, tasks: int | None) -> Iterator[_Team]:
    """Processes for so many tasks."""
    jobs = workers.count(tasks)
    if workers in _TOGETHER:
        yield _TOGETHER[workers]
    elif workers.backend == "local":
        yield _Team(functools.partial(_loky, jobs), jobs, 2 * jobs, is_pool=True)
    else:
        from slotwise.runs import clusters

        opened = clusters.ray_cluster if workers.backend == "ray" else clusters.dask_cluster
        with opened(jobs, workers.address) as (config, count, under_way):
            asked = None if workers.address is None else workers.jobs
            yield _Team(config, count, asked or under_way)


def _side_by_side(
    do: Callable[[T], R], tasks: Iterator[tuple[int, T]], team: _Team
) -> Generator[tuple[int, R], None, dict[int, T]]:
    """Results of tasks as they finish; returns those that were under way when one was killed."""
    source = _Source(tasks)
    killed: dict[int, T] = {}
    while not source.exhausted:
        yield from _streamed(do, source.feed(), source.settle, team)
        killed |= source.recall()
    return killed


def _alone(do: Callable[[T], R], index: int, task: T, team: _Team) -> R | Lost:
    """The result of a task that has nobody beside it whose death could be taken for its own."""
    for _ in range(_TIMES_ALONE):
        if team.is_pool:
            found = _in_one_process(do, index, task)
        else:
            found = list(_streamed(do, iter([(index, task)]), lambda _: None, team))
        for _, result in found:
            return result
    return Lost()


def _in_one_process(do: Callable[[T], R], index: int, task: T) -> list[tuple[int, R]]:
    """A task's result, or none, from a pool of exactly one process; joblib's own have two."""
    from joblib.externals.loky.process_executor import ProcessPoolExecutor, TerminatedWorkerError
    from joblib.parallel import ParallelBackendBase

    pool = ProcessPoolExecutor(
        max_workers=1,
        initializer=_begin,
        initargs=(os.getpid(), Path.cwd()),
        env=dict.fromkeys(ParallelBackendBase.MAX_NUM_THREADS_VARS, "1"),
    )
    try:
        with _deaf_children():
            future = pool.submit(_do, do, index, task, _release())
        return [future.result()]
    except TerminatedWorkerError:
        return []
    finally:
        pool.shutdown(kill_workers=True)


def _streamed(
    do: Callable[[T], R],
    tasks: Iterator[tuple[int, T]],
    settle: Callable[[int], None],
    team: _Team,
) -> Generator[tuple[int, R]]:
    """Results of one call of joblib's as they finish; what was killed is not settled."""
    from joblib import Parallel, delayed
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    release = _release()
    calls = (delayed(_do)(do, index, task, release) for index, task in tasks)
    with suppress(TerminatedWorkerError):
        with team.config():
            parallel = Parallel(
                return_as="generator_unordered", batch_size=1, pre_dispatch=team.under_way
            )
            results = parallel(calls)
        try:
            for index, result in results:
                settle(index)
                yield index, result
        finally:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that not all results have been asked for
                results.close()


@contextmanager
def _loky(count: int) -> Iterator[None]:
    """Processes of this machine."""
    from joblib import parallel_config

    # A worker ends and another begins where memory grows, whether that is a leak or not.
    warnings.filterwarnings("ignore", "A worker stopped while some jobs were given")
    pool = parallel_config(
        "loky",
        n_jobs=max(2, count),  # with one, joblib would do it in this process
        inner_max_num_threads=1,
        idle_worker_timeout=_IDLE_S,
        initializer=_begin,
        initargs=(os.getpid(), Path.cwd()),
    )
    with pool, _deaf_children():
        yield


@contextmanager
def _deaf_children() -> Iterator[None]:
    """Start processes that ignore Ctrl-C: the one that was asked to stop stops them, quietly."""
    try:
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    except ValueError:  # not the main thread, which alone may say what a signal does
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _begin(owner: int, folder: Path) -> None:
    """Make a process of this machine a worker: it is where its owner is, and ends with it."""
    os.chdir(folder)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.stdout = sys.stderr  # standard output belongs to the command's answer
    threading.Thread(target=_end_with, args=(owner,), daemon=True).start()


def _end_with(owner: int) -> None:
    while os.getppid() == owner:
        time.sleep(_WATCH_S)
    os._exit(1)


@functools.cache
def _release() -> str:
    from importlib.metadata import version

    return version("slotwise")


def _do(do: Callable[[T], R], index: int, task: T, release: str) -> tuple[int, R]:
    """Do a task in a worker; what it raises can be read where it is waited for."""
    if release != _release():
        raise InputError(f"a worker has slotwise {_release()}, and not {release} as here")
    try:
        return index, do(task)
    except Exception as error:
        if _travels(error):
            raise
        raise RuntimeError(f"{type(error).__name__}: {error}") from error


def _travels(error: Exception) -> bool:
    """Whether it is there again after a journey; one with a signature of its own often is not."""
    from joblib.externals.loky.backend.reduction import dumps

    try:
        pickle.loads(dumps(error))  # noqa: S301 - words of its own
    except Exception:  # noqa: BLE001 - whatever its own methods raise
        return False
    return True
