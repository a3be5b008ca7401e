"""Layouts: where stations stand, where users appear, how far apart they are, who serves whom.

A layout places its stations once (`place_stations`). A user is given a home (`homes` at time zero,
`draw_home` when it arrives), a place there (`drop_users`) and, in pairs, a receiver
(`drop_receivers`); the cell that it was dropped in (`cell_of`) or its strongest mean gain
(`associate`) then says which station serves it. Every function takes any leading axes, so that
ten thousand frozen networks are one call. Positions are in metres about the layout's centre; a
station or user that is absent is NaN.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from slotwise.emulator import hexagons
from slotwise.emulator.scenario import InputError
from slotwise.emulator.sections import Grid, Hexagons, Layout, Links, Pairs, PoissonPoints, Sites
from slotwise.emulator.sites import read_sites, resolve

__all__ = [
    "Places",
    "associate",
    "cell_of",
    "distance",
    "draw_home",
    "drop_receivers",
    "drop_users",
    "fold",
    "homes",
    "place_stations",
]

Array = NDArray[np.float64]
Index = NDArray[np.int64]

_MOST_STATIONS = 10_000


@dataclass(frozen=True, eq=False, slots=True)
class Places:
    """What a layout fixes before any user comes.

    Attributes
    ----------
    station : (..., S, 2) float64
        Where base stations stand [m], NaN where one is absent; whether users share a station's
        antenna does not matter here. Pairs and links: a row for each user row, all NaN; a pair's
        becomes its receiver when the pair joins.
    name : tuple of S str or None
        Names of the stations.
    area : (4,) float64
        xmin, ymin, xmax, ymax [m] in which users move; NaN for links.
    tiles : (T, 2) float64
        Translations of all stations that count as well [m], (0, 0) first: T = 1, or 7 with
        wrap-around.
    """

    station: Array
    name: tuple[str | None, ...]
    area: Array
    tiles: Array


def place_stations(
    layout: Layout,
    rng: np.random.Generator,
    users: int,
    base: Path | None = None,
    networks: int | None = None,
) -> Places:
    """Place the stations of a layout, of one network or of many at once.

    Parameters
    ----------
    layout : Layout
        Hexagons: see `hexagons.lattice`. Poisson points: as many as a Poisson variable of mean
        density times area says, at least one, in mean + 6 sqrt(mean) + 6 rows (a larger draw, of
        probability below 1e-8, is cut). Disc: at its centre. Grid: centred, row by row from the
        south-west. Sites: see `sites.read_sites`.
    rng : Generator
        Only Poisson points draw: the counts, then the coordinates of all rows.
    users : int
        User rows: S of pairs and links.
    base : Path, optional
        Folder that a relative path of sites starts from.
    networks : int, optional
        Gives `station` a leading axis of so many networks (a read-only view where all are alike).

    Raises
    ------
    InputError
        If the sites cannot be read or there would be more than 10,000 stations.
    """
    name: tuple[str | None, ...] | None = None
    tiles = np.zeros((1, 2))
    if isinstance(layout, Links):
        station, area = np.full((users, 2), np.nan), np.full(4, np.nan)
    elif isinstance(layout, Pairs):
        station, area = np.full((users, 2), np.nan), _square(layout.side_m)
    elif isinstance(layout, Hexagons):
        spacing = 2.0 * layout.half_distance_m
        station = hexagons.lattice(layout.cells, spacing)
        width = hexagons.CORNER if layout.cell_shape == "disc" else 1.0
        area = _around(station, layout.half_distance_m * np.array([width, hexagons.CORNER]))
        if layout.wrap_around:
            tiles = hexagons.cluster_tiles(layout.cells, spacing)
    elif isinstance(layout, PoissonPoints):
        station, area = _poisson(layout, rng, networks), _square(layout.side_m)
    elif layout.kind == "disc":
        station, area = np.zeros((1, 2)), _square(2.0 * layout.radius_m)
    elif isinstance(layout, Grid):
        line = (np.arange(layout.rows) - (layout.rows - 1) / 2.0) * layout.spacing_m
        station = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
        area = _square(layout.rows * layout.spacing_m)
    else:
        sites = read_sites(resolve(layout.path, base), layout.name_column, layout.limit)
        _allow(len(sites.name), f"layout.path = {layout.path}")
        station, name = sites.position_m, sites.name
        area = _around(station, layout.spread_m)
    if networks is not None:
        station = np.broadcast_to(station, (networks, *station.shape[-2:]))
    return Places(station, name or (None,) * station.shape[-2], area, tiles)


def homes(layout: Layout, places: Places, users: int) -> Index:
    """Stations at which the first users appear, balanced: user k of n at floor(k S / n).

    Hexagons, sites and grids whose users fall in cells have homes. In other layouts users appear
    anywhere: the home is 0, and `cell_of` says afterwards in which cell a user is.

    Parameters
    ----------
    users : int
        Number of users n.

    Returns
    -------
    (n,) int64
    """
    stations = places.station.shape[-2] if _has_homes(layout) else 1
    return np.arange(users, dtype=np.int64) * stations // max(users, 1)


def draw_home(
    layout: Layout, places: Places, rng: np.random.Generator, weight: ArrayLike | None = None
) -> int:
    """Station at which one more user appears, at random; 0 in layouts without homes.

    Parameters
    ----------
    rng : Generator
        One uniform draw, whatever the layout.
    weight : (S,) array, optional
        Relative frequency of each station; left out: all alike.

    Raises
    ------
    ValueError
        If `weight` is not S non-negative numbers with a positive sum.
    """
    draw = rng.random()
    if not _has_homes(layout):
        return 0
    stations = places.station.shape[-2]
    share = np.ones(stations) if weight is None else np.asarray(weight, dtype=np.float64)
    if share.shape != (stations,) or not np.all(share >= 0.0) or not 0.0 < np.sum(share) < np.inf:
        raise ValueError(f"weight = {weight!r}: must be {stations} numbers >= 0, not all zero")
    cumulative = np.cumsum(share)
    return int(np.searchsorted(cumulative, draw * cumulative[-1], side="right"))


def drop_users(
    layout: Layout, places: Places, home: NDArray[np.integer], rng: np.random.Generator
) -> Array:
    """Places of users that appear.

    Hexagons, ``cell_shape = "disc"``: at a uniform angle and at the distance
    ``r + (R_c - r) sqrt(u)``, u uniform in [0, 1], where r is ``inner_radius_m`` and
    ``R_c = 2 R / sqrt(3)`` the corner radius of a cell of half distance R (the published code of
    Sun et al., IEEE Trans. Signal Process. 66(20), 2018). ``"hexagon"``: uniform in the true cell
    outside r. Pairs (their transmitters), Poisson points and grid: uniform in the area, or in the
    home's cell of the grid. Disc: uniform outside r. Sites: uniform in a disc around the home.
    Links: NaN.

    Parameters
    ----------
    home : (..., n) int
        Station of each user, see `homes`. Its leading axes broadcast with those of `places`.

    Returns
    -------
    (..., n, 2) float64
        Positions [m].
    """
    lead = np.broadcast_shapes(places.station.shape[:-2], home.shape[:-1])
    shape = (*lead, home.shape[-1])
    if isinstance(layout, Links):
        return np.full((*shape, 2), np.nan)
    anywhere = not _has_homes(layout)
    if isinstance(layout, Pairs | PoissonPoints) or (isinstance(layout, Grid) and anywhere):
        return _in_box(places.area, rng.random((*shape, 2)))
    if isinstance(layout, Grid):
        offset = _in_box(_square(layout.spacing_m), rng.random((*shape, 2)))
    elif isinstance(layout, Sites):
        offset = _in_disc(0.0, layout.spread_m, rng.random((*shape, 2)))
    elif layout.kind == "disc":
        square = rng.uniform(layout.inner_radius_m**2, layout.radius_m**2, shape)
        offset = _polar(np.sqrt(square), rng.random(shape))
    elif layout.cell_shape == "disc":
        corner = hexagons.CORNER * layout.half_distance_m
        offset = _in_disc(layout.inner_radius_m, corner, rng.random((*shape, 2)))
    else:
        draw = rng.random((*shape, 3))
        offset = hexagons.uniform(layout.half_distance_m, layout.inner_radius_m, draw)
    station = np.broadcast_to(places.station, (*lead, *places.station.shape[-2:]))
    row = np.broadcast_to(home, shape)[..., None]
    return np.asarray(np.take_along_axis(station, row, axis=-2) + offset)


def drop_receivers(layout: Pairs, users: Array, rng: np.random.Generator) -> Array:
    """Receivers of transmitters.

    ``receiver = "ring"``: at a uniform distance in [link_min_m, link_max_m] and a uniform angle. A
    receiver that would fall outside the square is mirrored through its transmitter, coordinate
    by coordinate: the distance stays as drawn, and every receiver is in the square where
    link_max_m is at most half its side. ``"anywhere"``: uniform in the square.

    Parameters
    ----------
    users : (..., n, 2) float64
        Positions of the transmitters [m].

    Returns
    -------
    (..., n, 2) float64
        Positions of the receivers [m]; NaN where the transmitter is (ring).
    """
    draw = rng.random(users.shape)
    half = layout.side_m / 2.0
    if layout.receiver == "anywhere":
        return np.asarray(layout.side_m * draw - half)
    radius = layout.link_min_m + (layout.link_max_m - layout.link_min_m) * draw[..., 0]
    offset = _polar(radius, draw[..., 1])
    return np.asarray(users + np.where(np.abs(users + offset) > half, -offset, offset))


def cell_of(layout: Layout, places: Places, home: NDArray[np.integer], users: Array) -> Index:
    """Cell in which each user was dropped: what ``association = "home"`` means.

    Its home where users have one (see `homes`), otherwise the nearest station.

    Parameters
    ----------
    home : (..., n) int
        Homes of the users.
    users : (..., n, 2) float64
        Their positions [m].

    Returns
    -------
    (..., n) int64
        Index of the station.

    Raises
    ------
    ValueError
        For links and pairs, which have no cells.
    """
    if isinstance(layout, Links | Pairs):
        raise ValueError(f"layout.kind = {layout.kind} has no cells; it must have base stations")  # noqa: TRY004
    if _has_homes(layout):
        return np.array(home, dtype=np.int64)
    return associate(-distance(places.station, users, places.tiles))


def distance(station: Array, user: Array, tiles: Array) -> Array:
    """Distance of every user from every station, the least over all tiles.

    Parameters
    ----------
    station : (..., S, 2) float64
        Positions [m].
    user : (..., M, 2) float64
        Positions [m].
    tiles : (T, 2) float64
        Translations of the stations [m], from `Places`.

    Returns
    -------
    (..., S, M) float64
        Distances [m]; NaN where either end is.
    """
    x = user[..., None, :, 0] - station[..., :, None, 0]
    y = user[..., None, :, 1] - station[..., :, None, 1]
    square = (x - tiles[0, 0]) ** 2 + (y - tiles[0, 1]) ** 2
    for east, north in tiles[1:]:
        np.minimum(square, (x - east) ** 2 + (y - north) ** 2, out=square)
    return np.asarray(np.sqrt(square))


def fold(station: Array, user: Array, tiles: Array) -> Array:
    """Places in a wrapped cluster of users that have walked out of it, on the other side.

    Parameters
    ----------
    station : (..., S, 2) float64
        Positions [m].
    user : (..., M, 2) float64
        Positions [m], anywhere.
    tiles : (T, 2) float64
        Translations of the stations [m], from `Places`.

    Returns
    -------
    (..., M, 2) float64
        Positions [m], each a tile's translation away from where it was, such that the nearest of
        all stations and their images is a station itself.
    """
    image = station[..., None, :, :] + tiles[:, None, :]  # (..., T, S, 2)
    away = user[..., None, None, :, :] - image[..., :, :, None, :]
    square = np.min(np.sum(away * away, axis=-1), axis=-2)  # (..., T, M)
    return np.asarray(user - tiles[np.argmin(square, axis=-2)])


def associate(
    mean_gain: Array, current: NDArray[np.integer] | None = None, hysteresis_db: float = 0.0
) -> Index:
    """Station of each user: the strongest, unless the present one is nearly as strong.

    Parameters
    ----------
    mean_gain : (..., S, M) float64
        Linear gains without small-scale fading; NaN where a station is absent.
    current : (..., M) int, optional
        Present stations, negative where a user has none.
    hysteresis_db : float
        A user keeps its station unless another is stronger by more than this [dB].

    Returns
    -------
    (..., M) int64
        The first of equally strong stations; 0 for a user all of whose gains are NaN.
    """
    gain = np.where(np.isnan(mean_gain), -np.inf, mean_gain)
    best = np.argmax(gain, axis=-2)
    if current is None:
        return np.asarray(best, dtype=np.int64)
    row = np.maximum(current, 0)[..., None, :]
    held = np.take_along_axis(gain, row, axis=-2)[..., 0, :]
    top = np.max(gain, axis=-2)
    leave = (current < 0) | (top > held * 10.0 ** (hysteresis_db / 10.0))
    return np.where(leave, best, current).astype(np.int64)


def _has_homes(layout: Layout) -> bool:
    in_cells = isinstance(layout, Grid) and layout.users == "cells"
    return in_cells or isinstance(layout, Hexagons | Sites)


def _square(side_m: float) -> Array:
    return np.array([-0.5, -0.5, 0.5, 0.5]) * side_m


def _around(position: Array, margin: ArrayLike) -> Array:
    """Bounding box of positions with a margin."""
    return np.concatenate([np.min(position, axis=0) - margin, np.max(position, axis=0) + margin])


def _polar(radius: Array, turn: Array) -> Array:
    angle = 2.0 * np.pi * turn
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1)


def _in_box(area: Array, draw: Array) -> Array:
    return np.asarray(area[:2] + (area[2:] - area[:2]) * draw)


def _in_disc(inner_m: float, outer_m: float, draw: Array) -> Array:
    return _polar(inner_m + (outer_m - inner_m) * np.sqrt(draw[..., 0]), draw[..., 1])


def _allow(stations: float, cause: str) -> None:
    if stations > _MOST_STATIONS:
        raise InputError(f"{cause}: {stations:,.0f} stations; at most {_MOST_STATIONS:,} allowed")


def _poisson(layout: PoissonPoints, rng: np.random.Generator, networks: int | None) -> Array:
    mean = layout.density_per_km2 * (layout.side_m / 1000.0) ** 2
    capacity = math.ceil(mean + 6.0 * math.sqrt(mean) + 6.0)
    _allow(capacity, f"layout.density_per_km2 = {layout.density_per_km2:g}")
    lead = () if networks is None else (networks,)
    count = np.clip(rng.poisson(mean, size=lead), 1, capacity)
    position = layout.side_m * (rng.random((*lead, capacity, 2)) - 0.5)
    present = np.arange(capacity) < count[..., None]
    return np.where(present[..., None], position, np.nan)
