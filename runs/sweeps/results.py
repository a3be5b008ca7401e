"""What a sweep says: a summary of its rows, as data, tables and figures.

All of it is made from the rows alone and replaced whenever the sweep is asked for again.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from slotwise.controllers.atomic import write_whole
from slotwise.runs.report.canvas import style
from slotwise.runs.sweeps.drawing.figures import draw
from slotwise.runs.sweeps.page import page
from slotwise.runs.sweeps.planning.plan import SweepPlan
from slotwise.runs.sweeps.summary import summarise

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["write_results"]


def write_results(
    plan: SweepPlan, rows: pa.Table, times: pa.Table, out: Path, command: str
) -> pa.Table:
    """Summarise and draw rows, into a directory.

    Parameters
    ----------
    plan : SweepPlan
        Whose rows.
    rows, times : pyarrow.Table
        As of `slotwise.runs.sweeps.storage.store.Store`.
    out : Path
        Gets ``summary.parquet``, ``summary.csv``, ``README.md`` and the figures.
    command : str
        What was typed, for the record.

    Returns
    -------
    pyarrow.Table
        The summary, a row for each controller at each point.

    Raises
    ------
    OSError
        If they cannot be written; each file is there whole or not at all.
    """
    import pyarrow.csv as csv
    import pyarrow.parquet as pq

    summary = summarise(plan, rows, times)
    with style():
        drawings = draw(plan, summary)
    for drawing in drawings:
        write_whole(out / f"{drawing.name}.svg", drawing.svg.encode())
        write_whole(out / f"{drawing.name}.png", drawing.png)
    for name, write in (("summary.parquet", pq.write_table), ("summary.csv", csv.write_csv)):
        content = io.BytesIO()
        write(summary, content)
        write_whole(out / name, content.getvalue())
    write_whole(out / "README.md", page(plan, summary, rows, drawings, command).encode())
    return summary
