"""The report of a run or a comparison: one page for a person, made from recorded data alone."""

from __future__ import annotations

from slotwise.runs.report.page import write_report

__all__ = ["write_report"]
