"""Clusters: Ray and Dask as back ends of joblib, each task a task of theirs.

Both ship a back end for joblib, but not for work that streams. Ray's knows no generators, deals
tasks out in turn to workers that may be busy, and keeps every argument; Dask's waits for ever for a
task whose worker was killed. So what is registered with joblib here hands each task to the
cluster's own scheduler as a future, and says of a killed one that it has no result.
"""

from __future__ import annotations

import functools
import logging
import os
import shutil
import socket
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Protocol

from joblib import parallel_config, register_parallel_backend
from joblib.parallel import ParallelBackendBase

from slotwise.emulator.scenario import InputError

__all__ = ["Cluster", "dask_cluster", "ray_cluster"]

Config = Callable[[], AbstractContextManager[Any]]

_CONNECT_S = 15
_STORE_BYTES = 256 * 2**20
_WHOLE_THREADS = ExitStack()  # of a worker, for as long as it lives


class _Future(Protocol):
    def result(self) -> Any: ...
    def add_done_callback(self, call: Callable[[Any], None]) -> None: ...


class Cluster(ParallelBackendBase):  # type: ignore[misc]  # joblib ships no types
    """A back end of joblib whose tasks are futures of a cluster.

    Parameters
    ----------
    begin : callable
        Takes a call without arguments and starts it somewhere: its future.
    cancel : callable
        Takes futures that nobody waits for any longer.
    deaths : tuple of exception types
        What a future raises when its process was killed.
    count : int
        Processes.
    """

    supports_retrieve_callback = True
    supports_return_generator = True

    def __init__(
        self,
        begin: Callable[[Callable[[], Any]], _Future],
        cancel: Callable[[list[Any]], None],
        deaths: tuple[type[BaseException], ...],
        count: int,
    ) -> None:
        super().__init__()
        self._begin = begin
        self._cancel = cancel
        self._deaths = deaths
        self._count = count
        self._under_way: set[_Future] = set()

    def effective_n_jobs(self, n_jobs: int) -> int:  # noqa: ARG002 - joblib's signature
        """At least two: with one, joblib would do the tasks in this process."""
        return max(2, self._count)

    def submit(self, func: Callable[[], Any], callback: Callable[[Any], None]) -> _Future:
        """Start a batch of calls, which is one call."""
        future = self._begin(func)
        self._under_way.add(future)
        future.add_done_callback(callback)
        return future

    def retrieve_result_callback(self, out: _Future) -> list[Any]:
        """The batch's result; none if its process was killed."""
        self._under_way.discard(out)
        try:
            result, trace = out.result()
        except self._deaths:
            return []
        except Exception as error:
            if "No module named 'slotwise" in f"{error} {error.__cause__}":
                raise InputError("a worker of the cluster has no slotwise") from error
            raise
        if trace is not None:
            raise result from RuntimeError(f"in the worker:\n{trace}")
        found: list[Any] = result
        return found

    def abort_everything(self, ensure_ready: bool = True) -> None:  # noqa: ARG002
        """Nobody waits for what is under way."""
        under_way, self._under_way = list(self._under_way), set()
        self._cancel(under_way)


def _call(batch: Callable[[], Any]) -> tuple[Any, str | None]:
    """In a worker: a batch's result, or the error and where it was."""
    _settle_in()
    try:
        return batch(), None
    except Exception as error:  # noqa: BLE001 - it is raised again where it is waited for
        return error, traceback.format_exc()


@functools.cache
def _settle_in() -> None:
    """Once in every worker: one thread, and nothing on the command's standard output."""
    from slotwise.runs.quiet import single_threaded

    sys.stdout = sys.stderr
    _WHOLE_THREADS.enter_context(single_threaded())


def _registered(name: str, cluster: Cluster) -> Config:
    register_parallel_backend(name, lambda: cluster)
    return functools.partial(parallel_config, name, n_jobs=cluster.effective_n_jobs(0))


@contextmanager
def ray_cluster(jobs: int, address: str | None) -> Iterator[tuple[Config, int, int]]:
    """A Ray cluster.

    Parameters
    ----------
    jobs : int
        Processes of one that is started.
    address : str or None
        Of one that is there.

    Yields
    ------
    callable, int, int
        Makes joblib's configuration; how many processes there are; tasks to give them at once.

    Raises
    ------
    InputError
        If Ray is not installed, or nobody answers at the address.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ImportError:
        raise InputError("backend = ray: needs Ray; pip install 'slotwise[ray]'") from None
    from ray import exceptions

    remote: Any = ray.remote(num_cpus=1, max_retries=0)(_call)

    def begin(batch: Callable[[], Any]) -> _Future:
        future: _Future = remote.remote(batch).future()
        return future

    def forget(_: list[Any]) -> None:
        """Let them run out, or end with the cluster: now and then, Ray's cancel ends the driver."""

    deaths = (
        exceptions.WorkerCrashedError,
        exceptions.OutOfMemoryError,
        exceptions.NodeDiedError,
        exceptions.ObjectLostError,
    )
    resources: Callable[[], dict[str, float]] = ray.cluster_resources
    with _ray(ray, jobs, address):
        count = jobs if address is None else int(resources().get("CPU", 1))
        yield _registered("slotwise-ray", Cluster(begin, forget, deaths, count)), count, 2 * count


