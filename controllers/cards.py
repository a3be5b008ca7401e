"""Weights files: the tensors of a trained network and a card that says where they come from.

A file is in the safetensors format: tensors, and in its header one JSON object, the card. Nothing
in it is ever executed, and reading one needs neither torch nor the code that trained it. Some
files come with the package; they are known by name, others by their path.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from slotwise.controllers.atomic import write_whole
from slotwise.emulator.scenario import InputError, nearest

__all__ = [
    "Card",
    "Network",
    "Result",
    "Trained",
    "architecture_of",
    "digest",
    "read",
    "shipped",
    "write",
]

Network = Literal["mlp", "mlp-ee", "graph", "unrolled", "unrolled-ee", "rl"]

_KEY, _DIGEST = "slotwise", "slotwise-digest"
_SUFFIX = ".safetensors"
_SHIPPED = Path(__file__).parent / "weights"
_LARGEST_HALF = float(np.finfo(np.float16).max)


class _Model(BaseModel):
    """Immutable, and strict about names, so that a misspelt field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Result(_Model):
    """How good a network was on draws that it had never seen.

    Attributes
    ----------
    scenario : str
        Name of a scenario.
    overrides : list of str
        Fields of it that were set, as ``section.field=value``.
    users : int
        Users in each draw.
    samples, seed : int
        Draws, and what fixes them.
    relative, relative_rounded : float
        Mean sum rate of the powers as they are, and rounded at half, relative to that of WMMSE
        from full power [%]. Of a network for bits per joule: mean energy efficiency, relative to
        that of `fractional`; its powers are not rounded.
    low, high : float
        Paired 95 % interval of `relative` [%].
    """

    scenario: str
    overrides: list[str] = []
    users: int = Field(ge=1)
    samples: int = Field(ge=1)
    seed: int = Field(ge=0)
    relative: float
    relative_rounded: float | None = None
    low: float
    high: float


class Card(_Model):
    """What a weights file says of itself.

    Attributes
    ----------
    format : int
        Version of the card.
    network : str
        Architecture: ``mlp``, ``mlp-ee``, ``graph``, ``unrolled``, ``unrolled-ee``, or ``rl``, a
        policy.
    name : str
        What these weights are called.
    sizes : dict
        What the architecture needs to be built again.
    scenario : str
        Scenario that it was trained on, or ``randomised``.
    overrides : list of str
        Fields of the scenario that were set, as ``section.field=value``.
    users : int or None
        Users that it was made for; None: any number.
    command : str
        What it was trained by.
    recipe : dict
        How: fields of a recipe, and of the task's options.
    seed : int
        Fixes first weights, samples and their order.
    steps, samples : int
        Steps made, and samples learned from, each counted once.
    seconds : float
        How long that took [s].
    date : str
        When it was done, ISO 8601.
    versions : dict of str to str
        Of what it was trained with.
    results : list of Result
        How good it is.
    """

    format: Literal[1] = 1
    network: Network
    name: str = Field(min_length=1)
    sizes: dict[str, bool | int | float | str]
    scenario: str
    overrides: list[str] = []
    users: int | None = Field(None, ge=1)
    command: str
    recipe: dict[str, Any]
    seed: int = Field(ge=0)
    steps: int = Field(ge=0)
    samples: int = Field(ge=0)
    seconds: float = Field(ge=0.0)
    date: str
    versions: dict[str, str]
    results: list[Result] = []


class Trained(NamedTuple):
    """A trained network.

    Attributes
    ----------
    card : Card
        Where it comes from.
    tensors : dict of str to ndarray
        Its weights by name, float32, finite.
    """

    card: Card
    tensors: dict[str, NDArray[np.float32]]


