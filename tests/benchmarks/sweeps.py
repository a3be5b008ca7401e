"""What sweeping costs beside what it sweeps: printed as tables, for docs/scaling.md.

    python tests/benchmarks/sweeps.py [efficiency] [overhead] [bookkeeping] [thousand]

Wall-clock times, because processes are what is measured; each figure is the median of interleaved
repetitions, with the least and the largest. Nothing here is a test.
"""

from __future__ import annotations

import heapq
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from slotwise.runs.sweeps.cell import FIGURES, Row, Times
from slotwise.runs.sweeps.planning.plan import SweepPlan, read_plan
from slotwise.runs.sweeps.results import write_results
from slotwise.runs.sweeps.stopping import wanted
from slotwise.runs.sweeps.storage.store import Store
from slotwise.runs.sweeps.sweep import sweep
from slotwise.runs.sweeps.visiting import in_fair_order
from slotwise.runs.workers import Workers

T = TypeVar("T")
REPETITIONS = 5
CELLS_OF_A_SECOND, SLOTS_OF_A_SECOND = 24, 25_000
FEW, MANY = 100, 500


def planned(folder: Path, text: str) -> SweepPlan:
    path = folder / "plan.toml"
    path.write_text(text)
    return read_plan(path)


def seconds_of(plan: SweepPlan, workers: Workers) -> tuple[float, float]:
    """Wall-clock time of a whole sweep, and what its cells took by themselves, all together."""
    with tempfile.TemporaryDirectory() as out:
        began = time.perf_counter()
        result = sweep(plan, out=out, workers=workers, progress=False)
        return time.perf_counter() - began, result.seconds


def spread_of(values: Sequence[float], form: str) -> str:
    middle = statistics.median(values)
    return f"{middle:{form}} ({min(values):{form}} to {max(values):{form}})"


def efficiency() -> None:
    """Cells of about a second, by one worker and by two, in turn."""
    text = (
        f'scenario = "gaussian-ic"\ncontrollers = ["max"]\nseeds = {CELLS_OF_A_SECOND}\n'
        f'slots = {SLOTS_OF_A_SECOND}\nset."population.initial_users" = 20\n'
    )
    with tempfile.TemporaryDirectory() as folder:
        plan = planned(Path(folder), text)
        ratios, cells = [], []
        for _ in range(REPETITIONS):
            one, alone = seconds_of(plan, Workers("local", 1))
            two, _ = seconds_of(plan, Workers("local", 2))
            ratios.append(one / two)
            cells.append(alone / CELLS_OF_A_SECOND)
    print(f"two workers / one, {CELLS_OF_A_SECOND} cells of {spread_of(cells, '.2f')} s each,")
    print(f"all of it from start to figures: {spread_of(ratios, '.2f')}\n")


def overhead() -> None:
    """What each further cell of one slot costs, all told and beside its life; and to begin."""
    print("| back end, workers | further cell [ms] | besides living it [ms] | begin and end [s] |")
    print("| --- | ---: | ---: | ---: |")
    text = 'scenario = "gaussian-ic"\ncontrollers = ["max"]\nslots = 1\nseeds = {}\n'
    with tempfile.TemporaryDirectory() as folder:
        few, many = (planned(Path(folder), text.format(count)) for count in (FEW, MANY))
        for backend, jobs in (("local", 1), ("local", 2), ("ray", 2), ("dask", 2)):
            team = Workers(backend, jobs)  # type: ignore[arg-type]
            whole, further, begin = [], [], []
            for _ in range(REPETITIONS):
                short, little = seconds_of(few, team)
                long, much = seconds_of(many, team)
                whole.append(1e3 * jobs * (long - short) / (MANY - FEW))
                further.append(whole[-1] - 1e3 * (much - little) / (MANY - FEW))
                begin.append(short - little / jobs)
            columns = (spread_of(each, ".1f") for each in (whole, further, begin))
            print(f"| {backend}, {jobs} | {' | '.join(columns)} |", flush=True)
    print()


