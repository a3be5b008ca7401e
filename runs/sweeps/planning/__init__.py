"""Plans: from a file in TOML to points, networks and controllers, all checked."""

__all__: list[str] = []
