"""Studies: what a paper published, measured again, with every figure beside ours.

A study is a list of parts, the paper's tables and figures. A part is a list of units, each of which
is computed once and kept as a file, so that whoever stops a study of hours goes on where it was.
"""

from __future__ import annotations

__all__: list[str] = []
