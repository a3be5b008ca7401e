"""The report of a run directory: a self-contained HTML page, its figures as SVG and PNG beside it.

The page is made only from what the directory recorded, so it can be made again at any time, and
the same directory gives the same bytes. Nothing on it comes from outside: figures and styles are
inline, there is no script, and a content policy forbids any request.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any

from slotwise.controllers.atomic import write_whole
from slotwise.emulator.scenario import InputError
from slotwise.runs.report.canvas import Drawing, inline
from slotwise.runs.report.figures import FIGURES, LEARNING, draw_figures
from slotwise.runs.report.finding import finding, setting
from slotwise.runs.report.marks import Heading, Mark, Table
from slotwise.runs.report.palette import Look, looks
from slotwise.runs.report.quantities import factor
from slotwise.runs.report.recording import Recording, finite, read_recording
from slotwise.runs.report.results import result_table
from slotwise.runs.report.scenario_fields import scenario_sections
from slotwise.runs.report.tables import (
    episode_table,
    failure_rows,
    learning_table,
    network_rows,
    promise_table,
)

__all__ = ["write_report"]

_TEMPLATES = Path(__file__).parent / "templates"


def write_report(directory: Path) -> Path:
    """Write ``report.html`` and ``figures/<name>.svg`` and ``.png`` into a run directory.

    Each file is complete or absent: it is written under another name and moved into place. A figure
    of an earlier report that this one has no data for is removed.

    Parameters
    ----------
    directory : Path
        A comparison (``compare.json``) or a single run (``run.json``).

    Returns
    -------
    Path
        The page.

    Raises
    ------
    InputError
        In one line, if the directory is not a run, if a file of it is damaged, or if it cannot be
        written to.
    """
    recording = read_recording(Path(directory))
    drawings = draw_figures(recording)
    page = _page(recording, drawings)
    folder = recording.directory / "figures"
    html = recording.directory / "report.html"
    try:
        folder.mkdir(exist_ok=True)
        for drawing in drawings:
            write_whole(folder / f"{drawing.name}.svg", drawing.svg.encode())
            write_whole(folder / f"{drawing.name}.png", drawing.png)
        for name in set(FIGURES) - {drawing.name for drawing in drawings}:
            for suffix in ("svg", "png"):
                (folder / f"{name}.{suffix}").unlink(missing_ok=True)
        write_whole(html, page.encode())
    except OSError as error:
        raise InputError(f"cannot write the report into {directory}: {error.strerror}") from None
    return html


def _page(recording: Recording, drawings: list[Drawing]) -> str:
    """The HTML of a report."""
    import jinja2
    from markupsafe import Markup

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    # The filters escape what they are given before they add markup of their own.
    environment.filters["coded"] = lambda text: Markup(_coded(text))  # noqa: S704
    environment.filters["code"] = lambda text: Markup(_code(text))  # noqa: S704
    environment.filters["field"] = lambda text: Markup(_code(text, "._"))  # noqa: S704
    chosen = looks(recording.controllers)
    planned = len(recording.controllers) * len(recording.seeds)
    scenario = recording.scenario
    return environment.get_template("report.html.j2").render(
        name=str(scenario.get("name", "a network")),
        description=str(scenario.get("description", "")),
        single=recording.single,
        setting=setting(recording),
        finding=finding(recording),
        unfinished=None if len(recording.cells) >= planned else (len(recording.cells), planned),
        reference=recording.controllers[0],
        several=len(recording.each_seed()) > 1,
        results=_with_swatches(result_table(recording), chosen),
        merit=recording.merit,
        promises=_with_swatches(promise_table(recording), chosen),
        min_rate=factor(finite(dict(scenario.get("radio") or {}).get("min_rate")) or 0.0),
        episodes=_with_swatches(episode_table(recording), chosen),
        figures=_inlined([d for d in drawings if d.name not in LEARNING]),
        lessons=_with_swatches(learning_table(recording), chosen),
        lesson_figures=_inlined([d for d in drawings if d.name in LEARNING]),
        network=network_rows(recording),
        seeds=", ".join(str(seed) for seed in recording.seeds),
        failures=failure_rows(recording),
        sections=scenario_sections(scenario),
        facts=_facts(recording),
        attribution=_attribution(recording),
    )


def _with_swatches(
    table: Table, chosen: Mapping[str, Look]
) -> tuple[list[Heading], list[tuple[str, str, list[Mark]]]]:
    """A table whose controllers come with samples of their lines."""
    from markupsafe import Markup

    heads, rows = table
    return heads, [
        (spec, Markup(_swatch(chosen[spec])), marks)  # noqa: S704
        for spec, marks in rows
    ]


def _inlined(drawings: list[Drawing]) -> list[tuple[Drawing, str]]:
    """Figures with what the page holds of them."""
    from markupsafe import Markup

    return [(drawing, Markup(inline(drawing))) for drawing in drawings]  # noqa: S704


def _coded(text: str) -> str:
    """HTML of a sentence whose controllers stand between backticks; units stay with numbers."""
    kept = re.sub(
        r"(?<=\d) (?=(ms|µs|s|bit/s/Hz|[kMGT]?bit/J|[µmkMGT]?[JW]|seeds)\b)",
        "\N{NO-BREAK SPACE}",
        text,
    )
    parts = kept.split("`")
    return "".join(_code(part) if odd % 2 else escape(part) for odd, part in enumerate(parts))


def _code(text: str, breaks: str = ":,") -> str:
    """HTML of a controller's spec or a field's name, which may break after some characters."""
    return "<code>" + re.sub(f"([{breaks}])", r"\1<wbr>", escape(text, quote=False)) + "</code>"


def _swatch(look: Look) -> str:
    """A sample of a controller's line, as in the figures."""
    dashes = " ".join(f"{2.4 * part:g}" for part in look.dashes)
    return (
        '<svg class="swatch" aria-hidden="true" viewBox="0 0 30 8" width="30" height="8">'
        f'<path d="M0 4H30" stroke="{look.colour}" stroke-width="2.4" stroke-dasharray="{dashes}"/>'
        "</svg>"
    )


def _facts(recording: Recording) -> list[tuple[str, str]]:
    """How the run was made: command, seeds, when, versions."""
    facts: dict[str, Any] = dict(recording.facts)
    rows = [
        ("Command", str(facts.get("command") or "")),
        ("Seeds", ", ".join(str(seed) for seed in recording.seeds)),
        ("Created", _moment(str(facts.get("created") or ""))),
        ("Versions", ", ".join(f"{k} {v}" for k, v in (facts.get("versions") or {}).items())),
    ]
    return [(name, value) for name, value in rows if value]


def _moment(text: str) -> str:
    """An ISO time in UTC to the minute; anything else as it is."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    if moment.tzinfo is None:
        return f"{moment:%Y-%m-%d %H:%M}"
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _attribution(recording: Recording) -> list[str]:
    """Credits that must be printed, each once."""
    lines = [*(recording.facts.get("attribution") or ())]
    lines += [*(recording.scenario.get("attribution") or ())]
    return list(dict.fromkeys(str(line) for line in lines))
