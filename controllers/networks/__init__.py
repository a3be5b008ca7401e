"""Networks as torch modules, for training and for batches on whatever torch runs on.

Everything here imports torch; controllers decide without it.
"""

from __future__ import annotations

__all__: list[str] = []
