"""Who is measured: learned controllers, and beside each of them the classical ones to beat."""

from __future__ import annotations

__all__ = ["CLASSICAL", "NINE", "OPTIMISER", "SEARCHES", "UNROLLED"]

SEARCHES = ("wmmse", "wmmse:starts=10", "wmmse:flip=true", "beam:width=4", "beam")
"""WMMSE from full power, which is the reference, and what a search is worth on top."""

CLASSICAL = (*SEARCHES, "greedy", "max", "random")
"""All that needs no training."""

NINE = "unrolled:flip=true,starts=9"
UNROLLED = ("unrolled-tiny", "unrolled", NINE)
OPTIMISER = ("graph", *UNROLLED)
"""Learned controllers that take any number of users: the plain graph network, the unrolled one."""
