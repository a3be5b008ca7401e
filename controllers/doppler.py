"""How fast links change: correlation over time, stated by a scenario or estimated from reports.

A late report is worth as much as the channel now resembles the channel then. How much that is
follows from the Doppler frequency and the lag: J0(2 pi f T)^n after n slots of Gauss-Markov fading,
J0(2 pi f n T) for sums of sinusoids (W. C. Jakes, "Microwave Mobile Communications", 1974). Where
no frequency is stated, it is estimated from how reports resemble those before.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import j0

from slotwise.emulator.radio import from_db
from slotwise.emulator.scenario import InputError

if TYPE_CHECKING:
    from slotwise.emulator.observation import Observation
    from slotwise.emulator.scenario import Scenario
    from slotwise.emulator.sections import Channel

__all__ = ["DopplerEstimate", "Fades", "correlation", "fades_of", "in_force", "turns_of"]

Array = NDArray[np.float64]
Index = NDArray[np.int64]

MEMORY = 1000
"""Reports after which older ones begin to be forgotten: the estimate follows a network that
changes, and a pool of a hundred links is by then known to a thousandth."""

_TURN = 2.0 * math.pi
_FIRST_TROUGH = 3.8317059702075125  # where J0 stops falling
_ARGUMENT = np.linspace(0.0, _FIRST_TROUGH, 4097)
_FALLING = j0(_ARGUMENT)[::-1]
_SAME_SLOT = 1e-6  # of a slot: what rounding of times may amount to


class Fades(NamedTuple):
    """What a scenario says of fading and of reports.

    Attributes
    ----------
    kind : str
        ``channel.fading``; ``replay`` counts as ``gauss-markov``.
    direct, scatter : float
        Amplitude of the direct path and power of the scatter, direct^2 + scatter = 1 [1].
    error : float
        Power of the estimation error over the mean gain [1].
    turns : float or None
        Doppler frequency times slot [1]; None where it is not stated.
    slot_s : float
        Slot duration [s].
    period : int
        Slots between measurements, at least one.
    latency_s : float
        From a decision to its powers, as far as the scenario fixes it [s].
    """

    kind: str
    direct: float
    scatter: float
    error: float
    turns: float | None
    slot_s: float
    period: int
    latency_s: float

    @property
    def exact(self) -> bool:
        """Whether gains that are reported without delay are those that powers will meet."""
        return self.error == 0.0 and self.period == 1 and self.latency_s == 0.0


def fades_of(scenario: Scenario) -> Fades:
    """What a scenario says of fading and of reports.

    A Doppler frequency counts as stated where ``channel.doppler_hz`` is, or nobody moves, and no
    episode has a channel of its own.

    Raises
    ------
    InputError
        If episodes differ in ``channel.fading`` or ``channel.rician_k_db``, of which reports say
        nothing, and reports are late, periodic or wrong.
    """
    csi, timing = scenario.csi, scenario.timing
    channel = _one_law(scenario)
    turns = None
    if channel.doppler_hz is not None:
        turns = channel.doppler_hz * timing.slot_s
    elif scenario.mobility.kind == "still":
        turns = 0.0
    if channel.fading == "replay" or any(one.channel is not None for one in scenario.episodes):
        turns = None
    direct = _direct(channel)
    return Fades(
        kind="gauss-markov" if channel.fading == "replay" else channel.fading,
        direct=direct,
        scatter=1.0 - direct * direct,
        error=0.0 if csi.error_nmse_db is None else float(from_db(csi.error_nmse_db)),
        turns=turns,
        slot_s=timing.slot_s,
        period=_period(scenario),
        latency_s=timing.latency_s if timing.mode == "fixed" else 0.0,
    )


def _direct(channel: Channel) -> float:
    """Amplitude of the direct path [1]."""
    if channel.fading in ("none", "replay") or channel.rician_k_db is None:
        return 1.0 if channel.fading == "none" else 0.0
    factor = from_db(channel.rician_k_db)
    return math.sqrt(factor / (factor + 1.0))


def _period(scenario: Scenario) -> int:
    """Slots between measurements, at least one."""
    slot_s = scenario.timing.slot_s
    return max(1, round((scenario.csi.period_s or slot_s) / slot_s))


def _one_law(scenario: Scenario) -> Channel:
    """The channel by whose law links fade, in all episodes if that matters."""
    if not scenario.episodes:
        return scenario.channel
    first, *others = ((one.name, one.channel or scenario.channel) for one in scenario.episodes)
    begun, channel = first
    reason = _in_doubt(scenario)
    if reason is None:
        return channel
    for name, other in others:
        field = "fading" if other.fading != channel.fading else "rician_k_db"
        if other.fading != channel.fading or _direct(other) != _direct(channel):
            given, same = (getattr(one, field) for one in (other, channel))
            raise InputError(
                f"episode {name}: channel.{field} = {'none' if given is None else given}: must be "
                f"{'none' if same is None else same}, as in episode {begun}, where {reason}; any "
                "where reports are at once and exact"
            )
    return channel


def _in_doubt(scenario: Scenario) -> str | None:
    """Which setting makes reports tell less than the gains; None: they are exact and of now."""
    csi, timing = scenario.csi, scenario.timing
    if csi.delay_s > 0.0:
        return f"csi.delay_s = {csi.delay_s}"
    if _period(scenario) > 1:
        return f"csi.period_s = {csi.period_s}"
    if csi.error_nmse_db is not None:
        return f"csi.error_nmse_db = {csi.error_nmse_db}"
    late = timing.mode == "fixed" and timing.latency_s > 0.0
    return f"timing.latency_s = {timing.latency_s}" if late else None


def correlation(kind: str, turns: float, slots: Any) -> Any:
    """Correlation of a link's scatter after so many slots.

    Parameters
    ----------
    kind : str
        ``none``, ``iid``, ``gauss-markov`` or ``sinusoids``.
    turns : float
        Doppler frequency times slot [1].
    slots : int or [...], int
        Lag, non-negative.

    Returns
    -------
    float or [...], float64
    """
    if kind == "none":
        return np.ones_like(slots, dtype=np.float64)[()]
    if kind == "iid":
        return np.equal(slots, 0).astype(np.float64)[()]
    if kind == "sinusoids":
        return j0(_TURN * turns * np.asarray(slots, np.float64))
    return j0(_TURN * turns) ** np.asarray(slots)


def turns_of(kind: str, value: float, slots: int) -> float:
    """Doppler frequency times slot at which the correlation after so many slots is this.

    The lowest such frequency: J0 falls until it is -0.40 and what is below counts as that. Over
    several slots a Gauss-Markov correlation counts as positive.

    Parameters
    ----------
    kind : str
        ``gauss-markov`` or ``sinusoids``.
    value : float
        Correlation; above one counts as one.
    slots : int
        Lag, at least one.
    """
    if kind != "sinusoids" and slots > 1:
        value, slots = max(value, 0.0) ** (1.0 / slots), 1
    return float(np.interp(value, _FALLING, _ARGUMENT[::-1])) / (_TURN * slots)


def in_force(fades: Fades, turns: float, age_s: float) -> tuple[float, float]:
    """Means of the correlation and of its square over the time that powers will be in force.

    Powers that are decided now are taken to come into force after `Fades.latency_s` and to stay
    for the time between two measurements: a report's period is when the next ones come.

    Parameters
    ----------
    fades : Fades
        Of the network.
    turns : float
        Doppler frequency times slot [1].
    age_s : float
        Time since the measurement [s].

    Returns
    -------
    tuple of float
        Mean of rho and mean of rho^2 [1].
    """
    begin = (age_s + fades.latency_s) / fades.slot_s + _SAME_SLOT
    first = max(0, math.floor(begin))
    rest = max(0.0, begin - first - 2.0 * _SAME_SLOT)
    if fades.period == 1 and rest == 0.0:
        mean = float(correlation(fades.kind, turns, first))
        return mean, mean * mean
    slots = first + np.arange(fades.period + (rest > 0.0))
    rho = np.asarray(correlation(fades.kind, turns, slots))
    if rest > 0.0:
        weight = np.ones(len(slots))
        weight[0], weight[-1] = 1.0 - rest, rest
        weight /= fades.period
        return float(weight @ rho), float(weight @ (rho * rho))
    return float(rho.mean()), float((rho * rho).mean())


class DopplerEstimate:
    """Doppler frequency from how successive reports resemble each other, all links together.

    Channels z = h / sqrt(m) + sqrt(nu) e, in units of their mean gain m, have
    E[z' z*] = d^2 + s rho with the direct path's power d^2 and the scatter's s, however large
    the estimation error nu is, because it is new in every report; and E|z|^2 - nu = d^2 + s. Their
    gains x have Cov(x', x) = s^2 rho^2 + 2 d^2 s rho and Var(x) - nu (2 + nu) = s^2 + 2 d^2 s. Both
    sums are pooled over links and reports, and rho is found from their ratio, in which what
    fluctuates in both cancels; it is consistent. Only reports one period apart count. Users with
    speeds of their own are given one frequency.

    Parameters
    ----------
    fades : Fades
        Of the network.
    """

    def __init__(self, fades: Fades) -> None:
        self._fades = fades
        self._product = self._power = 0.0
        self._last: tuple[int, Index, Index, NDArray[Any]] | None = None
        self.turns: float | None = None

    def take(self, observation: Observation) -> float:
        """Learn from a report.

        Returns
        -------
        float
            Doppler frequency times slot [1]; zero until there is a pair of reports.
        """
        last, slot = self._last, observation.slot
        if last is None or slot != last[0]:
            one = (slot, observation.user_id, observation.serving, _in_mean_gains(observation))
            if last is not None and slot - last[0] == self._fades.period:
                self._learn(last, one)
            self._last = one
        return self.turns or 0.0

    def _learn(self, last: tuple[Any, ...], now: tuple[Any, ...]) -> None:
        """Add what two reports have in common to the sums."""
        fades = self._fades
        new, old = now[3], last[3]
        if not (np.array_equal(now[1], last[1]) and np.array_equal(now[2], last[2])):
            both = np.intersect1d(now[1], last[1], assume_unique=True, return_indices=True)
            here, before = both[1:]
            stayed = now[2][here] == last[2][before]
            here, before = here[stayed], before[stayed]
            new, old = new[np.ix_(here, here)], old[np.ix_(before, before)]
        fine = np.isfinite(new) & np.isfinite(old)
        new, old = new[fine], old[fine]
        if new.size == 0:
            return
        direct, error = fades.direct**2, fades.error
        if np.iscomplexobj(new):
            product = np.vdot(old, new).real - new.size * direct
            power = 0.5 * (np.vdot(new, new).real + np.vdot(old, old).real)
            power -= new.size * (direct + error)
        else:
            new, old = new - (1.0 + error), old - (1.0 + error)
            product = float(old @ new)
            power = 0.5 * float(new @ new + old @ old) - new.size * error * (2.0 + error)
        keep = 1.0 - 1.0 / MEMORY
        self._product = keep * self._product + float(product)
        self._power = keep * self._power + float(power)
        if self._power > 0.0:
            rho = self._scatter_correlation(self._product / self._power, np.iscomplexobj(new))
            self.turns = turns_of(fades.kind, rho, fades.period)

    def _scatter_correlation(self, ratio: float, of_channels: bool) -> float:
        """Correlation rho from the ratio of both sums."""
        if of_channels:
            return min(ratio, 1.0)
        direct, scatter = self._fades.direct**2, self._fades.scatter
        common = min(max(ratio, 0.0), 1.0) * (scatter * scatter + 2.0 * direct * scatter)
        return (math.sqrt(direct * direct + common) - direct) / scatter if scatter else 1.0


def _in_mean_gains(observation: Observation) -> NDArray[Any]:
    """Channels, or else gains, in units of what they are in the mean; NaN for no link."""
    mean = observation.mean_gain
    with np.errstate(divide="ignore", invalid="ignore"):
        if observation.channel is not None:
            return observation.channel / np.sqrt(mean)
        ratio: Array = observation.gain / mean
        return ratio
