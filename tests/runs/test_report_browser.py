from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")

_PROBE = """
<script>
window.onload = () => {
  const seen = [...document.querySelectorAll('iframe')].map(frame => {
    const view = frame.contentWindow, page = frame.contentDocument;
    const width = view.innerWidth;
    const boxed = e => e.closest('.scroll, .box, svg') !== null;
    return {
      width: width,
      scroll: page.documentElement.scrollWidth,
      wide: [...page.body.querySelectorAll('*')]
        .filter(e => !boxed(e) && e.getBoundingClientRect().right > width + 0.5)
        .map(e => e.outerHTML.slice(0, 80)),
      plots: [...page.querySelectorAll('figure svg')].map(s => {
        const drawn = s.getBBox(), place = s.getBoundingClientRect();
        return {width: place.width, height: place.height, drawn: drawn.width * drawn.height,
                scale: place.width / s.viewBox.baseVal.width};
      }),
      table: [...page.querySelectorAll('.scroll')].map(e => [e.clientWidth, e.scrollWidth])[0],
      requests: view.performance.getEntriesByType('resource').map(e => e.name),
    };
  });
  const out = document.createElement('pre');
  out.id = 'probe';
  out.textContent = JSON.stringify(seen);
  document.body.append(out);
};
</script>
"""


def _chromium(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    assert CHROMIUM is not None
    return subprocess.run(
        [
            CHROMIUM,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--enable-logging=stderr",
            f"--user-data-dir={tmp_path / 'profile'}",
            *arguments,
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )


def _look(page: str, widths: tuple[int, ...], tmp_path: Path) -> tuple[list[Any], list[str]]:
    """What a page is like in frames of some widths, and what the console said.

    Frames, because a window of headless Chromium is never narrower than 500 px.
    """
    frames = "".join(
        f'<iframe srcdoc="{html.escape(page)}" style="width:{width}px;height:900px;border:0">'
        "</iframe>"
        for width in widths
    )
    wrapper = tmp_path / "wrapper.html"
    wrapper.write_text(f"<!DOCTYPE html><meta charset=utf-8>{_PROBE}{frames}", "utf-8")
    done = _chromium(tmp_path, "--window-size=1400,1000", "--dump-dom", wrapper.as_uri())
    found = re.search(r'<pre id="probe">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found is not None, done.stderr
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return json.loads(html.unescape(found.group(1))), console


@needs_chromium
def test_the_page_fits_phone_and_desk_without_errors_requests_or_overflow(
    page: Path, tmp_path: Path
) -> None:
    views, console = _look(page.read_text("utf-8"), (390, 1280), tmp_path)
    assert console == []
    assert [view["width"] for view in views] == [390, 1280]
    phone, desk = (view["table"] for view in views)
    assert phone[1] > phone[0]  # the table scrolls inside its box
    assert desk[1] == desk[0]  # and need not where there is room
    for view in views:
        assert view["scroll"] <= view["width"]
        assert view["wide"] == []
        assert view["requests"] == []
        box, _ = view["table"]
        assert box < view["width"]
        assert len(view["plots"]) == 10
        for plot in view["plots"]:
            assert plot["width"] > 300
            assert plot["height"] > 100
            assert plot["drawn"] > 0
            assert plot["scale"] * 9 >= 9  # the smallest text of a figure is 9 units high


@needs_chromium
def test_the_probe_sees_errors_requests_overflow_and_empty_figures(tmp_path: Path) -> None:
    bad = (
        "<body><p style='width:900px'>wide</p><img src='http://localhost:9/x.png'>"
        "<figure><svg viewBox='0 0 9 9' width='0' height='0'></svg></figure>"
        "<script>missing()</script>"
    )
    (view,), console = _look(bad, (390,), tmp_path)
    assert view["width"] == 390
    assert view["scroll"] > 390
    assert view["wide"]
    assert view["requests"] == ["http://localhost:9/x.png"]
    assert view["plots"][0]["drawn"] == 0
    assert any("missing is not defined" in line for line in console)


@needs_chromium
@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="no pdftotext on this machine")
def test_the_scenario_is_open_in_print(page: Path, tmp_path: Path) -> None:
    pdf = tmp_path / "page.pdf"
    _chromium(tmp_path, "--no-pdf-header-footer", f"--print-to-pdf={pdf}", page.as_uri())
    text = subprocess.run(
        ["pdftotext", str(pdf), "-"], capture_output=True, text=True, check=True
    ).stdout
    assert "slot duration [s]" in text
    assert "made-up-town" in text
