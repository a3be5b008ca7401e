"""Gains of a Wi-Fi survey, saved for whoever evaluates on them.

The survey's own arithmetic is the emulator's (`slotwise.emulator.wifi`); here its gains become
a file, whole or not at all, and never in place of another.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal, TypedDict

import numpy as np

from slotwise.emulator.scenario import InputError
from slotwise.emulator.wifi import read_wifi_survey, wifi_links

__all__ = ["WifiGains", "save_wifi_gains"]


class WifiGains(TypedDict):
    """What was made of a survey."""

    gains: str
    samples: int
    links: int
    radios: int
    points: int
    direct_gain_db: float | None
    unheard_percent: float | None


def save_wifi_gains(
    folder: Path,
    out: Path,
    *,
    links: int,
    placements: int = 1,
    band: Literal["2.4", "5"] = "2.4",
    power: float = 20.0,
    seed: int = 0,
) -> WifiGains:
    """Save the gains of links placed at random in a survey.

    Parameters
    ----------
    folder : Path
        The survey, see `read_wifi_survey`.
    out : Path
        New ``.npy`` file of shape (placements * T, links, links), linear power gains, rows are
        receivers; T samples were taken at each point.
    links : int
        Users, each with a radio of its own.
    placements : int
        How often the users' points are chosen anew.
    band : {"2.4", "5"}
        Which radios take part [GHz].
    power : float
        Power at which the radios are supposed to have sent [dBm].
    seed : int
        Fixes the choices.

    Raises
    ------
    InputError
        If the survey is unusable, has too few points, or ``out`` exists or is no ``.npy``.
    """
    if out.suffix != ".npy":
        raise InputError(f"{out}: must end in .npy")
    if out.exists():
        raise InputError(f"{out} exists; choose another --out")
    survey = read_wifi_survey(folder)
    rng = np.random.default_rng(seed)
    choice: Literal["2.4 GHz", "5 GHz"] = "2.4 GHz" if band == "2.4" else "5 GHz"
    try:
        parts = [wifi_links(survey, links, power, rng, choice) for _ in range(placements)]
    except ValueError as error:
        raise InputError(f"{folder}: {error}") from None
    gain = np.concatenate(parts)
    _save(out, gain)
    own = np.eye(links, dtype=np.bool_)
    direct, cross = gain[:, own], gain[:, ~own]
    heard = direct[direct > 0]
    return WifiGains(
        gains=str(out),
        samples=len(gain),
        links=links,
        radios=len(survey.radio),
        points=len(np.unique(survey.position_m, axis=0)),
        direct_gain_db=float(10 * np.log10(np.median(heard))) if heard.size else None,
        unheard_percent=float(100 * np.mean(cross == 0)) if cross.size else None,
    )


def _save(path: Path, gain: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> None:
    """Write beside the place and rename into it, so that nobody sees half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial-{os.getpid()}")
    try:
        with partial.open("wb") as file:
            np.save(file, gain)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
