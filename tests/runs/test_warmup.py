"""The warm-up: after it, nothing that people do waits for the compiler."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numba.core.dispatcher import Dispatcher

from slotwise.controllers.wmmse import wmmse
from slotwise.emulator.scenario import load
from slotwise.runs import simulate
from slotwise.runs.warmup import steps

Slotwise = Callable[..., tuple[int, str, str]]


def compiled() -> dict[str, int]:
    """Kernels of this process, and for how many types of arguments each is compiled."""
    kernels = (item for item in gc.get_objects() if issubclass(type(item), Dispatcher))
    return {
        f"{item.py_func.__module__}.{item.py_func.__name__}": len(item.signatures)
        for item in kernels
    }


def test_nothing_is_compiled_after_the_warm_up(slotwise: Slotwise) -> None:
    for _, compile_ in steps():
        compile_()
    before = compiled()
    assert before
    for spec in ("wmmse", "wmmse:warm_start=true", "wmmse:starts=2,flip=true", "greedy", "beam"):
        simulate(load("gaussian-ic"), spec, slots=3)
    simulate(load("urban"), "beam:sparse=4", slots=3)
    for fading in ("gauss-markov", "sinusoids"):
        simulate(load("wide-cell", [f"channel.fading={fading}"]), "wmmse", slots=3)
    rng = np.random.default_rng(1)
    for users in (10, 50):
        gain = rng.exponential(size=(40, users, users))
        wmmse(gain, 1.0, 1.0)
        wmmse(gain.astype(np.float32), 1.0, 1.0, dtype=np.float32)
    for scenario, links in (("gaussian-ic", "10"), ("imac", "80")):
        words = ["--scenario", scenario, "--links", links, "--samples", "20"]
        chosen = ["-c", "wmmse", "-c", "ascent", "-c", "wmmse:sparse=8"]
        assert slotwise("evaluate", *words, *chosen, "--latency-samples", "3")[0] == 0
    after = compiled()
    assert {name: count for name, count in after.items() if before.get(name) != count} == {}


def test_the_command_says_where_code_is_kept(slotwise: Slotwise) -> None:
    code, out, err = slotwise("warmup", "--json")
    assert (code, err) == (0, "")
    told = json.loads(out)
    assert told["seconds"] > 0
    assert Path(told["directory"]).is_dir()
