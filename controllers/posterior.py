"""What late and wrong reports tell of the gains now: a known and an unknown part of every link.

Given the reports, a link's channel is complex Gaussian: its gain is |sqrt(A) + sqrt(V) e|^2 with
e ~ CN(0, 1), A the squared magnitude of the channel's conditional mean and V its variance. With one
report h^ of a Rayleigh link of mean gain m, estimated with an error of power nu m and so late that
correlation rho is left,

    A = (rho / (1 + nu))^2 |h^|^2,    V = (1 - rho^2 / (1 + nu)) m,

for which the report's phase is not needed. A Kalman filter of every link's channel does better on
noisy reports, and needs phases. Where the powers will be in force for longer than a slot, rho and
rho^2 are their means over that time, which keeps E|h|^2 = A + V exact.

A direct path of known amplitude d (in units of sqrt(m), phase zero) leaves scatter of power
s = 1 - d^2, of which all the same holds after d is taken off. Where gains alone are reported the
phase between both is not known; A is then its mean over the phase's law given the magnitude r,
which is von Mises with E cos = I1/I0(2 d r / (s + nu)). That keeps A + V exact as well.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.special import i0e, i1e

from slotwise.controllers.doppler import (
    DopplerEstimate,
    Fades,
    correlation,
    fades_of,
    in_force,
)
from slotwise.controllers.kernels.posterior import filter_links
from slotwise.controllers.kernels.sampled import same_antenna
from slotwise.emulator.scenario import InputError

if TYPE_CHECKING:
    from slotwise.emulator.observation import Observation
    from slotwise.emulator.scenario import Scenario

__all__ = ["Belief", "Csi", "Tracker", "choice_of", "from_gain", "tracker_of"]

Array = NDArray[np.float64]
Channels = NDArray[np.complex128]
Index = NDArray[np.int64]

FilterName = Literal["single", "kalman"]
DopplerName = Literal["known", "estimated"]
Csi = Literal["reported", "conditional-mean", "kalman"]

_INSTANT_S = 1e-9
_MOST_AGES = 64  # ages of reports whose correlations are kept: on the clock there are few


class Belief(NamedTuple):
    """What is known of gains: each is |sqrt(known) + sqrt(unknown) e|^2 with e ~ CN(0, 1).

    Links between the same antennas have the same e, all others are independent.

    Attributes
    ----------
    known, unknown : [..., K, K], float64
        Squared magnitude of the channel's conditional mean, and its variance [1].
    receiver, transmitter : [..., K], int64, or None
        For every user the first who is received, or sent to, by the same antenna; None: everybody
        has one of their own, or nobody asked.
    """

    known: Array
    unknown: Array
    receiver: Index | None = None
    transmitter: Index | None = None

    @property
    def expected(self) -> Array:
        """Conditional means of the gains, [..., K, K]."""
        return self.known + self.unknown


def from_gain(
    gain: Array, mean: Array, ahead: tuple[float, float], direct: float = 0.0, error: float = 0.0
) -> Belief:
    """What one report of gains tells.

    Parameters
    ----------
    gain, mean : [..., K, K], float
        Reported and mean power gain [1].
    ahead : tuple of float
        Correlation rho of the scatter between the report and the time that is meant, and rho^2;
        or the means of both.
    direct : float
        Amplitude of a direct path in units of the mean gain's root [1].
    error : float
        Power of the estimation error over the mean gain [1].
    """
    rho, square = ahead
    scatter = 1.0 - direct * direct
    trust = scatter / (scatter + error) if scatter > 0.0 else 0.0
    known = square * trust * trust * gain
    unknown = mean * (scatter * (1.0 - square * trust))
    if direct > 0.0:
        spread = scatter + error
        with np.errstate(divide="ignore", invalid="ignore"):
            size = np.sqrt(np.where(mean > 0.0, gain / mean, 0.0))
            pull = 2.0 * direct * size / spread if spread > 0.0 else np.full_like(size, np.inf)
            cosine = np.where(np.isfinite(pull), i1e(pull) / i0e(pull), 1.0)
        still = direct * direct * (1.0 - 2.0 * rho * trust + square * trust * trust)
        both = 2.0 * direct * (rho * trust - square * trust * trust)
        known = np.maximum(known + mean * (still + both * size * cosine), 0.0)
    return Belief(known, unknown)


class Tracker:
    """Follows the links of a living network from report to report.

    Users are known by their ids: a link is remembered while both of its users stay and keep their
    stations, whatever rows they are in, and begins anew from the law of fading else. A report is
    read with the mean gains and stations of its measurement, as far as they were known then, and
    carried over to those of now. Without a scenario, reports are taken for exact and of now.

    Parameters
    ----------
    filter : str
        ``single``: the newest report alone, gains or channels. ``kalman``: a filter of every link's
        complex channel as a first-order Gauss-Markov process with the fading's correlation between
        reports, which is what ``gauss-markov`` is and an approximation of ``sinusoids``.
    doppler : str
        ``known``: as the scenario states it, and estimated where it does not, see
        `slotwise.controllers.doppler.fades_of`. ``estimated``: always estimated.
    together : bool
        Whether a belief says who has an antenna together, which takes a comparison of gains.

    Raises
    ------
    ValueError
        If an option is none of these.
    """

    def __init__(
        self,
        filter: str = "single",  # noqa: A002 - the option's name
        doppler: str = "known",
        together: bool = False,
    ) -> None:
        self.filter: FilterName = choice_of("filter", filter, FilterName)
        self.doppler: DopplerName = choice_of("doppler", doppler, DopplerName)
        self.together = together
        self.reset(None)

    def reset(self, scenario: Scenario | None) -> None:
        """Forget everything; a scenario says how links fade and how they are reported.

        Raises
        ------
        InputError
            If a Kalman filter would get gains, or episodes fade otherwise while reports are late
            or wrong, see `slotwise.controllers.doppler.fades_of`.
        """
        self._fades: Fades | None = None
        self._estimate: DopplerEstimate | None = None
        self._ahead: dict[float, tuple[float, float]] = {}
        self._last: tuple[int, Index, Index, Channels, Array] | None = None
        self._readings: deque[Observation] = deque()
        if scenario is None:
            return
        if self.filter == "kalman" and scenario.csi.reports != "channel":
            raise InputError(f"csi.reports = {scenario.csi.reports}: a Kalman filter needs channel")
        self._fades = fades_of(scenario)
        if self._fades.turns is None or self.doppler == "estimated":
            self._estimate = DopplerEstimate(self._fades)

    @property
    def told(self) -> bool:
        """Whether there is a scenario: without one, reports are as good as the gains."""
        return self._fades is not None

    @property
    def turns(self) -> float | None:
        """Doppler frequency times slot that is reckoned with [1]; None if there is none yet."""
        if self._estimate is not None:
            return self._estimate.turns
        return None if self._fades is None else self._fades.turns

    def belief(self, observation: Observation) -> Belief:
        """What is known of the gains while the powers that are decided now will be in force."""
        belief = self._of_links(observation)
        if not self.together:
            return belief
        receiver, transmitter = np.empty((2, observation.user_id.size), np.int64)
        same_antenna(observation.gain, observation.serving, receiver, transmitter)
        return belief._replace(receiver=receiver, transmitter=transmitter)

    def _of_links(self, observation: Observation) -> Belief:
        """Known and unknown parts."""
        fades = self._fades
        if fades is None:
            return _certain(observation)
        seen = self._as_measured(observation)
        if self._estimate is None:
            assert fades.turns is not None
            turns, ahead = fades.turns, self._known_ahead(fades, fades.turns, observation)
        else:
            turns = self._estimate.take(seen)
            ahead = in_force(fades, turns, observation.time_s - observation.measured_s)
        if fades.exact and observation.time_s - observation.measured_s < _INSTANT_S:
            return _certain(observation)
        if seen.channel is None:
            belief = from_gain(seen.gain, seen.mean_gain, ahead, fades.direct, fades.error)
        else:
            belief = self._filtered(seen, seen.channel, turns, ahead)
        return belief if seen is observation else _carried(belief, seen, observation, fades)

    def expected(self, observation: Observation) -> Observation:
        """The observation with gains as they are expected to be."""
        return replace(observation, gain=self.belief(observation).expected)

    def _as_measured(self, now: Observation) -> Observation:
        """The observation with mean gains and stations as they were known at its measurement."""
        readings = self._readings
        readings.append(now)
        while len(readings) > 1 and readings[1].time_s <= now.measured_s + _INSTANT_S:
            readings.popleft()
        then = readings[0]
        if then.mean_gain is now.mean_gain and np.array_equal(then.serving, now.serving):
            return now
        mean, serving = now.mean_gain.copy(), now.serving.copy()
        nobody = np.zeros_like(then.user_id)
        place = _places(now.user_id, np.zeros_like(now.user_id), then.user_id, nobody)
        there = place >= 0
        mean[np.ix_(there, there)] = then.mean_gain[np.ix_(place[there], place[there])]
        serving[there] = then.serving[place[there]]
        return replace(now, mean_gain=mean, serving=serving)

    def _known_ahead(
        self, fades: Fades, turns: float, observation: Observation
    ) -> tuple[float, float]:
        """Correlations ahead, kept for the ages of reports that come again."""
        age_s = round(observation.time_s - observation.measured_s, 9)
        ahead = self._ahead.get(age_s)
        if ahead is None:
            if len(self._ahead) >= _MOST_AGES:
                self._ahead.clear()
            ahead = self._ahead[age_s] = in_force(fades, turns, age_s)
        return ahead

    def _filtered(
        self, seen: Observation, channel: Channels, turns: float, ahead: tuple[float, float]
    ) -> Belief:
        """Step of the filter; with one report alone, from the law of fading each time."""
        fades, users = self._fades, seen.user_id.size
        assert fades is not None
        last = self._last if self.filter == "kalman" else None
        place, keep = np.full(users, -1), 0.0
        if last is None:
            before, doubt = np.empty((0, 0), np.complex128), np.empty((0, 0))
        else:
            slot, user_id, serving, before, doubt = last
            keep = float(correlation(fades.kind, turns, seen.slot - slot))
            place = _places(seen.user_id, seen.serving, user_id, serving)
        state = np.empty((users, users), np.complex128)
        variance, known, unknown = np.empty((3, users, users))
        law = fades.direct, fades.scatter, fades.error
        report = np.ascontiguousarray(channel), seen.mean_gain.copy(), place, before, doubt
        filter_links(*report, keep, law, ahead, state, variance, known, unknown)
        if self.filter == "kalman":
            self._last = seen.slot, seen.user_id, seen.serving, state, variance
        return Belief(known, unknown)


def _certain(observation: Observation) -> Belief:
    """A report for the truth."""
    return Belief(observation.gain.copy(), np.zeros_like(observation.gain))


def _carried(belief: Belief, then: Observation, now: Observation, fades: Fades) -> Belief:
    """What was believed of links as they were, of links as they are: with other mean gains.

    Of links of users who have another station only the mean is known.
    """
    kept = then.serving == now.serving
    same = kept[:, None] & kept & (then.mean_gain > 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(same, now.mean_gain / then.mean_gain, 0.0)
    direct = fades.direct * fades.direct
    return Belief(
        np.where(same, belief.known * ratio, direct * now.mean_gain),
        np.where(same, belief.unknown * ratio, fades.scatter * now.mean_gain),
    )


def choice_of(option: str, given: str, allowed: Any) -> Any:
    """Check an option of a few words.

    Parameters
    ----------
    option, given : str
        Its name and value.
    allowed : Literal type
        The words.

    Raises
    ------
    ValueError
        If it is none of them.
    """
    if given not in get_args(allowed):
        raise ValueError(f"{option} = {given}: must be one of {', '.join(get_args(allowed))}")
    return given


def tracker_of(csi: str, doppler: str, allowed: Any = Csi) -> Tracker | None:
    """What a controller's options ``csi`` and ``doppler`` ask for; None for gains as reported.

    Parameters
    ----------
    csi : str
        ``reported``; ``conditional-mean`` or ``sampled`` of one report; ``kalman`` or
        ``kalman-sampled`` of a filter's.
    doppler : str
        As of `Tracker`.
    allowed : Literal type
        Words that ``csi`` may be.

    Raises
    ------
    ValueError
        If an option is none of its words, or says how to follow what is not followed.
    """
    choice_of("csi", csi, allowed)
    filtered = "kalman" if csi.startswith("kalman") else "single"
    tracker = Tracker(filtered, doppler, together=csi.endswith("sampled"))
    if csi != "reported":
        return tracker
    if doppler != "known":
        raise ValueError(f"doppler = {doppler}: must be known where csi = reported")
    return None


def _places(user_id: Index, serving: Index, before: Index, served: Index) -> Index:
    """Places of users among those before; -1 for who was not there, or at another station."""
    if np.array_equal(user_id, before):
        place = np.arange(user_id.size)
    else:
        order = np.argsort(before, kind="stable")
        near = np.minimum(np.searchsorted(before, user_id, sorter=order), max(before.size - 1, 0))
        place = order[near] if before.size else np.full(user_id.size, -1)
    if before.size == 0:
        return place
    there = (before[place] == user_id) & (served[place] == serving)
    return np.where(there, place, -1)
