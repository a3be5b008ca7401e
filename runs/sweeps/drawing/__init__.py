"""Drawing a sweep: the winner map, slices of it, and curves where a plan names no map."""

__all__: list[str] = []
