"""Pictures of living networks: what there is to see, how it is drawn, and where it is shown."""

from __future__ import annotations

__all__: list[str] = []
