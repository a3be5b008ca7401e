"""Reinforcement learning: policies trained in the environments, and judged beside WMMSE."""

from __future__ import annotations

__all__: list[str] = []
