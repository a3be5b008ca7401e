"""Sections of the channel: propagation and fading."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from slotwise.emulator.sections.base import Section

__all__ = [
    "P1411",
    "BoundedLaw",
    "Channel",
    "LogDistance",
    "Macro",
    "PathLoss",
    "PowerLaw",
    "Uma",
    "Umi",
    "UnitLoss",
]


class UnitLoss(Section):
    """No loss: every mean gain is one, whatever the distance."""

    kind: Literal["unit"] = "unit"


class PowerLaw(Section):
    """Gain (reference_m / d)^exponent, as in the IMAC of Sun et al. (2018)."""

    kind: Literal["power-law"] = "power-law"
    reference_m: float = Field(200.0, gt=0, le=1e5, description="distance of unit gain [m]")
    exponent: float = Field(3.0, ge=1, le=8, description="path-loss exponent [1]")


class BoundedLaw(Section):
    """Gain gain_db in dB times 1 / (1 + (d / reference_m)^exponent), bounded at zero distance."""

    kind: Literal["bounded"] = "bounded"
    gain_db: float = Field(0.0, ge=-200, le=100, description="gain at zero distance [dB]")
    reference_m: float = Field(
        1.0, gt=0, le=1e5, description="distance of half the gain at zero distance [m]"
    )
    exponent: float = Field(2.0, ge=1, le=8, description="path-loss exponent [1]")


class LogDistance(Section):
    """Loss L0 + 10 n log10(d / d0) in dB."""

    kind: Literal["log-distance"] = "log-distance"
    reference_loss_db: float = Field(
        40.0, ge=-50, le=250, description="loss at the reference distance [dB]"
    )
    reference_m: float = Field(1.0, gt=0, le=1e5, description="reference distance [m]")
    exponent: float = Field(3.5, ge=1, le=8, description="path-loss exponent [1]")


class Macro(Section):
    """Loss 128.1 + 37.6 log10(d_km) in dB, the 2 GHz macro cell of 3GPP TR 36.942."""

    kind: Literal["macro"] = "macro"


class Umi(Section):
    """3GPP TR 38.901 UMi street canyon: line of sight by chance, two path losses, shadowing."""

    kind: Literal["umi"] = "umi"
    station_height_m: float = Field(10.0, gt=1, le=25, description="station antenna height [m]")
    user_height_m: float = Field(1.5, ge=1.5, le=22.5, description="user antenna height [m]")


class Uma(Section):
    """3GPP TR 38.901 UMa: line of sight by chance, two path losses, shadowing."""

    kind: Literal["uma"] = "uma"
    station_height_m: float = Field(25.0, gt=1, le=50, description="station antenna height [m]")
    user_height_m: float = Field(1.5, ge=1.5, le=22.5, description="user antenna height [m]")


class P1411(Section):
    """ITU-R P.1411 line-of-sight street canyon, median of the two-slope bounds."""

    kind: Literal["p1411"] = "p1411"
    transmitter_height_m: float = Field(1.5, gt=0, le=50, description="antenna height [m]")
    receiver_height_m: float = Field(1.5, gt=0, le=50, description="antenna height [m]")


PathLoss = Annotated[
    UnitLoss | PowerLaw | BoundedLaw | LogDistance | Macro | Umi | Uma | P1411,
    Field(discriminator="kind"),
]


class Channel(Section):
    """Propagation (what distance does) and fading (what time does)."""

    path_loss: PathLoss = UnitLoss()
    carrier_hz: float = Field(2.4e9, ge=5e8, le=1e11, description="carrier frequency [Hz]")
    antenna_gain_dbi: float = Field(
        0.0, ge=-30, le=60, description="antenna gains of both ends together [dBi]"
    )
    min_distance_m: float = Field(
        0.0, ge=0, le=1e4, description="distances below this count as this [m]"
    )
    shadowing_db: float | None = Field(
        None,
        ge=0,
        le=30,
        description="standard deviation of log-normal shadowing [dB]; left out: that of TR 38.901 "
        "with umi and uma, none with the others",
    )
    shadowing_distance_m: float = Field(
        10.0,
        gt=0,
        le=1e4,
        description="shadowing decorrelates as exp(-moved distance / this) [m]",
    )
    fading: Literal["none", "iid", "gauss-markov", "sinusoids", "replay"] = Field(
        "iid",
        description="small-scale fading: none, independent every slot, first-order Gauss-Markov "
        "with rho = J0(2 pi f_d T), sum of sinusoids, or replay of measured gains",
    )
    rician_k_db: float | None = Field(
        None, ge=-30, le=40, description="Rice factor [dB]; left out: Rayleigh"
    )
    doppler_hz: float | None = Field(
        None,
        ge=0,
        le=1e4,
        description="maximum Doppler frequency [Hz]; left out: each user's speed times carrier / c",
    )
    sinusoids: int = Field(16, ge=4, le=256, description="paths of the sum of sinusoids [count]")
    replay_path: str | None = Field(
        None,
        description="measured gains for fading = replay: .npy of shape (slots, K, K) in linear "
        "power gain, rows are receivers, or .csv with columns time, rx, tx, dbm; played again from "
        "the beginning where they end",
    )
    replay_transmit_dbm: float = Field(
        20.0, ge=-50, le=80, description="power at which a measured level was sent [dBm]"
    )

    @model_validator(mode="after")
    def _replay(self) -> Channel:
        if self.fading == "replay" and self.replay_path is None:
            raise ValueError("fading = replay needs replay_path")
        return self
