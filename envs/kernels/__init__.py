"""Compiled kernels of the environments: what a step tells and what it takes."""

from __future__ import annotations

__all__: list[str] = []
