"""Environments: the controller's seat of the emulator behind other libraries' interfaces.

None is written yet. The package exists so that the name is reserved and typed.
"""

from __future__ import annotations

__all__: list[str] = []