@contextmanager
def _ray(ray: Any, jobs: int, address: str | None) -> Iterator[None]:
    """Connected to Ray, or with a cluster of our own, of which nothing is left."""
    if ray.is_initialized():  # whoever started it ends it
        yield
        return
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    own: dict[str, Any] = {}
    if address is None:
        folder = tempfile.mkdtemp(prefix="ray-")
        own = {"num_cpus": jobs, "object_store_memory": _STORE_BYTES, "_temp_dir": folder}
        own["include_dashboard"] = False
    try:
        _check_reachable("ray", address)
        try:
            ray.init(address=address or "local", **quiet, **own)
        except (ConnectionError, RuntimeError, ValueError) as error:
            hint = "; one that asks for tokens needs RAY_AUTH_MODE=token here, too"
            raise _unreachable("ray", address, error, hint) from error
        with _hushed(ray):
            yield
    finally:
        ray.shutdown()
        if own:
            shutil.rmtree(own["_temp_dir"], ignore_errors=True)


@contextmanager
def _hushed(ray: Any) -> Iterator[None]:
    """Ray prints each death of a worker on standard output, and offers no option against it."""
    where = ray._private.worker
    before = getattr(where, "print_to_stdstream", None)
    if before is None:  # another version of Ray
        yield
        return
    where.print_to_stdstream = lambda *_, **__: None
    try:
        yield
    finally:
        where.print_to_stdstream = before


@contextmanager
def dask_cluster(jobs: int, address: str | None) -> Iterator[tuple[Config, int, int]]:
    """A Dask cluster; parameters, yields and errors as of `ray_cluster`.

    Raises
    ------
    InputError
        Besides, if its workers have several threads each: tasks would share one interpreter.
    """
    try:
        from distributed import Client, KilledWorker
    except ImportError:
        raise InputError("backend = dask: needs Dask; pip install 'slotwise[dask]'") from None

    _check_reachable("dask", address)
    connect: Callable[..., Any] = Client
    with ExitStack() as stack:
        try:
            where = address or stack.enter_context(_local_dask(jobs))
            client: Any = connect(where, timeout=_CONNECT_S, set_as_default=False)
            stack.enter_context(client)
        except (OSError, ValueError) as error:
            raise _unreachable("dask", address, error) from error

        def begin(batch: Callable[[], Any]) -> _Future:
            future: _Future = client.submit(_call, batch, pure=False)
            return future

        def cancel(futures: list[Any]) -> None:
            with suppress(CancelledError, OSError, TimeoutError):
                client.cancel(futures, force=True)

        _check_releases(client)
        threads = client.nthreads()
        if any(number > 1 for number in threads.values()):
            raise InputError(
                "the Dask workers have several threads each: start them with --nthreads 1"
            )
        count = jobs if address is None else max(1, len(threads))
        # A second one might wait behind a long one, which Dask does not know to be long.
        cluster = Cluster(begin, cancel, (KilledWorker,), count)
        yield _registered("slotwise-dask", cluster), count, count


def _check_releases(client: Any) -> None:
    """Refuse workers without this version of slotwise; one that cannot read a task would die."""
    here = version("slotwise")
    try:
        there = set(client.run(version, "slotwise").values()) - {here}
    except PackageNotFoundError as error:
        raise InputError("a worker of the cluster has no slotwise") from error
    if there:
        raise InputError(f"a worker has slotwise {there.pop()}, and not {here} as here")


@contextmanager
def _local_dask(jobs: int) -> Iterator[Any]:
    """A cluster of our own, where a task is not tried again and again."""
    import dask
    from distributed import LocalCluster

    start: Callable[..., Any] = LocalCluster
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        start(
            n_workers=jobs,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            memory_limit=0,
            silence_logs=logging.CRITICAL,
        ) as cluster,
    ):
        yield cluster


def _check_reachable(backend: str, address: str | None) -> None:
    """Refuse at once an address where nobody listens; Ray would try for minutes."""
    if address is None or address == "auto":
        return
    host, colon, port = address.rpartition("://")[2].rpartition(":")
    if not (colon and port.isdecimal()):
        raise InputError(f"address = {address}: must be HOST:PORT")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _CONNECT_S).close()
    except OSError as error:
        raise _unreachable(backend, address, error) from error


def _unreachable(backend: str, address: str | None, error: Exception, hint: str = "") -> InputError:
    line = " ".join(str(error).split())
    if address is None:
        return InputError(f"backend = {backend}: no cluster can be started here: {line[:200]}")
    return InputError(f"address = {address}: no {backend} cluster answers: {line[:200]}{hint}")
