"""Orders: what to train, in the words of a command line.

An order is all that a training needs besides places on disk, so the command line that stands in
the card of a trained network is made of it.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slotwise.emulator.scenario import InputError, Scenario, load

if TYPE_CHECKING:
    from slotwise.controllers.training.subjects import Wish

__all__ = ["Order"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to train, as one says it on a command line; None: the network's own default.

    Attributes
    ----------
    network : str
        ``mlp``, ``graph`` or ``unrolled``.
    scenario : str, optional
        Built-in name or path of a TOML file.
    overrides : tuple of str
        Fields of the scenario, ``section.field=value``.
    size, recipe : tuple of str
        Sizes of the network, and fields of the recipe that no option names, ``name=value``.
    half : bool
        Store weights in half precision.
    trials : int
        First so many trials of batch size and learning rate.
    links, objective, pretrain, samples, steps, epochs, batch, learning_rate, patience, seed
        As in `slotwise.controllers.training.subjects.Wish`.
    """

    network: str
    scenario: str | None = None
    overrides: tuple[str, ...] = ()
    links: int | None = None
    objective: str | None = None
    pretrain: str | None = None
    samples: int | None = None
    steps: int | None = None
    epochs: float | None = None
    batch: int | None = None
    learning_rate: float | None = None
    patience: int | None = None
    recipe: tuple[str, ...] = ()
    size: tuple[str, ...] = ()
    seed: int = 0
    half: bool = False
    trials: int = 0

    def command(self, out: Path) -> str:
        """The command line that trains this; of paths, only their last parts."""
        words = ["slotwise", "train", self.network]
        defaults = {field.name: field.default for field in fields(self)}
        for name, value in asdict(self).items():
            if name != "network" and value != defaults[name]:
                option = "--set" if name == "overrides" else f"--{name.replace('_', '-')}"
                words += _spelled(option, value)
        return shlex.join([*words, "--out", out.name])

    def network_drawn(self) -> Scenario | None:
        """The scenario that is learned from; None: networks of every kind.

        Raises
        ------
        InputError
            If it is no scenario, or fields of none are set.
        """
        if self.scenario is not None:
            return load(self.scenario, self.overrides)
        if self.overrides:
            raise InputError(
                f"--set {self.overrides[0]}: only with a scenario; without one, the network "
                f"{self.network} learns from networks of every kind"
            )
        return None

    def wish(self, scenario: Scenario | None) -> Wish:
        """The order as the training modules take it.

        Raises
        ------
        InputError
            If a size or a field of the recipe is not written as ``name=value``.
        """
        from slotwise.controllers.training.subjects import Wish

        asked = {field.name for field in fields(Wish)}
        told: dict[str, Any] = {k: v for k, v in asdict(self).items() if k in asked}
        pairs = {name: _pairs(name, getattr(self, name)) for name in ("size", "recipe")}
        return Wish(**told | pairs | {"scenario": scenario})


def _spelled(option: str, value: Any) -> list[str]:
    """An option with its values as words."""
    if value is True:
        return [option]
    values = value if isinstance(value, tuple | list) else [value]
    if option == "--scenario":
        values = [Path(text).name if text.endswith(".toml") else text for text in values]
    return [word for each in values for word in (option, str(each))]


def _pairs(option: str, texts: Iterable[str]) -> dict[str, str]:
    read = {}
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not (name and equals and value):
            raise InputError(f"{option}: {text!r} must be name=value")
        read[name] = value
    return read
