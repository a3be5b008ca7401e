"""What networks learn to raise, and refusals of scenarios that are for something else."""

from __future__ import annotations

from slotwise.emulator.scenario import InputError, Scenario

__all__ = ["efficiency_only", "promised_rate", "rates_only"]


def rates_only(scenario: Scenario | None, network: str) -> None:
    """Refuse a scenario for bits per joule, or promises, where a network learns the sum rate.

    Only ``mlp`` learns promises.

    Raises
    ------
    InputError
        Naming the field, its value, and what learns it.
    """
    if scenario is not None and scenario.objective != "sum-rate":
        raise InputError(
            f"objective = {scenario.objective}: the network {network} learns the sum rate; "
            "say objective=sum-rate, or train mlp-ee or unrolled-ee"
        )
    if scenario is not None and network != "mlp" and scenario.radio.min_rate > 0.0:
        raise InputError(
            f"radio.min_rate = {scenario.radio.min_rate}: the network {network} learns the sum "
            "rate and no promises; train mlp with objective unsupervised, or without a promise"
        )


def promised_rate(scenario: Scenario, objective: str) -> float:
    """Rate that ``mlp`` learns to keep [bit/s/Hz]; zero: none.

    Raises
    ------
    InputError
        If one is promised and only labels are learned.
    """
    least = scenario.radio.min_rate
    if least > 0.0 and objective == "supervised":
        raise InputError(
            f"radio.min_rate = {least}: the network mlp keeps promised rates only where objective "
            "is unsupervised or both"
        )
    return least


def efficiency_only(scenario: Scenario, network: str) -> None:
    """Refuse a scenario that says another aim, or promises a rate, to who learns bits per joule.

    A scenario that says nothing is learned from for bits per joule.

    Raises
    ------
    InputError
        Naming the field, its value, and what is learned.
    """
    learned = f"{network} learns the energy efficiency of the whole network"
    if "objective" in scenario.model_fields_set and scenario.objective != "energy-efficiency":
        raise InputError(
            f"objective = {scenario.objective}: {learned}; say objective=energy-efficiency"
        )
    if (least := scenario.radio.min_rate) > 0.0:
        raise InputError(
            f"radio.min_rate = {least}: {learned} and no promises, which it keeps when it decides; "
            "train it without"
        )
