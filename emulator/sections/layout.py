"""Sections of a layout: where stations stand and users appear."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from slotwise.emulator.sections.base import Section

__all__ = [
    "Cells",
    "Disc",
    "Grid",
    "Hexagons",
    "Layout",
    "Links",
    "Pairs",
    "PoissonPoints",
    "Sites",
]


class Links(Section):
    """Links without places: every mean gain is one, times shadowing and the antennas' gain."""

    kind: Literal["links"] = "links"


class Pairs(Section):
    """Transceiver pairs in a square: each user transmits to a receiver of its own."""

    kind: Literal["pairs"] = "pairs"
    side_m: float = Field(1000.0, gt=0, le=1e6, description="side of the square [m]")
    link_min_m: float = Field(2.0, ge=0, le=1e5, description="shortest direct link [m]")
    link_max_m: float = Field(65.0, gt=0, le=1e5, description="longest direct link [m]")
    receiver: Literal["ring", "anywhere"] = Field(
        "ring",
        description="receiver at a distance uniform in [link_min_m, link_max_m] from its "
        "transmitter, or uniform in the square",
    )
    direct_gain_db: float = Field(
        0.0,
        ge=0,
        le=60,
        description="antenna gain of a pair's own link alone, as if its ends point at each other "
        "[dB]",
    )

    @model_validator(mode="after")
    def _ordered(self) -> Pairs:
        if self.link_min_m > self.link_max_m:
            raise ValueError(
                f"link_min_m = {self.link_min_m} must not exceed link_max_m = {self.link_max_m}"
            )
        return self


class Cells(Section):
    """What layouts with base stations share."""

    direction: Literal["uplink", "downlink"] = Field(
        "uplink", description="who transmits: the users (uplink) or the stations (downlink)"
    )
    antennas: Literal["shared", "per-user"] = Field(
        "shared",
        description="whether the users of a station share its antenna, hence its fading, or each "
        "has an antenna of its own at the station",
    )
    station_antennas: int = Field(
        1,
        ge=1,
        le=1000,
        description="antennas of each station, which fade independently; their signals are "
        "combined for each user by maximum ratio (uplink, shared antennas) [count]",
    )
    association: Literal["strongest", "home"] = Field(
        "strongest",
        description="a user's station: the strongest mean gain, or the cell it was dropped in",
    )
    hysteresis_db: float = Field(
        3.0,
        ge=0,
        le=30,
        description="margin by which another station must win for a handover [dB]",
    )

    @model_validator(mode="after")
    def _combinable(self) -> Cells:
        if self.station_antennas > 1 and (self.direction, self.antennas) != ("uplink", "shared"):
            raise ValueError(
                f"station_antennas = {self.station_antennas} are combined in the uplink, for users "
                f"who share them: direction = {self.direction} and antennas = {self.antennas} must "
                "be uplink and shared"
            )
        return self


class Hexagons(Cells):
    """Hexagonal cells, filled in a spiral from the centre."""

    kind: Literal["hexagons"] = "hexagons"
    cells: int = Field(7, ge=1, le=1000, description="number of cells [count]")
    half_distance_m: float = Field(
        100.0, gt=0, le=1e5, description="half the distance between neighbouring stations [m]"
    )
    cell_shape: Literal["hexagon", "disc"] = Field(
        "hexagon",
        description="where a cell's users fall: uniform in the true hexagon, or in the disc of its "
        "corner radius with the radius drawn as r + (R_c - r) sqrt(u), as published IMAC code does",
    )
    inner_radius_m: float = Field(
        0.0, ge=0, le=1e5, description="no user is dropped closer to its station than this [m]"
    )
    wrap_around: bool = Field(
        False,
        description="repeat the cluster on all six sides; 1, 7, 19, 37 ... cells [true/false]",
    )

    @model_validator(mode="after")
    def _possible(self) -> Hexagons:
        if self.inner_radius_m >= self.half_distance_m:
            raise ValueError(
                f"inner_radius_m = {self.inner_radius_m} must be below half_distance_m = "
                f"{self.half_distance_m}"
            )
        full = {1 + 3 * ring * (ring + 1) for ring in range(19)}
        if self.wrap_around and self.cells not in full:
            raise ValueError(
                f"wrap_around needs complete rings: cells = {self.cells} is not one of 1, 7, 19, 37"
            )
        return self


class PoissonPoints(Cells):
    """Stations at the points of a Poisson process in a square, users uniform in it."""

    kind: Literal["poisson"] = "poisson"
    side_m: float = Field(1000.0, gt=0, le=1e6, description="side of the square [m]")
    density_per_km2: float = Field(10.0, gt=0, le=1e6, description="mean stations [1/km²]")


class Disc(Cells):
    """One station, users uniform in the disc around it; those who move do so in its square."""

    kind: Literal["disc"] = "disc"
    radius_m: float = Field(500.0, gt=0, le=1e5, description="radius of the disc [m]")
    inner_radius_m: float = Field(
        0.0, ge=0, le=1e5, description="no user is dropped closer to the station than this [m]"
    )

    @model_validator(mode="after")
    def _possible(self) -> Disc:
        if self.inner_radius_m >= self.radius_m:
            raise ValueError(
                f"inner_radius_m = {self.inner_radius_m} must be below radius_m = {self.radius_m}"
            )
        return self


class Grid(Cells):
    """Stations on a square grid, users in the square that it covers."""

    kind: Literal["grid"] = "grid"
    rows: int = Field(3, ge=1, le=100, description="stations along one side [count]")
    spacing_m: float = Field(200.0, gt=0, le=1e5, description="distance between neighbours [m]")
    users: Literal["anywhere", "cells"] = Field(
        "anywhere",
        description="users fall uniform in the square, or as many in each station's cell, uniform "
        "in it",
    )


class Sites(Cells):
    """Stations at real places, read from a CSV with latitude and longitude."""

    kind: Literal["sites"] = "sites"
    path: str = Field(
        description="CSV with latitude and longitude columns [deg, WGS84]; relative to the "
        "scenario's file, or package:NAME/inner/path for data inside an installed package"
    )
    name_column: str | None = Field(
        None,
        description="column that names the sites [text]; left out: name, address, site or site_id",
    )
    limit: int | None = Field(
        None, ge=1, le=10000, description="use the sites nearest to the centre, so many [count]"
    )
    spread_m: float = Field(
        50.0, gt=0, le=1e5, description="users appear uniformly within this distance of a site [m]"
    )


Layout = Annotated[
    Links | Pairs | Hexagons | PoissonPoints | Disc | Grid | Sites, Field(discriminator="kind")
]
