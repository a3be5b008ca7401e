"""Orders: what policy to train, and how, in the words of a command line."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from slotwise.emulator.scenario import InputError, Scenario, load, nearest

__all__ = ["Algorithm", "PolicyKind", "PolicyOrder"]

Algorithm = Literal["counterfactual", "ppo", "sac", "td3"]
PolicyKind = Literal["graph", "flat"]

_POLICIES: dict[str, tuple[PolicyKind, ...]] = {
    "counterfactual": ("graph",),
    "ppo": ("flat", "graph"),
    "sac": ("flat",),
    "td3": ("flat",),
}
_STEPS = {"counterfactual": 12_000, "ppo": 1_500_000, "sac": 100_000, "td3": 100_000}


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyOrder:
    """What to train; None: what suits the algorithm.

    Attributes
    ----------
    scenario : str
        Built-in name or path of a TOML file.
    overrides : tuple of str
        Fields of the scenario, ``section.field=value``.
    algorithm : str
        ``counterfactual``, or ``ppo``, ``sac`` or ``td3`` of Stable-Baselines3.
    policy : str, optional
        ``graph``, for any number of users, or ``flat``, for the rows it was trained with.
    steps : int, optional
        ``counterfactual``: batches; else slots of one network.
    networks : int, optional
        Side by side.
    levels : int
        Power levels, where powers are levels.
    seed : int
        Fixes first weights, lives and decisions.

    Raises
    ------
    InputError
        If the algorithm does not train such a policy, or a number is out of range.
    """

    scenario: str
    overrides: tuple[str, ...] = ()
    algorithm: Algorithm = "counterfactual"
    policy: PolicyKind | None = None
    steps: int | None = None
    networks: int | None = None
    levels: int = 10
    seed: int = 0

    def __post_init__(self) -> None:
        known = get_args(Algorithm)
        if self.algorithm not in known:
            hint = nearest(self.algorithm, known)
            allowed = ", ".join(known)
            raise InputError(f"algorithm = {self.algorithm}{hint}: must be one of {allowed}")
        able = _POLICIES[self.algorithm]
        if self.policy is not None and self.policy not in able:
            raise InputError(
                f"policy = {self.policy}: algorithm = {self.algorithm} trains {' or '.join(able)}"
            )
        for name, value, least in (
            ("steps", self.steps, 1),
            ("envs", self.networks, 1),
            ("levels", self.levels, 2),
        ):
            if value is not None and value < least:
                raise InputError(f"{name} = {value}: must be at least {least}")

    @property
    def kind(self) -> PolicyKind:
        """The policy that is trained."""
        return _POLICIES[self.algorithm][0] if self.policy is None else self.policy

    @property
    def length(self) -> int:
        """Steps of the training."""
        return _STEPS[self.algorithm] if self.steps is None else self.steps

    def network_lived(self) -> Scenario:
        """The scenario.

        Raises
        ------
        InputError
            If it is none.
        """
        return load(self.scenario, self.overrides)

    def command(self, out: Path) -> str:
        """The command line that trains this; of paths, only their last parts."""
        name = self.scenario
        words = ["slotwise", "train", "rl", "--scenario"]
        words.append(Path(name).name if name.endswith(".toml") else name)
        words += [word for each in self.overrides for word in ("--set", each)]
        words += ["--algorithm", self.algorithm, "--policy", self.kind]
        words += ["--steps", str(self.length)]
        words += [] if self.networks is None else ["--envs", str(self.networks)]
        words += [] if self.levels == 10 else ["--levels", str(self.levels)]
        words += ["--seed", str(self.seed)] if self.seed else []
        return shlex.join([*words, "--out", out.name])
