"""Compile every kernel before it is needed, by using it on something small.

What is compiled depends on the types of arguments, so nothing is as sure as doing what users do:
emulators with every kind of fading live a few slots, environments are stepped, and controllers
decide, alone and in batches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from slotwise.controllers import make
from slotwise.emulator.clock import Emulator
from slotwise.emulator.drops import draw
from slotwise.emulator.scenario import load
from slotwise.envs import PowerControl, VectorPowerControl
from slotwise.envs.options import ActionLaw, Reward
from slotwise.runs.simulation import simulate

__all__ = ["steps"]

_COMBINED = ["layout.kind=disc", "layout.station_antennas=2"]
_LIVES = {
    "no fading": ["channel.fading=none"],
    "independent Rayleigh fading": [],
    "independent Rician fading": ["channel.rician_k_db=3"],
    "Gauss-Markov fading": ["channel.fading=gauss-markov", "channel.doppler_hz=10"],
    "sums of sinusoids": ["channel.fading=sinusoids", "channel.doppler_hz=10"],
    "combined antennas": [*_COMBINED, "channel.fading=gauss-markov"],
    "combined antennas, sums of sinusoids": [*_COMBINED, "channel.fading=sinusoids"],
    "decisions that take time": ["timing.mode=fixed", "timing.latency_s=1e-4"],
}
_SPECS = (
    "wmmse",
    "wmmse:precision=single",
    "wmmse:flip=true,starts=2",
    "wmmse:sparse=2",
    "greedy",
    "beam",
    "beam:sparse=2",
    "ascent",
    "optimum",
    "mlp:gaussian-ic-10",
    "graph",
    "rl:nasir-guo",
    "unrolled:flip=true,starts=2",
    "unrolled:sparse=2,polish=2",
    "unrolled-late",
    "fractional",
    "mlp-ee:wide-cell-8",
    "optimum:objective=energy-efficiency",
    "unrolled-ee",
)
_TRACKING_SPECS = ("unrolled-late:filter=kalman", "beam:csi=kalman-sampled,draws=2")
_TRACKED = ["channel.fading=gauss-markov", "channel.doppler_hz=10", "csi.reports=channel"]
# Batches of a few users go through lanes if there are enough problems to fill them, those of many
# users one after another, and those of many who share receivers by another way again.
_SAMPLES = 20
_FEW, _MANY = 4, 80


def steps() -> Iterator[tuple[str, Callable[[], None]]]:
    """What there is to compile.

    Yields
    ------
    label : str
        What is compiled.
    compile : callable
        Does it.
    """
    for label, changes in _LIVES.items():
        yield label, lambda changes=changes: _live(changes)  # type: ignore[misc]
    actions: tuple[ActionLaw, ...] = ("levels", "db")
    for action in actions:
        yield f"environments, {action}", lambda action=action: _act(action)  # type: ignore[misc]
    for spec in _SPECS:
        yield spec, lambda spec=spec: _decide(spec)  # type: ignore[misc]
    for spec in _TRACKING_SPECS:
        yield spec, lambda spec=spec: _track(spec)  # type: ignore[misc]


def _live(changes: list[str]) -> None:
    """Live three slots of one network and of two."""
    scenario = load("gaussian-ic", [f"population.initial_users={_FEW}", *changes])
    for networks in (1, 2):
        emulator = Emulator(scenario, networks=networks, slots=3)
        while (report := emulator.advance()) is not None:
            report.observation()
            powers = np.full(report.gain.shape[:2], report.p_max_w)
            emulator.grant(powers[0] if report.slot == 0 and networks == 1 else powers)


def _act(action: ActionLaw) -> None:
    """Step an environment of one network and of two, told in every form."""
    few = [f"population.initial_users={_FEW}"]
    rewards: tuple[Reward, ...] = ("sum-rate", "difference")
    for reward in rewards:
        many = VectorPowerControl(2, overrides=few, action=action, reward=reward)
        one = PowerControl(overrides=few, action=action, reward=reward, observation="local")
        many.reset(seed=0)
        one.reset(seed=0)
        many.step(many.action_space.sample())
        one.step(one.action_space.sample())


def _decide(spec: str) -> None:
    """Decide for one network and many, of few users and many, who share receivers or not."""
    controller = make(spec)
    emulator = Emulator(load("gaussian-ic", [f"population.initial_users={_FEW}"]), slots=1)
    report = emulator.advance()
    assert report is not None
    controller.decide(report.observation())
    for scenario, users in (("gaussian-ic", _FEW), ("gaussian-ic", _MANY), ("imac", _MANY)):
        if users == _MANY and spec.startswith(("mlp", "optimum")):
            continue
        drawn = draw(load(scenario), _SAMPLES, links=users)
        rows = drawn.noise_power, drawn.p_max, drawn.weight
        controller.allocate(drawn.gain, *rows)
        controller.allocate(drawn.gain[0], *rows)
        if spec == "wmmse:precision=single":
            controller.allocate(drawn.gain.astype(np.float32), *rows)


def _track(spec: str) -> None:
    """Decide on channels that are followed from report to report."""
    scenario = load("gaussian-ic", [f"population.initial_users={_FEW}", *_TRACKED])
    simulate(scenario, spec, slots=3)
