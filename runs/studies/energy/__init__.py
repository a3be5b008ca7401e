"""Energy efficiency over the largest power: Fig. 3 of Zappone et al. (2019), measured again.

`study` puts it together: `setting` says which networks and who decides, `measuring` lets them
decide, `promises` and `times` measure promised rates and decision times, `tables`, `goals` and
`figures` write what came out.
"""

from __future__ import annotations

__all__: list[str] = []
