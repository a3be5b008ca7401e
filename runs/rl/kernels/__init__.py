"""Compiled kernels of reinforcement learning: what decisions would have been worth."""

from __future__ import annotations

__all__: list[str] = []