def bookkeeping() -> None:
    """100,000 cells: planned, stored, opened again and summarised, without living any."""
    text = (
        'scenario = "gaussian-ic"\ncontrollers = ["max", "wmmse"]\nseeds = 5\nslots = 10\n'
        '[random]\npoints = 10000\nseed = 0\n"channel.doppler_hz" = { from = 1, to = 300 }\n'
        '"population.initial_users" = { from = 2, to = 100 }\n'
    )
    print("| 100,000 cells | [s] |\n| --- | ---: |")
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        out.mkdir()
        plan = timed("read and check the plan", lambda: planned(Path(folder), text))
        store = timed("open an empty store", lambda: Store(out, plan, ""))
        timed("store every cell", lambda: fill(store, plan))
        again = timed("open it again, and see what is missing", lambda: opened(out, plan))
        timed("make it one file", lambda: again.compact(None))
        rows, times = again.rows(), again.times()
        timed("summarise and draw", lambda: write_results(plan, rows, times, out, ""))
        size = sum(path.stat().st_size for path in out.glob("*/*/*.parquet"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\nOn disk {size / 1e6:.1f} MB; largest memory of the process {peak:.0f} MB.")


MEDIANS_S = (0.2, 0.2, 0.3, 1.0, 10.0)  # of cells of 10, 30, 100, 300 and 1,000 users
SPREAD = 0.3  # of their logarithms
WORKERS, NETWORKS = 1_000, 40_000
SLOW_SHARE, SLOWER = 0.01, 5.0
DRIVER_MS = (0.0, 1.0, 2.0, 5.0)


def thousand() -> None:
    """A simulation: 1,000 workers, one driver, and orders in which cells are handed out."""
    rng = np.random.default_rng(0)
    size = np.repeat(np.arange(len(MEDIANS_S)), NETWORKS // len(MEDIANS_S))
    seconds = np.array(MEDIANS_S)[size] * np.exp(SPREAD * rng.standard_normal(NETWORKS))
    orders = {
        "as numbered, smallest first": np.arange(NETWORKS),
        "at random": rng.permutation(NETWORKS),
        "fair": in_fair_order(size),
        "largest first": np.argsort(-size, kind="stable"),
    }
    even = np.ones(WORKERS)
    uneven = np.where(np.arange(WORKERS) < SLOW_SHARE * WORKERS, SLOWER, 1.0)
    bound = seconds.sum() / WORKERS
    print(f"{NETWORKS:,} cells of {seconds.mean():.2f} s on {WORKERS:,} workers: at least", end=" ")
    print(f"{bound:.0f} s. What it takes longer than that [%]:\n")
    print("| order | even workers | 1% five times slower |", end="")
    print("".join(f" driver {each:g} ms a cell |" for each in DRIVER_MS[1:]))
    print("| --- |" + " ---: |" * (1 + len(DRIVER_MS)))
    for name, order in orders.items():
        ends = [makespan(seconds[order], even, 0.0), makespan(seconds[order], uneven, 0.0)]
        ends += [makespan(seconds[order], even, each / 1e3) for each in DRIVER_MS[1:]]
        print(f"| {name} |" + "".join(f" {100 * (end / bound - 1):.1f} |" for end in ends))


def makespan(seconds: NDArray[np.float64], slower: NDArray[np.float64], driver_s: float) -> float:
    """When the last cell ends: whoever is free gets the next, from a driver that serves in turn."""
    free = [(0.0, worker) for worker in range(slower.size)]
    driver = end = 0.0
    for cell in seconds:
        at, worker = heapq.heappop(free)
        driver = max(driver, at) + driver_s
        done = driver + float(cell * slower[worker])
        end = max(end, done)
        heapq.heappush(free, (done, worker))
    return end


def timed(what: str, do: Callable[[], T]) -> T:
    began = time.perf_counter()
    result = do()
    print(f"| {what} | {time.perf_counter() - began:.2f} |", flush=True)
    return result


def fill(store: Store, plan: SweepPlan) -> None:
    rng = np.random.default_rng(0)
    figures = rng.uniform(1.0, 2.0, (plan.cells, len(FIGURES)))
    for number in range(plan.cells):
        values = dict(zip(FIGURES, map(float, figures[number]), strict=True))
        times = Times(
            cell=number, seconds=1.0, latency_p50_s=1e-5, latency_p99_s=1e-4, worker="here:1"
        )
        store.add(Row(cell=number, error="", figures=values), times)
    store.flush()


def opened(out: Path, plan: SweepPlan) -> Store:
    store = Store(out, plan, "")
    missing = wanted(plan, store.rows()) & ~store.done() & ~store.failed()
    assert not missing.any()
    return store


def main() -> None:
    every = {each.__name__: each for each in (efficiency, overhead, bookkeeping, thousand)}
    chosen = sys.argv[1:] or list(every)
    for name in chosen:
        if len(chosen) == 1:
            every[name]()
        else:  # each in a process of its own, so that memory is its own
            subprocess.run([sys.executable, __file__, name], check=True)


if __name__ == "__main__":
    main()
