"""Who decides: what was learned takes the seat only after it has proved better, and may lose it.

Some observations are held back: nobody learns from them. On the newest of these, what was learned
is compared with what decides and with what was there at the beginning, and what decides is compared
with what decided before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slotwise.controllers.learned import Learned, Tensors
from slotwise.controllers.online.judging import Verdict, compare, rates
from slotwise.controllers.online.memory import Floats, Memory

__all__ = ["Deployment"]

_HELD = 200  # observations to judge on, the newest
_FEWEST_HELD = 8
_NEWEST = 20
_FIRST_LOOK = 16  # held back since a deployment, before it is looked back on; then twice as many
_SURE = 0.99  # confidence to roll back with: there are several looks


@dataclass(slots=True)
class _Counts:
    since: int = 0  # held back since the last deployment or change
    look: int = _FIRST_LOOK  # at how many of those it is looked back


class Deployment:
    """Networks of one architecture: the one that decides, and those it is compared with.

    Parameters
    ----------
    first : Learned
        What decides at the beginning.

    Attributes
    ----------
    first, deployed : Learned
        What decided at the beginning, and what decides now.
    """

    def __init__(self, first: Learned) -> None:
        self.first = self.deployed = first
        self._before: Learned | None = None
        self._held = Memory(_HELD, "recent")
        self._counts = _Counts()

    @property
    def judges(self) -> bool:
        """Whether enough observations have been held back."""
        return len(self._held) >= _FEWEST_HELD

    def hold_back(self, snr: Floats, mean: Floats, weight: Floats, mark: int = 0) -> None:
        """Keep an observation to judge on; arguments as of `Memory.add`."""
        self._counts.since += self._held.add(snr, mean, weight, mark=mark)

    def change(self) -> None:
        """The network has changed: judge on what comes from now on."""
        self._held.begin(0)
        self._counts = _Counts()

    def compare(self, candidate: Learned) -> tuple[Verdict, bool]:
        """Compare a candidate with what decides.

        Returns
        -------
        tuple of Verdict and bool
            By how much it is better, and whether it is better than both what decides and what
            decided at the beginning: the lower end of the paired interval is above zero, and on the
            newest twenty observations, which are most like what comes, it is no worse.
        """
        seen = self._held.samples()
        found, deployed = rates(candidate, seen), rates(self.deployed, seen)
        verdict = compare(found, deployed)
        better = verdict.low > 0.0 and compare(found, rates(self.first, seen)).low > 0.0
        return verdict, better and found[-_NEWEST:].sum() >= deployed[-_NEWEST:].sum()

    def look_back(self) -> tuple[Verdict, Learned] | None:
        """See whether what decided before, or at the beginning, would be better now.

        Nothing is looked at before 16, 32, 64 and 128 observations have been held back since the
        deployment.

        Returns
        -------
        tuple of Verdict and Learned, or None
            By how much which of them is better, with a confidence of 99 %.
        """
        since = min(self._counts.since, len(self._held))
        if since < self._counts.look or self._counts.look > _HELD:
            return None
        self._counts.look *= 2
        earlier = [self.first] if self._before is None else [self.first, self._before]
        seen = self._held.samples(newest=since)
        deployed = rates(self.deployed, seen)
        found = [
            (compare(rates(one, seen), deployed, _SURE), one)
            for one in earlier
            if one is not self.deployed
        ]
        better = [each for each in found if each[0].low > 0.0]
        return max(better, key=lambda each: each[0].low, default=None)

    def deploy(self, network: Learned) -> None:
        """Let a network decide; one that is gone back to has nothing before it."""
        back = network in (self.first, self._before)
        self._before = None if back else self.deployed
        self.deployed = network
        self._counts = _Counts()

    def state(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Everything that there is to save: arrays, and values for JSON."""
        held, values = self._held.state()
        networks = {"first": self.first, "deployed": self.deployed, "before": self._before}
        arrays = {f"held/{name}": array for name, array in held.items()}
        for role, network in networks.items():
            for name, tensor in network.tensors.items() if network else ():
                arrays[f"{role}/{name}"] = np.asarray(tensor)
        back = self.deployed is self.first
        return arrays, {"held": values, "counts": asdict(self._counts), "back": back}

    def restore(self, arrays: Mapping[str, NDArray[Any]], values: Mapping[str, Any]) -> None:
        """Become what `state` told of.

        Raises
        ------
        KeyError, TypeError, ValueError
            If that is nothing of the kind.
        """
        parts: dict[str, dict[str, NDArray[Any]]] = {"held": {}, "first": {}, "deployed": {}}
        for name, array in arrays.items():
            role, _, rest = name.partition("/")
            parts.setdefault(role, {})[rest] = array
        first = self.first.with_weights(_tensors(parts["first"]))
        self.first = first
        self.deployed = first if values["back"] else first.with_weights(_tensors(parts["deployed"]))
        before = parts.get("before")
        self._before = first.with_weights(_tensors(before)) if before else None
        self._held.restore(parts["held"], values["held"])
        self._counts = _Counts(**values["counts"])


def _tensors(arrays: Mapping[str, NDArray[Any]]) -> Tensors:
    return {name: array.astype(np.float32, copy=False) for name, array in arrays.items()}
