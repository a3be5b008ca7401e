"""Controllers: gains in, powers out.

`make` builds one from a spec such as ``wmmse:starts=10,flip=true``; `Controller` is what to derive
one's own from.
"""

from __future__ import annotations

from slotwise.controllers.base import Controller
from slotwise.controllers.registry import Description, available, canonical, make

__all__ = ["Controller", "Description", "available", "canonical", "make"]
