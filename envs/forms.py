"""Forms in which a network is told: whole, as a row of numbers, link by link, or as a graph.

All are made of the canonical observation. What a link sees of its neighbourhood is close to what
the agents of Nasir and Guo see ("Multi-Agent Deep Reinforcement Learning for Dynamic Power
Allocation in Wireless Networks", IEEE JSAC 37(10), 2019, section III): the link itself, those who
disturb it most, and those whom it disturbs most.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from slotwise.emulator.encoding import POWER_RANGE_DB, GainScale
from slotwise.envs.canonical import Canonical
from slotwise.envs.kernels.neighbourhood import look_around
from slotwise.envs.options import Options

__all__ = [
    "EDGE_FEATURES",
    "INTERFERER_FEATURES",
    "LINK_FEATURES",
    "NODE_FEATURES",
    "VICTIM_FEATURES",
    "Dictionary",
    "Feature",
    "Flat",
    "Graph",
    "Local",
    "ObservationForm",
    "form_of",
]

Codes = NDArray[np.float32]


class Feature(NamedTuple):
    """One number of a local observation, a node or an edge.

    Attributes
    ----------
    name : str
        Short name.
    low, high : float
        Bounds.
    meaning : str
        One sentence.
    """

    name: str
    low: float
    high: float
    meaning: str


_GAIN = Feature("gain", -1.0, 1.0, "gain of the own link; -1 is none")
_POWER = Feature("power", 0.0, 1.0, "power in force when the report is handed over; 0 is silent")
_RATE = Feature("rate", 0.0, 1.0, "mean rate since the last report, over the largest rate")
_WEIGHT = Feature("weight", 0.0, 1.0, "weight of the rate in the reward, over the largest weight")
_AGE = Feature("csi_age", 0.0, 1.0, "age of the report over 10 slots, at most 1")

LINK_FEATURES = (
    _GAIN,
    _POWER,
    _RATE,
    _WEIGHT,
    Feature("mask", 0.0, 1.0, "1 where the row holds a user"),
    _AGE,
    Feature(
        "heard",
        -1.0,
        1.0,
        "interference heard under the powers in force, all gains times powers, on the scale of "
        "gains; -1 is none",
    ),
)
"""What a local observation tells of the link itself."""

INTERFERER_FEATURES = (
    Feature("gain", -1.0, 1.0, "gain from the interferer's transmitter to the own receiver"),
    Feature("own_gain", -1.0, 1.0, "gain of the interferer's own link"),
    Feature("power", 0.0, 1.0, "its power in force"),
    Feature("rate", 0.0, 1.0, "its mean rate since the last report"),
    Feature("weight", 0.0, 1.0, "weight of its rate; 0 where there is no such interferer"),
)
"""What a local observation tells of each interferer, from the strongest down."""

VICTIM_FEATURES = (
    Feature("gain", -1.0, 1.0, "gain from the own transmitter to the victim's receiver"),
    Feature("own_gain", -1.0, 1.0, "gain of the victim's own link"),
    Feature("power", 0.0, 1.0, "its power in force"),
    Feature("rate", 0.0, 1.0, "its mean rate since the last report"),
    Feature("weight", 0.0, 1.0, "weight of its rate; 0 where there is no such victim"),
    Feature("heard", -1.0, 1.0, "interference that it hears, from everybody"),
)
"""What a local observation tells of each receiver that is disturbed, from the strongest down."""

NODE_FEATURES = (_GAIN, _POWER, _RATE, _WEIGHT, _AGE)
"""What a graph tells of each user."""

EDGE_FEATURES = (Feature("gain", -1.0, 1.0, "gain from the sender to the receiver"),)
"""What a graph tells of each pair of users."""


class ObservationForm(Protocol):
    """How observations look.

    Attributes
    ----------
    space : Space
        Of one network.
    """

    @property
    def space(self) -> spaces.Space[Any]:
        """Space of one network's observation."""

    def tell(self, told: Codes) -> Any:
        """The observation of one network [N], or of several [B, N], from what is told."""


class Dictionary:
    """The canonical observation."""

    def __init__(self, canonical: Canonical) -> None:
        self.space = canonical.space()
        self.tell = canonical.views


class Flat:
    """Everything but the users' ids in one row of numbers, in the order of the dictionary."""

    def __init__(self, canonical: Canonical) -> None:
        low = [
            np.full(int(np.prod(entry.shape)), entry.low, np.float32)
            for name, entry in canonical.entries.items()
            if name != "user_id"
        ]
        self._width = canonical.flat_width
        self.space = spaces.Box(np.concatenate(low), np.float32(1.0), dtype=np.float32)

    def tell(self, told: Codes) -> Codes:
        """See `ObservationForm.tell`."""
        return told[..., : self._width]


