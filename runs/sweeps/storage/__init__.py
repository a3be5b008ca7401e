"""Keeping a sweep: rows as Parquet that no kill can damage, and what is missing still."""

__all__: list[str] = []
