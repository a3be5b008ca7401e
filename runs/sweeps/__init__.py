"""Sweeps: many networks, and many ways of being one, lived by the same controllers.

A plan says which fields of a scenario vary, who decides, and in which networks; each life is a
cell, stored as it ends; rows of cells come to tables and maps of who wins where.
"""

__all__: list[str] = []
