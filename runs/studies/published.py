"""Figures as they were published, and what the controllers here should reach beside them.

Sun et al., "Learning to optimize: Training deep neural networks for interference management", IEEE
Trans. Signal Process. 66(20), 2018, Tables I to V; its times are of one call on all draws for the
network and of one draw after another for WMMSE. Sun et al., "Knowledge-driven deep learning
paradigms for wireless network optimization in 6G", IEEE Network, 2024, Table I; its times are of
one decision. Figures without numbers in the text are told in words where they are drawn.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = [
    "D2D_SECONDS",
    "GAUSSIAN",
    "HALF",
    "IMAC",
    "IMAC_INNER",
    "IMAC_RADIUS",
    "MEASURED_LINES",
    "Comparison",
]


class Comparison(NamedTuple):
    """One line of Table I, II or III: rates in bit/s/Hz, times in s for all 10,000 draws."""

    network: float
    wmmse: float
    relative: float
    network_s: float
    wmmse_s: float
    wmmse_c_s: float


GAUSSIAN = {
    10: Comparison(2.770, 2.817, 0.9833, 0.047, 17.98, 0.355),
    20: Comparison(3.363, 3.654, 0.9204, 0.093, 59.41, 1.937),
    30: Comparison(3.498, 4.150, 0.8429, 0.149, 122.91, 5.103),
}
"""Table I, by users; the slower WMMSE is in Python."""

IMAC = {
    (3, 12): Comparison(17.722, 18.028, 0.9830, 0.021, 22.33, 0.27),
    (3, 18): Comparison(20.080, 20.606, 0.9745, 0.022, 42.77, 0.48),
    (3, 24): Comparison(21.928, 22.648, 0.9682, 0.025, 67.59, 0.89),
    (7, 28): Comparison(33.513, 35.453, 0.9453, 0.038, 140.44, 2.41),
    (20, 80): Comparison(79.357, 87.820, 0.9036, 0.141, 890.19, 23.0),
}
"""Table II, by cells and users; the slower WMMSE is in MATLAB."""

HALF = {
    10: Comparison(2.048, 2.091, 0.9794, 0.044, 5.58, 0.074),
    20: Comparison(2.595, 2.817, 0.9212, 0.087, 18.36, 0.346),
    30: Comparison(2.901, 3.311, 0.8762, 0.157, 36.98, 0.908),
}
"""Table III, by users trained for; half of them are present."""

IMAC_RADIUS = {
    (3, 12): {100: 0.9830, 200: 0.9951, 300: 0.9962, 500: 0.9891},
    (3, 18): {100: 0.9745, 200: 0.9827, 300: 0.9780, 500: 0.9558},
    (3, 24): {100: 0.9682, 200: 0.9677, 300: 0.9383, 500: 0.8732},
    (7, 28): {100: 0.9453, 200: 0.9719, 300: 0.9541, 500: 0.9022},
    (20, 80): {100: 0.9036, 200: 0.8627, 300: 0.6555, 500: 0.4348},
}
"""Table IV, network over WMMSE by half the distance between stations [m]."""

IMAC_INNER = {
    (3, 12): {0: 0.9830, 20: 0.9829, 50: 0.9838, 99: 0.9846},
    (3, 18): {0: 0.9745, 20: 0.9699, 50: 0.9687, 99: 0.9664},
    (3, 24): {0: 0.9682, 20: 0.9585, 50: 0.9541, 99: 0.9465},
    (7, 28): {0: 0.9453, 20: 0.9380, 50: 0.9347, 99: 0.9255},
    (20, 80): {0: 0.9036, 20: 0.8851, 50: 0.8604, 99: 0.8205},
}
"""Table V, network over WMMSE by the users' least distance from their station [m]."""

MEASURED_LINES = {
    "75 m, far end": (203.61, 203.69, 0.9996, 0.027, 0.064),
    "150 m, far end": (135.61, 136.38, 0.9943, 0.026, 0.051),
    "300 m, far end": (50.795, 51.010, 0.9958, 0.026, 0.045),
    "75 m, near end": (183.91, 184.19, 0.9985, 0.026, 0.824),
    "150 m, near end": (109.64, 111.52, 0.9831, 0.026, 0.364),
    "300 m, near end": (41.970, 44.582, 0.9414, 0.026, 0.471),
}
"""Table VI, measured crosstalk of telephone lines, which is not public: sum rates of network and
WMMSE [bit/s/Hz], their ratio, times of network and WMMSE in C [s]."""

D2D_SECONDS = {
    10: (0.018, 0.008, 4.262),
    20: (0.021, 0.010, 20.239),
    30: (0.022, 0.010, 41.328),
    50: (0.021, 0.009, 114.669),
    70: (0.025, 0.016, 188.005),
    100: (0.040, 0.021, 384.590),
}
"""Table I of 2024, online time by pairs [s]: unrolled network, plain graph network, WMMSE."""
