"""Learning in the seat: what is remembered, when something has changed, and who may decide.

The controller that puts these together is `slotwise.controllers.finetuned`.
"""

from __future__ import annotations

__all__: list[str] = []
