"""How fast the core is, in ratios that hold on any machine.

Seconds say little: they are of one machine on one afternoon. Here everything is measured beside
what it is to be compared with, in turns and in one process, and what comes out are ratios: to a
loop as research code is often written, to C compiled on the spot, to batched NumPy, and to what the
machine can do at most, which is measured too.
"""

from __future__ import annotations

__all__: list[str] = []
