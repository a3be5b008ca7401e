"""Training of networks: what is learned, how, and how it goes on after a kill.

Everything here imports torch; controllers decide without it.
"""

from __future__ import annotations

__all__: list[str] = []
