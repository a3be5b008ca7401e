"""A study's pages in Markdown: the short tables together, the long ones on a page of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from slotwise.runs.studies.part import Document, Grid, Part

if TYPE_CHECKING:
    from slotwise.runs.report.canvas import Drawing

__all__ = ["page", "part_page"]


def page(
    title: str, words: str, about: Mapping[str, Any], parts: Sequence[Mapping[str, Any]]
) -> str:
    """The study's page: every part's short tables and figures.

    Parameters
    ----------
    title, words : str
        Heading and what is common to all tables.
    about : mapping
        Scale and seed.
    parts : sequence of mapping
        What `study.json` keeps of each part.
    """
    lines = [f"# {title}", words, f"Scale {about['scale']}, seed {about['seed']}."]
    for part in parts:
        lines += [f"## {part['title']}", part["words"]]
        lines += [
            _table(Grid(grid["title"], tuple(grid["heads"]), grid["rows"]))
            for grid in part["grids"]
        ]
        lines += part["notes"]
        for drawing in part["drawings"]:
            lines += [f"![{drawing['label']}]({drawing['name']}.svg)", drawing["caption"]]
        versions = ", ".join(f"{name} {number}" for name, number in part["versions"].items())
        lines.append(
            f"[All columns]({part['file']}.md). Made by `{part['command']}` on {part['date']}, "
            f"with {versions}."
        )
    return "\n\n".join(lines) + "\n"


def part_page(part: Part, document: Document, drawings: Sequence[Drawing]) -> str:
    """A part's own page: short and long tables, notes, figures."""
    lines = [f"# {part.title}", part.words]
    lines += [_table(grid) for grid in (*document.grids, *document.details)]
    lines += document.notes
    for drawing in drawings:
        lines += [f"![{drawing.label}]({drawing.name}.svg)", drawing.caption]
    if document.rows:
        lines.append(f"Every digit: [{part.file_name}.csv]({part.file_name}.csv)")
    return "\n\n".join(lines) + "\n"


def _table(grid: Grid) -> str:
    lines = [
        "| " + " | ".join(grid.heads) + " |",
        "| --- |" + " ---: |" * (len(grid.heads) - 1),
    ]
    lines += [
        "| " + " | ".join(cell.replace("\n", "<br>") for cell in row) + " |" for row in grid.rows
    ]
    return (f"**{grid.title}**\n\n" if grid.title else "") + "\n".join(lines)
