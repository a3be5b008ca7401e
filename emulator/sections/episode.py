"""Section of an episode: a stretch of time in which the network is another one."""

from __future__ import annotations

from pydantic import Field

from slotwise.emulator.sections.base import Section
from slotwise.emulator.sections.channel import Channel
from slotwise.emulator.sections.layout import Layout

__all__ = ["Episode"]


class Episode(Section):
    """A stretch of time with a layout or a channel of its own."""

    name: str = Field(min_length=1, description="what the episode is called [text]")
    duration_s: float = Field(gt=0, le=1e7, description="how long it lasts [s]")
    layout: Layout | None = Field(None, description="layout from here on; left out: the scenario's")
    channel: Channel | None = Field(
        None, description="channel from here on; left out: the scenario's"
    )
