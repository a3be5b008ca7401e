"""Compiled kernels of the emulator: what runs in every slot.

A kernel is a plain function on arrays that Numba compiles; it reads like the equation it computes.
Each has a readable reference in NumPy or SciPy that its tests hold it to.
"""

from __future__ import annotations

__all__: list[str] = []
