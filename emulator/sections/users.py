"""Sections of the users: how they move, when they come and go."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from slotwise.emulator.sections.base import Section

__all__ = ["Lifetime", "Mobility", "Population", "Profile", "SpeedGroup", "Visit"]


class SpeedGroup(Section):
    """Users of one way of moving, such as pedestrians."""

    name: str = Field("users", min_length=1, description="what the group is called [text]")
    share: float = Field(1.0, gt=0, le=1e6, description="share of the users, relative [1]")
    speed_min_mps: float = Field(1.0, ge=0, le=200, description="lowest speed [m/s]")
    speed_max_mps: float = Field(1.0, ge=0, le=200, description="highest speed [m/s]")

    @model_validator(mode="after")
    def _ordered(self) -> SpeedGroup:
        if self.speed_min_mps > self.speed_max_mps:
            raise ValueError(
                f"speed_min_mps = {self.speed_min_mps} must not exceed speed_max_mps = "
                f"{self.speed_max_mps}"
            )
        return self


class Mobility(Section):
    """How users move. Positions and path losses are refreshed every ``update_s``."""

    kind: Literal["still", "waypoint", "direction"] = Field(
        "still",
        description="no movement, random waypoint, or random direction with reflection at the "
        "area's edge (with layout.wrap_around there is no edge, and no waypoint)",
    )
    groups: tuple[SpeedGroup, ...] = Field(
        (SpeedGroup(),), min_length=1, description="speed groups; a user's is drawn by share"
    )
    pause_s: float = Field(
        0.0, ge=0, le=3600, description="random waypoint: rest at each waypoint [s]"
    )
    leg_s: float = Field(
        10.0, ge=1e-3, le=3600, description="random direction: mean time between turns [s]"
    )
    update_s: float = Field(
        0.1,
        gt=0,
        le=3600,
        description="time between refreshes of positions and path losses, in whole slots [s]",
    )
    redrop_s: float | None = Field(
        None,
        gt=0,
        le=1e6,
        description="every user gets a new place, sight and shadowing this often, in whole slots "
        "[s]; left out: never",
    )


class Lifetime(Section):
    """How long a user stays."""

    kind: Literal["forever", "exponential", "log-normal", "fixed"] = Field(
        "forever", description="distribution of the time from join to leave"
    )
    mean_s: float = Field(10.0, gt=0, le=1e7, description="mean lifetime [s]")
    sigma: float = Field(
        1.0, gt=0, le=5, description="log-normal: standard deviation of the logarithm [1]"
    )


class Profile(Section):
    """Arrivals by hourly counts, such as those of street sensors."""

    path: str = Field(
        description="CSV with columns date and hour and one column of counts per site [1/h]; "
        "relative to the scenario's file, or package:NAME/inner/path"
    )
    date: str = Field(
        pattern=r"^\d{4}-\d{2}-\d{2}$",
        description="day whose counts are used, as the file labels it [YYYY-MM-DD]",
    )
    hours: tuple[Annotated[int, Field(ge=0, le=23)], ...] = Field(
        min_length=1, description="hours of that day, one after another [0..23]"
    )
    penetration: float = Field(
        0.1, gt=0, le=1, description="share of the counted people who become users [1]"
    )
    sample_s: float = Field(
        3600.0, gt=0, le=3600, description="network time lived from each hour [s]"
    )


class Visit(Section):
    """One user of an explicit trace."""

    join_s: float = Field(ge=0, le=1e9, description="when the user joins [s]")
    leave_s: float | None = Field(None, ge=0, le=1e9, description="when it leaves [s]; or never")

    @model_validator(mode="after")
    def _ordered(self) -> Visit:
        if self.leave_s is not None and self.leave_s <= self.join_s:
            raise ValueError(f"leave_s = {self.leave_s} must be after join_s = {self.join_s}")
        return self


class Population(Section):
    """Who is in the network, and when."""

    initial_users: int = Field(10, ge=0, le=1000, description="users at time zero [count]")
    max_users: int | None = Field(
        None,
        ge=1,
        le=1000,
        description="most users at once [count]; an arrival beyond it is blocked and counted; "
        "left out: initial_users where nobody arrives",
    )
    arrivals_per_s: float = Field(0.0, ge=0, le=1e5, description="Poisson arrivals [1/s]")
    lifetime: Lifetime = Lifetime()
    profile: Profile | None = Field(None, description="arrivals by hourly counts")
    trace: tuple[Visit, ...] = Field((), description="explicit joins and leaves")

    @model_validator(mode="after")
    def _capacity(self) -> Population:
        comes = self.arrivals_per_s > 0 or self.profile is not None or len(self.trace) > 0
        if self.max_users is None and comes:
            raise ValueError("max_users must be given where users arrive")
        if self.max_users is not None and self.max_users < self.initial_users:
            raise ValueError(
                f"max_users = {self.max_users} must be at least initial_users = "
                f"{self.initial_users}"
            )
        if self.max_users is None and self.initial_users == 0:
            raise ValueError("initial_users = 0 and nobody arrives: the network has no users")
        if self.arrivals_per_s > 0 and self.profile is not None:
            raise ValueError("give arrivals_per_s or profile, not both")
        return self

    @property
    def capacity(self) -> int:
        """Most users at once: the rows of every state array."""
        return self.initial_users if self.max_users is None else self.max_users
