"""The sections of a scenario: one frozen model for each thing a network is made of.

Every field carries its unit in its name or its description and a range that pydantic enforces.
The scenario reference in ``docs/scenarios.md`` is generated from these models, so what a field
means is said here and nowhere else.
"""

from __future__ import annotations

from slotwise.emulator.sections.base import (
    Section,
)
from slotwise.emulator.sections.channel import (
    P1411,
    BoundedLaw,
    Channel,
    LogDistance,
    Macro,
    PathLoss,
    PowerLaw,
    Uma,
    Umi,
    UnitLoss,
)
from slotwise.emulator.sections.episode import (
    Episode,
)
from slotwise.emulator.sections.layout import (
    Cells,
    Disc,
    Grid,
    Hexagons,
    Layout,
    Links,
    Pairs,
    PoissonPoints,
    Sites,
)
from slotwise.emulator.sections.radio import (
    Csi,
    Radio,
    Timing,
)
from slotwise.emulator.sections.users import (
    Lifetime,
    Mobility,
    Population,
    Profile,
    SpeedGroup,
    Visit,
)

__all__ = [
    "P1411",
    "BoundedLaw",
    "Cells",
    "Channel",
    "Csi",
    "Disc",
    "Episode",
    "Grid",
    "Hexagons",
    "Layout",
    "Lifetime",
    "Links",
    "LogDistance",
    "Macro",
    "Mobility",
    "Pairs",
    "PathLoss",
    "PoissonPoints",
    "Population",
    "PowerLaw",
    "Profile",
    "Radio",
    "Section",
    "Sites",
    "SpeedGroup",
    "Timing",
    "Uma",
    "Umi",
    "UnitLoss",
    "Visit",
]