def read(weights: str | Path, network: str) -> Trained:
    """Read a weights file.

    Parameters
    ----------
    weights : str or Path
        Name of one that comes with the package, see `shipped`, or a path that ends in
        ``.safetensors``.
    network : str
        Architecture that it must be of.

    Returns
    -------
    Trained

    Raises
    ------
    InputError
        In one line: if there is no such file, it is damaged, has no card, or is of another network.
    """
    path = _place(str(weights), network)
    try:
        with safe_open(path, framework="numpy") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError:
        raise InputError(f"weights = {weights}: there is no such file") from None
    except (OSError, SafetensorError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: damaged or no weights file: {_one_line(error)}") from None
    card = _card(path, header)
    if header.get(_DIGEST) != digest(tensors):
        raise InputError(f"{path}: damaged: its tensors are not those that were written")
    if card.network != network:
        raise InputError(f"{path}: weights of the network {card.network}: must be of {network}")
    return Trained(card, {name: _single(path, name, t) for name, t in tensors.items()})


def write(
    path: Path, card: Card, tensors: Mapping[str, NDArray[Any]], *, half: bool = False
) -> None:
    """Write a weights file, whole or not at all.

    Parameters
    ----------
    path : Path
        Where; its folder is created. What was there is replaced.
    card : Card
        What it says of itself.
    tensors : mapping of str to ndarray
        Weights.
    half : bool
        Store them in half precision: half the size, and eleven bits of each number.

    Raises
    ------
    ValueError
        If the path does not end in ``.safetensors``, or a number is not finite or too large.
    OSError
        If it cannot be written.
    """
    if path.suffix != _SUFFIX:
        raise ValueError(f"path = {path}: must end in {_SUFFIX}")
    largest = _LARGEST_HALF if half else float(np.finfo(np.float32).max)
    kept = {}
    for name, tensor in tensors.items():
        if not (np.abs(tensor) <= largest).all():
            raise ValueError(f"tensor {name} has NaN or a number beyond ±{largest:.3g}")
        kept[name] = np.ascontiguousarray(tensor, np.float16 if half else np.float32)
    content = save(kept, metadata={_KEY: card.model_dump_json(), _DIGEST: digest(kept)})
    write_whole(path, content)


def shipped(network: str | None = None) -> dict[str, Path]:
    """Weights files that come with the package.

    Parameters
    ----------
    network : str, optional
        Those of one architecture only.

    Returns
    -------
    dict of str to Path
        By the name that `read` knows them by, sorted.
    """
    found = {}
    for path in _SHIPPED.glob(f"*{_SUFFIX}"):
        kind = architecture_of(path.stem)
        if network in (None, kind):
            # Perceptrons and policies are called after what they were trained on, the others after
            # themselves.
            after_itself = kind not in ("mlp", "mlp-ee", "rl")
            found[path.stem if after_itself else path.stem.removeprefix(f"{kind}-")] = path
    return dict(sorted(found.items()))


def architecture_of(name: str) -> str:
    """Architecture that a name of weights or of a network begins with, as ``mlp`` in ``mlp-mine``.

    Of several the longest; where it is none, what comes before the first hyphen.
    """
    known = [kind for kind in get_args(Network) if f"{name}-".startswith(f"{kind}-")]
    return max(known, key=len, default=name.partition("-")[0])


def digest(tensors: Mapping[str, NDArray[Any]]) -> str:
    """Sixty-four hexadecimal digits that change with any byte of any tensor."""
    whole = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name]
        whole.update(f"{name} {tensor.dtype} {tensor.shape}\n".encode())
        whole.update(np.ascontiguousarray(tensor).tobytes())
    return whole.hexdigest()


def _place(weights: str, network: str) -> Path:
    """Path of the weights that are meant."""
    if weights.endswith(_SUFFIX):
        return Path(weights)
    known = shipped(network)
    if weights in known:
        return known[weights]
    allowed = ", ".join([*known, f"a path that ends in {_SUFFIX}"])
    raise InputError(f"weights = {weights}{nearest(weights, list(known))}: must be {allowed}")


def _card(path: Path, header: Mapping[str, str]) -> Card:
    """The card in a file's header."""
    if _KEY not in header:
        raise InputError(f"{path}: no weights of slotwise: there is no card in its header")
    try:
        return Card.model_validate_json(header[_KEY])
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "card"
        raise InputError(f"{path}: damaged card: {field}: {_one_line(first['msg'])}") from None


def _single(path: Path, name: str, tensor: NDArray[Any]) -> NDArray[np.float32]:
    """A tensor in single precision, if that is what it is."""
    if tensor.dtype not in (np.float16, np.float32):
        raise InputError(f"{path}: tensor {name} is {tensor.dtype}: must be float16 or float32")
    if not np.isfinite(tensor).all():
        raise InputError(f"{path}: tensor {name} has numbers that are not finite")
    return tensor.astype(np.float32)


def _one_line(error: object) -> str:
    return " ".join(str(error).split())
