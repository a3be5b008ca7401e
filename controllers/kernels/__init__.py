"""Compiled kernels of the controllers: solvers and searches.

They work in units of noise at full power (`slotwise.controllers.base.full_power_snr`) and know
nothing of observations or specs; the modules above them do. Each has a readable reference that its
tests hold it to.
"""

from __future__ import annotations

__all__: list[str] = []
