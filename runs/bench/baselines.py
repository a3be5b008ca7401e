"""What the core is measured against in Python: loops and NumPy as they are often written.

They stand here to be slow in the usual ways, and right: their answers are held to those of the
project by tests.
"""

from __future__ import annotations

import math
from collections.abc import Generator

import numpy as np
import simpy
from numpy.typing import NDArray

__all__ = ["NumpySeat", "NumpySlots", "wmmse_loop"]

Array = NDArray[np.float64]


def wmmse_loop(
    gain: Array, noise: float, p_max: float, tolerance: float = 1e-5, max_iterations: int = 500
) -> Array:
    """WMMSE as research code has it: loops over samples, iterations and users, sums by NumPy.

    The equations are those of Sun et al., IEEE Trans. Signal Process. 66(20), 2018, Fig. 2, line by
    line, with amplitudes v, receive filters u and error weights w.

    Parameters
    ----------
    gain : ndarray, shape (N, K, K)
        Power gains; rows are receivers.
    noise, p_max : float
        Noise and largest power of every user [W].
    tolerance, max_iterations
        As in `slotwise.controllers.wmmse.wmmse`.

    Returns
    -------
    ndarray, shape (N, K), float64
        Powers [W].
    """
    power = np.empty(gain.shape[:2])
    for n, sample in enumerate(gain):
        v = _wmmse_loop_one(np.sqrt(sample), noise, math.sqrt(p_max), tolerance, max_iterations)
        power[n] = v**2
    return power


def _wmmse_loop_one(
    h: Array, noise: float, v_max: float, tolerance: float, max_iterations: int
) -> Array:
    users = len(h)
    v = np.full(users, v_max)
    u, w = np.zeros((2, users))
    objective = -math.inf
    for iteration in range(max_iterations + 1):
        for k in range(users):
            u[k] = h[k, k] * v[k] / (np.square(h[k]) @ np.square(v) + noise)
            w[k] = 1.0 / (1.0 - u[k] * h[k, k] * v[k])
        last, objective = objective, float(np.sum(np.log2(w)))
        if objective - last < tolerance or iteration == max_iterations:
            break
        for k in range(users):
            price = (w * np.square(u)) @ np.square(h[:, k])
            v[k] = min(max(w[k] * u[k] * h[k, k] / (price + 1e-300), 0.0), v_max)
    return v


class NumpySlots:
    """Slots of B networks in NumPy: fading, interference, rates, energy, bits delivered.

    Every link is Rayleigh and fades from slot to slot as a Gauss–Markov process.

    Parameters
    ----------
    networks, users : int
        B and K.
    correlation : float
        Of a link's scatter from one slot to the next.
    seed : int
        Of its random numbers.

    Attributes
    ----------
    gain : ndarray, shape (B, K, K), float64
        Power gains of this slot.
    power, rate, bits, energy : ndarray, shape (B, K), float64
        Powers [W] and rates [bit/s/Hz] of this slot, and what they have come to [bit/Hz, J].
    """

    def __init__(self, networks: int, users: int, correlation: float, seed: int = 0) -> None:
        self._rng = np.random.default_rng(seed)
        self._correlation = correlation
        self._renewal = math.sqrt((1.0 - correlation**2) / 2.0)
        self._scatter = self._normals((networks, users, users)) / math.sqrt(2.0)
        self.gain = np.abs(self._scatter) ** 2
        self.power, self.rate, self.bits, self.energy = np.zeros((4, networks, users))

    def _normals(self, shape: tuple[int, ...]) -> NDArray[np.complex128]:
        normals = self._rng.standard_normal((2, *shape))
        return np.asarray(normals[0] + 1j * normals[1])

    def step(self, power: Array, noise: float = 1.0, slot_s: float = 1e-3) -> Array:
        """Let a slot pass at these powers; the sum rates of the networks, shape (B,)."""
        self.power[...] = power
        fresh = self._normals(self._scatter.shape)
        self._scatter = self._correlation * self._scatter + self._renewal * fresh
        self.gain = self._scatter.real**2 + self._scatter.imag**2
        received = np.matmul(self.gain, self.power[:, :, None])[:, :, 0] + noise
        direct = np.einsum("bkk->bk", self.gain) * self.power
        self.rate = np.log2(received / (received - direct))
        self.bits += slot_s * self.rate
        self.energy += slot_s * self.power
        return np.asarray(self.rate.sum(axis=-1))


class NumpySeat:
    """One network in NumPy on SimPy's clock with a seat for a learner: what `slots.Seat` does.

    Parameters
    ----------
    users : int
        K.
    correlation : float
        Of a link's scatter from one slot to the next.
    """

    def __init__(self, users: int, correlation: float) -> None:
        self._clock = simpy.Environment()
        self._slots = NumpySlots(1, users, correlation)
        self._power = np.zeros((1, users))
        self._clock.process(self._live())
        self._clock.step()

    def _live(self) -> Generator[simpy.events.Event, None, None]:
        while True:
            self._slots.step(self._power)
            yield self._clock.timeout(1)

    def step(self, power: Array) -> tuple[Array, float, bool, bool, dict[str, object]]:
        """One slot at these powers, shape (K,) [W]: gains, sum rate, and two that are never."""
        if not np.all((power >= 0.0) & (power <= 1.0)):
            raise ValueError("a power is outside the box")
        self._power[0] = power
        self._clock.step()
        return self._slots.gain[0].copy(), float(self._slots.rate.sum()), False, False, {}
