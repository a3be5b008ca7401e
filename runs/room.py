"""Whether a controller was made for the network that it is to run: its users, and its layout."""

from __future__ import annotations

from slotwise.controllers.base import Controller
from slotwise.controllers.cards import Card
from slotwise.emulator.scenario import InputError, Scenario, builtin, load

__all__ = ["check_room", "trained_elsewhere"]


def check_room(spec: str, controller: Controller, scenario: Scenario) -> None:
    """Refuse who was made for fewer users than are there from the beginning and never leave.

    Every single decision would fail. Where users leave, or more only arrive, some may not.

    Parameters
    ----------
    spec : str
        What the controller is called.
    controller : Controller
        Who is to decide.
    scenario : Scenario
        What is to be lived.

    Raises
    ------
    InputError
        Naming the controller, the field, its value and how many it takes.
    """
    card: Card | None = getattr(controller, "card", None)
    population = scenario.population
    if card is None or card.users is None or population.lifetime.kind != "forever":
        return
    if population.initial_users > card.users:
        raise InputError(
            f"controller {spec}: population.initial_users = {population.initial_users}, and nobody "
            f"leaves: it takes at most {card.users} users"
        )


def trained_elsewhere(controller: Controller, scenario: Scenario) -> str | None:
    """In which other layout of this built-in scenario a network was trained, in words.

    Parameters
    ----------
    controller : Controller
        Who is to decide.
    scenario : Scenario
        What is to be lived.

    Returns
    -------
    str or None
        None where it is the same, or another scenario altogether: whoever seats it there knows.
    """
    card: Card | None = getattr(controller, "card", None)
    if card is None or card.users is None or card.scenario != scenario.name:
        return None
    if card.scenario not in builtin():
        return None
    known = load(card.scenario, card.overrides).layout.model_dump()
    here = scenario.layout.model_dump()
    others = [
        f"layout.{name} = {value} (here {here.get(name, 'none')})"
        for name, value in known.items()
        if here.get(name) != value
    ]
    return f"was trained with {', '.join(others)}" if others else None
