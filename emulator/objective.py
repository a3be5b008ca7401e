"""What power control is for: bits, bits per joule, or either with a promise to every user.

A network's objective is one of three, over the rates r_k and powers p_k of its users, where each
consumes mu p_k + P_c, and on top of any of them every user may be promised a least rate:

    sum-rate                     sum_k a_k r_k                              [bit/s/Hz]
    energy-efficiency            sum_k a_k r_k / sum_k (mu p_k + P_c)       [bit/J/Hz]
    weighted-energy-efficiency   sum_k a_k r_k / (mu p_k + P_c)             [bit/J/Hz]

The second is the network's, bits per joule of everything that it consumes; the third adds up what
each user makes of its own joules (A. Zappone and E. Jorswieck, Found. Trends Commun. Inf. Theory
11(3-4), 2015, Section 2.2). Where a scenario caps the SINR, rates count up to the cap. Solvers
maximise it, losses differentiate it, reports compare by it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self, get_args

from slotwise.emulator.radio import (
    Values,
    consumed_power,
    energy_efficiency,
    from_db,
    own_energy_efficiency,
    rate,
)

if TYPE_CHECKING:
    from slotwise.emulator.scenario import Scenario

__all__ = ["SUM_RATE", "Aim", "Objective", "aim_of"]

Aim = Literal["sum-rate", "energy-efficiency", "weighted-energy-efficiency"]


class Objective(NamedTuple):
    """An objective and what it depends on.

    Attributes
    ----------
    aim : str
        ``sum-rate``, ``energy-efficiency`` or ``weighted-energy-efficiency``.
    amplifier_inefficiency : float
        Consumed per radiated power, at least 1 [1].
    circuit_power_w : float
        What a user consumes besides radiating [W].
    min_rate : float
        Rate that every user is promised [bit/s/Hz]; zero: none.
    sinr_cap : float or None
        Largest SINR that counts, linear; None: all of it does.
    """

    aim: Aim = "sum-rate"
    amplifier_inefficiency: float = 4.0
    circuit_power_w: float = 1.0
    min_rate: float = 0.0
    sinr_cap: float | None = None

    @classmethod
    def of(cls, scenario: Scenario) -> Self:
        """The objective of a scenario."""
        radio = scenario.radio
        return cls(
            scenario.objective,
            radio.amplifier_inefficiency,
            radio.circuit_power_w,
            radio.min_rate,
            None if radio.sinr_cap_db is None else float(from_db(radio.sinr_cap_db)),
        )

    @property
    def unit(self) -> str:
        """Of its value, per hertz of bandwidth."""
        return "bit/s/Hz" if self.aim == "sum-rate" else "bit/J/Hz"

    def value(
        self,
        gain: Values,
        power: Values,
        noise_power: Values | float,
        weight: Values | None = None,
        sinr_cap: float | None = None,
        present: Any = True,
    ) -> Values:
        """What powers are worth. A promised rate is not part of it.

        Parameters
        ----------
        gain : [..., K, K], float
            Linear power gain, rows are receivers; NumPy or torch.
        power : [..., K], float
            Powers [W].
        noise_power : scalar or [..., K], float
            Noise power at each receiver, positive [W].
        weight : [..., K], float, optional
            Weights of the rates; left out: one.
        sinr_cap : float, optional
            Largest SINR that counts, linear; left out: the objective's own.
        present : [..., K], bool
            Who is there and consumes circuit power; left out: everyone. Who is not must be silent.

        Returns
        -------
        [...], float
            Value [bit/s/Hz] or [bit/J/Hz], see `unit`; zero where nothing is consumed.
        """
        cap = self.sinr_cap if sinr_cap is None else sinr_cap
        rates = rate(gain, power, noise_power, cap)
        weighted: Any = rates if weight is None else weight * rates
        radio = self.amplifier_inefficiency, self.circuit_power_w
        if self.aim == "weighted-energy-efficiency":
            own: Values = own_energy_efficiency(weighted, power, *radio).sum(-1)
            return own
        total: Values = weighted.sum(-1)
        if self.aim == "energy-efficiency":
            return energy_efficiency(total, consumed_power(power, present, *radio))
        return total


SUM_RATE = Objective()
"""Throughput, with nothing promised."""


def aim_of(name: str) -> Aim:
    """Check the name of an objective.

    Raises
    ------
    ValueError
        If there is none of this name.
    """
    for known in get_args(Aim):
        if name == known:
            return known  # type: ignore[no-any-return]
    raise ValueError(f"objective = {name}: must be one of {', '.join(get_args(Aim))}")
