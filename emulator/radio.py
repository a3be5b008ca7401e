"""Radio arithmetic: from gains and powers to interference, SINR, rates and energy efficiency.

K links share one band. Transmitter j radiates ``power[j]``; the receiver of user k hears it with
the linear power gain ``gain[k, j]`` (rows are receivers), together with the noise
``noise_power[k]``. Everything the emulator records, every solver maximises and every loss
differentiates is computed here and nowhere else:

    interference_k = sum_{j != k} gain[k, j] power[j]
    SINR_k         = gain[k, k] power[k] / (interference_k + noise_k)
    rate_k         = log2(1 + SINR_k)                                   [bit/s/Hz]

Interference counts as Gaussian noise and nothing is decoded successively. The sum runs over the
off-diagonal elements: "everything received minus one's own signal" loses the interference to
rounding as soon as the own signal is sixteen decades, or in float32 seven, above it.

All functions take NumPy arrays or torch tensors with any leading batch axes and return the same
kind; with torch they are differentiable. torch itself is never imported here.
"""

from __future__ import annotations

import math
import sys
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "consumed_power",
    "energy_efficiency",
    "from_db",
    "from_dbm",
    "own_energy_efficiency",
    "rate",
    "received_interference",
    "sinr",
    "sum_rate",
    "to_db",
    "to_dbm",
]

Array = NDArray[np.float64]
Values = TypeVar("Values", Array, "Tensor")
Level = TypeVar("Level", float, Array, "Tensor")

_BITS_PER_NAT = 1.0 / math.log(2.0)
_DBM_OF_ONE_WATT = 30.0


def _torch(values: Any) -> Any:
    """The torch module if ``values`` is a tensor, else None: arrays and floats are NumPy's."""
    if isinstance(values, np.ndarray):
        return None
    torch = sys.modules.get("torch")
    return torch if torch is not None and isinstance(values, torch.Tensor) else None


