"""Sections of the radio, of what the controller learns of the channel, and of time."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from slotwise.emulator.sections.base import Section

__all__ = ["Csi", "Radio", "Timing"]


class Radio(Section):
    """Power, noise and what they cost. ``p_max_dbm = 30`` is 1 W; ``noise_dbm = 30`` is 1 W."""

    bandwidth_hz: float = Field(1e7, gt=0, le=1e10, description="bandwidth [Hz]")
    p_max_dbm: float = Field(30.0, ge=-100, le=80, description="largest power of a user [dBm]")
    noise_dbm: float | None = Field(
        None,
        ge=-200,
        le=100,
        description="noise power [dBm]; left out: density, bandwidth and noise figure together",
    )
    noise_density_dbm_per_hz: float = Field(
        -174.0, ge=-200, le=0, description="thermal noise density [dBm/Hz]"
    )
    noise_figure_db: float = Field(0.0, ge=0, le=30, description="receiver noise figure [dB]")
    sinr_cap_db: float | None = Field(
        None, ge=-10, le=100, description="the rate counts SINR up to this [dB]; left out: no cap"
    )
    amplifier_inefficiency: float = Field(
        4.0, ge=1, le=100, description="consumed power per radiated power [1]"
    )
    circuit_power_w: float = Field(
        1.0, ge=0, le=1e4, description="power an active user consumes besides radiating [W]"
    )
    min_rate: float = Field(
        0.0, ge=0, le=100, description="rate that every user is promised [bit/s/Hz]; 0: none"
    )


class Csi(Section):
    """What the controller learns of the channel. Default: all gains, at once."""

    reports: Literal["gain", "channel"] = Field(
        "gain",
        description="what is reported of a link: its power gain, or the complex channel, whose "
        "squared magnitude is the gain (fading none, gauss-markov or sinusoids, not quantised)",
    )
    delay_s: float = Field(0.0, ge=0, le=10, description="from measurement to arrival [s]")
    period_s: float | None = Field(
        None,
        gt=0,
        le=60,
        description="time between measurements, a whole number of slots [s]; left out: one",
    )
    error_nmse_db: float | None = Field(
        None,
        ge=-100,
        le=20,
        description="estimation error power over mean channel power [dB]; left out: none",
    )
    quantisation_bits: int | None = Field(
        None, ge=1, le=16, description="bits for a gain in dB [count]; left out: not quantised"
    )
    quantisation_min_db: float = Field(
        -160.0, ge=-300, le=100, description="gain of the lowest level [dB]"
    )
    quantisation_max_db: float = Field(
        20.0, ge=-300, le=100, description="gain of the highest level [dB]"
    )

    @model_validator(mode="after")
    def _ordered(self) -> Csi:
        if self.quantisation_min_db >= self.quantisation_max_db:
            raise ValueError(
                f"quantisation_min_db = {self.quantisation_min_db} must be below "
                f"quantisation_max_db = {self.quantisation_max_db}"
            )
        if self.reports == "channel" and self.quantisation_bits is not None:
            raise ValueError(
                f"quantisation_bits = {self.quantisation_bits}: gains are quantised, not channels; "
                "leave it out where reports = channel"
            )
        return self


class Timing(Section):
    """Slots, and what a decision's duration does."""

    slot_s: float = Field(1e-3, ge=1e-6, le=10, description="slot duration [s]")
    mode: Literal["ideal", "fixed", "measured"] = Field(
        "ideal",
        description="a decision takes effect at once, after latency_s, or after the time that it "
        "took on this machine times slowdown",
    )
    latency_s: float = Field(0.0, ge=0, le=10, description="fixed: duration of a decision [s]")
    slowdown: float = Field(
        1.0,
        gt=0,
        le=1e6,
        description="measured: how much slower the target processor is than this machine [1]",
    )
    deadline_s: float | None = Field(
        None,
        gt=0,
        le=10,
        description="a decision must be in force so long after its report arrived [s]; left out: "
        "one slot",
    )
    fallback: Literal["hold", "max", "silent"] = Field(
        "hold",
        description="powers while a decision is overdue or when it failed: the last ones, full "
        "power, or none",
    )
    abandon_s: float = Field(
        1.0,
        gt=0,
        le=3600,
        description="measured: a decision that takes longer on this machine is abandoned [s]",
    )
    learning: Literal["background", "inline"] = Field(
        "background",
        description="where a controller that learns does so: on a second core, or on the one that "
        "decides, which is busy meanwhile",
    )
    learning_share: float = Field(
        1.0, gt=0, le=1, description="background: share of the second core that learns [1]"
    )
    learning_s: float = Field(
        0.0, ge=0, le=3600, description="fixed: duration of a lesson on one core [s]"
    )

    @property
    def deadline(self) -> float:
        """Deadline in seconds after a report's arrival, stated or one slot."""
        return self.slot_s if self.deadline_s is None else self.deadline_s