class Local:
    """A row for each user of what its own link sees: itself and its strongest neighbours.

    Neighbours are those who disturb it and those whom it disturbs, each from the strongest reported
    gain down, equal ones by row. Where there are fewer, and in rows of nobody, gains and
    interference are -1 and everything else is 0.

    Parameters
    ----------
    canonical : Canonical
        What is told.
    scale : GainScale
        Of its gains.
    neighbours : int
        In either direction, at least one.

    Attributes
    ----------
    features : tuple of Feature
        The F numbers of a row, named such as ``heard``, ``in_1_gain`` and ``out_5_heard``.
    space : Box
        Of M rows.
    row_space : Box
        Of one row, for an agent of its own.

    Raises
    ------
    ValueError
        If there is no neighbour.
    """

    def __init__(self, canonical: Canonical, scale: GainScale, neighbours: int) -> None:
        if type(neighbours) is not int or neighbours < 1:
            raise ValueError(f"neighbours = {neighbours!r}: must be an integer of at least 1")
        self._rows, self._neighbours, self._scale = canonical.rows, neighbours, scale
        around = (("in", INTERFERER_FEATURES), ("out", VICTIM_FEATURES))
        self.features = LINK_FEATURES + tuple(
            feature._replace(name=f"{side}_{n}_{feature.name}")
            for side, features in around
            for n in range(1, neighbours + 1)
            for feature in features
        )
        row = _box(self.features)
        self.row_space = row
        low, high = (np.tile(bound, (canonical.rows, 1)) for bound in (row.low, row.high))
        self.space = spaces.Box(low, high, dtype=np.float32)

    def tell(self, told: Codes) -> Codes:
        """See `ObservationForm.tell`: [M, F] or [B, M, F], a new array."""
        flat = np.ascontiguousarray(told.reshape(-1, told.shape[-1]))
        local = np.empty((len(flat), self._rows, len(self.features)), np.float32)
        low_db, high_db = self._scale.low_db, self._scale.high_db
        look_around(flat, low_db, high_db, POWER_RANGE_DB, self._neighbours, local)
        return local.reshape(*told.shape[:-1], *local.shape[1:])


class Graph:
    """Users who are present as nodes, and an edge from each transmitter to each other's receiver.

    Nodes are in the order of their rows; edges lead from the sender to the receiver that it
    disturbs, in ascending order of receivers, then of senders.
    """

    def __init__(self, canonical: Canonical) -> None:
        self.space = spaces.Graph(_box(NODE_FEATURES), _box(EDGE_FEATURES))
        self._views = canonical.views

    def tell(self, told: Codes) -> spaces.GraphInstance | tuple[spaces.GraphInstance, ...]:
        """See `ObservationForm.tell`: of several networks a tuple, one for each."""
        if told.ndim > 1:
            return tuple(self._graph(one) for one in told)
        return self._graph(told)

    def _graph(self, told: Codes) -> spaces.GraphInstance:
        entries = self._views(told)
        gain, row = entries["gain"], np.flatnonzero(entries["mask"] > 0.0)
        nodes = np.empty((row.size, len(NODE_FEATURES)), np.float32)
        nodes[:, 0] = gain[row, row]
        for place, name in enumerate(("power", "rate", "weight"), 1):
            nodes[:, place] = entries[name][row]
        nodes[:, 4] = entries["csi_age"][0]
        receiver, sender = np.nonzero(~np.eye(row.size, dtype=np.bool_))
        edges = gain[row[receiver], row[sender]][:, None]
        links = np.stack([sender, receiver], axis=1).astype(np.int32)
        return spaces.GraphInstance(nodes, edges, links)


def form_of(options: Options, canonical: Canonical) -> ObservationForm:
    """The form that an environment's options ask for."""
    match options.observation:
        case "flat":
            return Flat(canonical)
        case "local":
            return Local(canonical, options.scale, options.neighbours)
        case "graph":
            return Graph(canonical)
    return Dictionary(canonical)


def _box(features: tuple[Feature, ...]) -> spaces.Box:
    """Space of a row of features."""
    low = np.array([feature.low for feature in features], np.float32)
    high = np.array([feature.high for feature in features], np.float32)
    return spaces.Box(low, high, dtype=np.float32)