@lru_cache(maxsize=64)
def _off_diagonal(links: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Ones with a zero diagonal. A product with it is the cheapest way to drop the own signal."""
    mask = np.ones((links, links), dtype)
    np.fill_diagonal(mask, 0)
    mask.flags.writeable = False
    return mask


def received_interference(gain: Values, power: Values) -> Values:
    r"""Power that each receiver gets from all transmitters but its own.

    .. math:: I_k = \sum_{j \ne k} g_{kj} p_j

    Parameters
    ----------
    gain : [..., K, K], float
        Linear power gain from transmitter j (column) to the receiver of user k (row) [1].
    power : [..., K], float
        Transmit power [W]. Batch axes broadcast against those of ``gain``.

    Returns
    -------
    [..., K], float
        Interference power [W].
    """
    links, hears = gain.shape[-1], power[..., None, :]
    torch = _torch(gain)
    if torch is None:
        # One order of summation whatever the memory layout: the last bit of a result must not
        # depend on whether a gain is a transposed view or part of a batch.
        others: Any = np.multiply(gain, _off_diagonal(links, gain.dtype), order="C")
        interference: Values = np.vecdot(others, hears)
    else:
        own = torch.eye(links, dtype=torch.bool, device=gain.device)
        others = torch.masked_fill(gain, own, 0.0)
        interference = (others * hears).sum(-1)
    return interference


def sinr(
    gain: Values, power: Values, noise_power: Values | float, cap: float | None = None
) -> Values:
    r"""Signal to interference-plus-noise ratio of each user.

    .. math:: \gamma_k = \frac{g_{kk} p_k}{\sum_{j \ne k} g_{kj} p_j + \sigma_k^2}

    Parameters
    ----------
    gain : [..., K, K], float
        Linear power gain, rows are receivers [1].
    power : [..., K], float
        Transmit power [W].
    noise_power : scalar or [..., K], float
        Noise power at each receiver, positive [W].
    cap : float, optional
        Largest SINR that counts, linear: the ceiling that the highest modulation and coding
        scheme, or hardware impairments, put on a real link.

    Returns
    -------
    [..., K], float
        Linear SINR [1].
    """
    ratio = gain.diagonal(0, -2, -1) * power / (received_interference(gain, power) + noise_power)
    if cap is None:
        return ratio
    torch = _torch(gain)
    capped: Any = np.minimum(ratio, cap) if torch is None else torch.clamp(ratio, max=cap)
    return cast("Values", capped)


def rate(
    gain: Values, power: Values, noise_power: Values | float, sinr_cap: float | None = None
) -> Values:
    r"""Spectral efficiency of each user, Shannon's formula with interference as noise.

    .. math:: r_k = \log_2(1 + \gamma_k)

    Parameters
    ----------
    gain, power, noise_power
        As in :func:`sinr`.
    sinr_cap : float, optional
        Largest SINR that counts, linear.

    Returns
    -------
    [..., K], float
        Rate [bit/s/Hz].
    """
    ratio = sinr(gain, power, noise_power, sinr_cap)
    # log1p, because 1 + SINR drops the digits of a weak link's SINR.
    torch = _torch(gain)
    nats: Any = np.log1p(ratio) if torch is None else torch.log1p(ratio)
    return cast("Values", nats * _BITS_PER_NAT)


def sum_rate(
    gain: Values,
    power: Values,
    noise_power: Values | float,
    weight: Values | None = None,
    sinr_cap: float | None = None,
) -> Values:
    r"""Weighted sum of the users' rates, what power control maximises.

    .. math:: R = \sum_k \alpha_k \log_2(1 + \gamma_k)

    Parameters
    ----------
    gain, power, noise_power
        As in :func:`sinr`.
    weight : [..., K], float, optional
        Priority of each user [1]; left out: 1.
    sinr_cap : float, optional
        Largest SINR that counts, linear.

    Returns
    -------
    [...], float
        Sum rate [bit/s/Hz]; zero where there are no users.
    """
    rates = rate(gain, power, noise_power, sinr_cap)
    total: Values = (rates if weight is None else weight * rates).sum(-1)
    return total


def consumed_power(
    power: Values, active: Any, amplifier_inefficiency: float, circuit_power_w: float
) -> Values:
    r"""Power that the network draws from its supplies.

    .. math:: P = \sum_{k\ \mathrm{active}} (\mu p_k + P_c)

    This is the usual linear model of energy-efficiency studies, as in A. Zappone and E. Jorswieck,
    "Energy efficiency in wireless networks via fractional programming theory", Found. Trends
    Commun. Inf. Theory 11(3-4), 2015.

    Parameters
    ----------
    power : [..., K], float
        Radiated power [W].
    active : [..., K], bool
        Which users are present: an absent user consumes nothing.
    amplifier_inefficiency : float
        Consumed per radiated power μ ≥ 1, the inverse of the amplifier's efficiency [1].
    circuit_power_w : float
        What an active user consumes besides radiating, silent or not [W].

    Returns
    -------
    [...], float
        Consumed power [W].
    """
    total: Values = ((amplifier_inefficiency * power + circuit_power_w) * active).sum(-1)
    return total


def energy_efficiency(throughput: Level, consumed_w: Level) -> Level:
    """Bits carried per joule consumed; zero where nothing is consumed.

    Parameters
    ----------
    throughput : [...], float
        Sum of the rates [bit/s], or of the spectral efficiencies [bit/s/Hz].
    consumed_w : [...], float
        Consumed power [W].

    Returns
    -------
    [...], float
        Energy efficiency [bit/J], or for each hertz [bit/J/Hz].
    """
    torch = _torch(consumed_w)
    where: Any = np.where if torch is None else torch.where
    # The inner choice keeps the division, and its gradient, finite where the outer discards it.
    safe_w = where(consumed_w > 0, consumed_w, 1.0)
    # The empty index makes a number of what np.where makes of two numbers.
    efficiency: Level = where(consumed_w > 0, throughput / safe_w, 0.0)[()]
    return efficiency


def own_energy_efficiency(
    rate: Values, power: Values, amplifier_inefficiency: float, circuit_power_w: float
) -> Values:
    r"""What each user makes of the joules that it consumes itself.

    .. math:: e_k = \frac{r_k}{\mu p_k + P_c}

    Their weighted sum is the other measure of energy efficiency in A. Zappone and E. Jorswieck,
    Found. Trends Commun. Inf. Theory 11(3-4), 2015, Section 2.2.

    Parameters
    ----------
    rate : [..., K], float
        Rate of each user [bit/s/Hz].
    power : [..., K], float
        Radiated power [W].
    amplifier_inefficiency, circuit_power_w : float
        As of :func:`consumed_power`.

    Returns
    -------
    [..., K], float
        Efficiency of each user [bit/J/Hz]; zero where it consumes nothing.
    """
    return energy_efficiency(rate, amplifier_inefficiency * power + circuit_power_w)


def from_db(level_db: Level) -> Level:
    """Linear ratio of a level in dB: 10 dB is 10, 0 dB is exactly 1.

    Parameters
    ----------
    level_db : float or [...], float
        Level [dB].

    Returns
    -------
    float or [...], float
        Ratio [1].
    """
    ratio: Level = 10.0 ** (level_db / 10.0)
    return ratio


def to_db(ratio: Level) -> Level:
    """Level in dB of a linear ratio; zero gives minus infinity.

    Parameters
    ----------
    ratio : float or [...], float
        Non-negative ratio [1].

    Returns
    -------
    float or [...], float
        Level [dB].
    """
    torch = _torch(ratio)
    decades: Any
    if torch is not None:
        decades = torch.log10(ratio)
    else:
        with np.errstate(divide="ignore"):
            decades = np.log10(ratio)
    level: Level = 10.0 * decades
    return level


def from_dbm(level_dbm: Level) -> Level:
    """Power of a level in dBm: 30 dBm is exactly 1 W.

    Parameters
    ----------
    level_dbm : float or [...], float
        Level [dBm].

    Returns
    -------
    float or [...], float
        Power [W].
    """
    return from_db(level_dbm - _DBM_OF_ONE_WATT)


def to_dbm(power_w: Level) -> Level:
    """Level in dBm of a power: 1 W is exactly 30 dBm.

    Parameters
    ----------
    power_w : float or [...], float
        Non-negative power [W].

    Returns
    -------
    float or [...], float
        Level [dBm].
    """
    return to_db(power_w) + _DBM_OF_ONE_WATT
