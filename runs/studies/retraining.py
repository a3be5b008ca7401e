"""Networks that a study trains anew, each when somebody asks for it first.

What comes with the package was trained for hours. Here the same networks are trained as the scale
says, in minutes or on as many samples as the paper's, so that a table can be made from nothing.
"""

from __future__ import annotations

from pathlib import Path

from slotwise.runs.studies.setting import Scale
from slotwise.runs.training import Order, checkpoint_of, train

__all__ = ["Retrained", "order_of"]


def order_of(name: str, scale: Scale, seed: int) -> Order:
    """What to train for weights of this name, as `slotwise train` is told it.

    Parameters
    ----------
    name : str
        ``gaussian-ic-10``, ``gaussian-ic-10-rate``, ``imac-3x12``, ``graph``, ``unrolled`` and so
        on: the names of the weights that come with the package.
    scale : Scale
        Samples and steps.
    seed : int
        Of first weights and samples.
    """
    steps = scale.training_steps
    if name.startswith("gaussian-ic-"):
        users, _, recipe = name.removeprefix("gaussian-ic-").partition("-")
        return Order(
            network="mlp",
            scenario="gaussian-ic",
            links=int(users),
            objective="both" if recipe else "supervised",
            samples=scale.training_samples,
            steps=steps,
            seed=seed,
        )
    if name.startswith("imac-"):
        cells, _, users = name.removeprefix("imac-").partition("x")
        return Order(
            network="mlp",
            scenario="imac",
            overrides=(f"layout.cells={cells}",),
            links=int(users),
            objective="supervised",
            samples=scale.training_samples,
            steps=steps,
            seed=seed,
        )
    network, _, size = name.partition("-")
    return Order(
        network=network,
        size=(f"size={size}",) if size else (),
        steps=max(1, steps // _FEWER_STEPS),
        seed=seed,
    )


_FEWER_STEPS = 4
"""A step of a network for any number of users takes longer and is worth more."""


class Retrained:
    """Specs in which the weights of learned controllers are trained anew.

    Parameters
    ----------
    folder : Path
        Where weights are kept; those that are there are not trained again.
    scale : Scale
        Samples and steps.
    seed : int
        Of first weights and samples.
    """

    def __init__(self, folder: Path, scale: Scale, seed: int) -> None:
        self._folder, self._scale, self._seed = folder, scale, seed

    def __call__(self, label: str) -> str:
        """Spec of a label, after a training where it needs one."""
        name, _, text = label.partition(":")
        options = text.split(",") if text else []
        if name == "mlp":
            weights, *options = options
        elif name in ("graph", "unrolled", "unrolled-tiny"):
            weights = name
        else:
            return label
        return ",".join([f"{name.partition('-')[0]}:{self._trained(weights)}", *options])

    def _trained(self, weights: str) -> Path:
        path = self._folder / f"{weights}.safetensors"
        if not path.exists() or checkpoint_of(path).exists():
            train(
                order_of(weights, self._scale, self._seed),
                path,
                test_samples=self._scale.samples,
                progress=True,
            )
        return path
