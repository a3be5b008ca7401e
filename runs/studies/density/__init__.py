"""Base-station density for energy efficiency: learned on a model, adapted on few real samples.

A. Zappone, M. Di Renzo and M. Debbah, "Wireless networks design in the era of deep learning:
Model-based, AI-based, or both?", IEEE Trans. Commun. 67(10), 2019, the second and third
application: two physical models of a cellular network, the optimum of each, and small networks
that learn it.
"""

from __future__ import annotations

__all__: list[str] = []
