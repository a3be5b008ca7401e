"""The study `online`: networks that were trained on a model and go on learning where they decide.

Frozen samples, sequential episodes and whole lives are measured in modules of their own, every
part of the study with the numbers that its tables and figures are made of.
"""

__all__: list[str] = []
