"""Figures of a training for TensorBoard."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from slotwise.emulator.scenario import InputError

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

__all__ = ["Logs"]


class Logs:
    """Event files of one training, or nothing where nobody wants them.

    Parameters
    ----------
    writer : SummaryWriter, optional
        TensorBoard's own.
    """

    def __init__(self, writer: SummaryWriter | None = None) -> None:
        self._writer = writer

    @classmethod
    @contextmanager
    def opened(cls, folder: Path | None, step: int = 0) -> Iterator[Logs]:
        """Logs in a folder, closed at the end.

        Parameters
        ----------
        folder : Path, optional
            Where; None: nothing is written.
        step : int
            Steps made already: what an interrupted training logged beyond them is dropped.

        Raises
        ------
        InputError
            If TensorBoard is not installed.
        """
        if folder is None:
            yield cls()
            return
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise InputError(
                "logs: TensorBoard is not installed: pip install 'slotwise[train]'"
            ) from None
        # Without steps nothing is dropped: TensorBoard takes a zero for "not given".
        with SummaryWriter(str(folder), purge_step=step + 1 if step else None) as writer:
            yield cls(writer)

    def add(self, step: int, figures: Mapping[str, float]) -> None:
        """Write one value for each figure but ``step``."""
        if self._writer is not None:
            for name, value in figures.items():
                if name != "step":
                    self._writer.add_scalar(name, value, step)
            self._writer.flush()
