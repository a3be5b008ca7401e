"""README, CONTRIBUTING and docs tell the truth: every command and example in them is run.

A document is run from top to bottom in one empty folder, so that a block sees the files of the
blocks before it. What its fenced blocks mean:

- ``console``: lines that start with ``$`` are commands (``slotwise``, ``python`` or ``make``; a
  backslash at the end goes on with the next line), the lines after one are what it prints. A
  command succeeds, unless a comment behind it says otherwise: ``$ slotwise run x  # exits with 2``.
  ``make`` is not run, since make is what runs these tests: its targets must exist.
- ``python``: executed, all blocks of a document in one namespace. A ``text`` block right after
  it is what it prints; without one it prints nothing.
- any block under a comment ``<!-- file: NAME -->``: written to NAME.

In expected output ``...`` stands for any text, alone on a line for any lines: measured times and
paths are written so.
"""

from __future__ import annotations

import contextlib
import difflib
import io
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
SHARED = Path(os.environ.get("SLOTWISE_SHARED", ROOT.parent / "shared"))
DOCUMENTS = sorted({ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")})
LANGUAGES = {"console", "python", "text", "toml", "csv", "json", "html", "mermaid"}
SECONDS = 300
FENCE = re.compile(r"^(?P<ticks>```+)(?P<language>\S*)\s*$")
FILE = re.compile(r"^<!-- file: (?P<name>\S+) -->$")
EXIT = re.compile(r"#.*\bexits? with (?P<code>\d+)")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, the line it starts at, the file it is to become."""

    language: str
    text: str
    line: int
    file: str | None
    follows: bool
    """Whether nothing but empty lines stands between this block and the one before."""


@dataclass(frozen=True)
class Command:
    """A command of a console block, the output that the document promises, the exit status."""

    line: int
    words: tuple[str, ...]
    expected: str
    status: int


def _blocks(text: str) -> Iterator[Block]:
    """Fenced blocks of a Markdown text in order."""
    lines = text.splitlines()
    number, file, follows = 0, None, False
    while number < len(lines):
        fence = FENCE.match(lines[number])
        if fence is None:
            named = FILE.match(lines[number])
            if lines[number].strip():
                file, follows = (named["name"] if named else None), False
            number += 1
            continue
        end = number + 1
        while lines[end] != fence["ticks"]:
            end += 1
        inner = "".join(f"{line}\n" for line in lines[number + 1 : end])
        yield Block(fence["language"], inner, number + 2, file, follows)
        number, file, follows = end + 1, None, True


def _commands(block: Block) -> Iterator[Command]:
    """Commands of a console block with what each prints."""
    lines = list(enumerate(block.text.splitlines(), block.line))
    assert lines[0][1].startswith("$ "), f"line {block.line}: a console block starts with `$ `"
    while lines:
        number, text = lines.pop(0)
        while text.endswith("\\"):
            text = text[:-1] + lines.pop(0)[1]
        output = ""
        while lines and not lines[0][1].startswith("$ "):
            output += lines.pop(0)[1] + "\n"
        code = EXIT.search(text)
        words = shlex.split(text.removeprefix("$ "), comments=True)
        yield Command(number, tuple(words), output, int(code["code"]) if code else 0)


def _tidy(text: str) -> str:
    lines = "\n".join(line.rstrip() for line in text.splitlines())
    return "".join(f"{line}\n" for line in lines.strip("\n").splitlines())


def _pattern(line: str) -> str:
    return ".*".join(map(re.escape, line.split("...")))


def _difference(expected: str, printed: str) -> str:
    """Nothing if the output is as promised, else a readable difference."""
    expected, printed = _tidy(expected), _tidy(printed)
    wanted = expected.splitlines()
    whole = "".join(
        r"(?:.*\n)*" if line.strip() == "..." else _pattern(line) + r"\n" for line in wanted
    )
    if re.fullmatch(whole, printed):
        return ""
    # A line that `...` accounts for is shown as it stands in the document: only surprises differ.
    loose = [line for line in wanted if "..." in line and line.strip() != "..."]
    shown = [
        next((line for line in loose if re.fullmatch(_pattern(line), got)), got)
        for got in printed.splitlines()
    ]
    lines = difflib.unified_diff(wanted, shown, "the document", "what was printed", lineterm="")
    return "\n".join(lines)


class Reader:
    """Someone who follows a document to the letter, in a folder of its own."""

    def __init__(self, path: Path, folder: Path) -> None:
        self.path, self.folder = path, folder
        self.skipped: list[str] = []
        self.namespace = ModuleType("__document__")

    def read(self) -> None:
        """Do everything that the document says, in its order."""
        blocks = list(_blocks(self.path.read_text("utf-8")))
        missing = ["../shared"]  # and the files of blocks that need it
        for block, after in zip(blocks, [*blocks[1:], None], strict=False):
            if not SHARED.is_dir() and any(name in block.text for name in missing):
                self.skipped.append(f"{self.path.name}:{block.line}")
                missing += [block.file] if block.file is not None else []
            elif block.file is not None:
                (self.folder / block.file).parent.mkdir(parents=True, exist_ok=True)
                (self.folder / block.file).write_text(block.text, "utf-8")
            elif block.language == "console":
                for command in _commands(block):
                    self._command(command)
            elif block.language == "python":
                told = after is not None and after.language == "text" and after.follows
                self._python(block, after.text if after is not None and told else "")

    def _command(self, command: Command) -> None:
        program, *arguments = command.words
        where = f"{self.path.name}:{command.line}: {shlex.join(command.words)}"
        if program == "make":
            assert set(arguments) <= _targets(), f"{where}: no such target in the Makefile"
            return
        programs = {"slotwise": Path(sys.executable).parent / "slotwise", "python": sys.executable}
        assert program in programs, f"{where}: only slotwise, python and make can be tested"
        done = subprocess.run(
            [str(programs[program]), *arguments],
            cwd=self.folder,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=SECONDS,
        )
        said = f"{where}\nexit status {done.returncode}\n{done.stdout}"
        assert done.returncode == command.status, said
        difference = _difference(command.expected, done.stdout)
        assert not difference, f"{where}\n{difference}"

    def _python(self, block: Block, expected: str) -> None:
        # Empty lines before the code give a traceback the line numbers of the document.
        code = compile("\n" * (block.line - 1) + block.text, str(self.path), "exec")
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(code, self.namespace.__dict__)  # noqa: S102 - the project's own documents
        difference = _difference(expected, printed.getvalue())
        assert not difference, f"{self.path.name}:{block.line}\n{difference}"


def _targets() -> set[str]:
    """Targets that `make help` lists."""
    makefile = (ROOT / "Makefile").read_text("utf-8")
    return set(re.findall(r"^([a-z]+):.*## ", makefile, re.MULTILINE))


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, with the shared data beside it where a checkout has them."""
    work = tmp_path / "work"
    work.mkdir()
    if SHARED.is_dir():
        (tmp_path / "shared").symlink_to(SHARED.resolve(), target_is_directory=True)
    monkeypatch.chdir(work)
    monkeypatch.setenv("COLUMNS", "100")
    return work


@pytest.mark.parametrize("path", DOCUMENTS, ids=_name)
def test_document_does_what_it_says(
    path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = Reader(path, folder)
    monkeypatch.setitem(sys.modules, "__document__", reader.namespace)
    reader.read()
    if reader.skipped:
        pytest.skip(f"all else is as it says, but without {SHARED}: {', '.join(reader.skipped)}")


@pytest.mark.parametrize("path", DOCUMENTS, ids=_name)
def test_blocks_are_of_a_kind_that_is_tested(path: Path) -> None:
    for block in _blocks(path.read_text("utf-8")):
        assert block.language in LANGUAGES, f"{path.name}:{block.line}: {block.language or 'bare'}"
        if block.language == "toml":
            tomllib.loads(block.text)


@pytest.mark.parametrize("path", DOCUMENTS, ids=_name)
def test_links_lead_somewhere(path: Path) -> None:
    text = re.sub(r"^```.*?^```", "", path.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    links = re.findall(r"\]\(([^)\s]+)\)|(?:src|srcset)=\"([^\"]+)\"", text)
    targets = [
        a or b for a, b in links if "://" not in a + b and not a.startswith(("#", "mailto:"))
    ]
    missing = [t for t in targets if not (path.parent / t.partition("#")[0]).exists()]
    assert missing == []


def _anchor(heading: str) -> str:
    words = re.sub(r"[^\w\- ]", "", heading.strip().lower())
    return words.replace(" ", "-")


@pytest.mark.parametrize("path", DOCUMENTS, ids=_name)
def test_anchors_name_a_heading(path: Path) -> None:
    for file, anchor in re.findall(r"\]\(([^)\s:]*)#([^)\s]+)\)", path.read_text("utf-8")):
        target = path.parent / file if file else path
        headings = re.findall(r"^#+ (.*)$", target.read_text("utf-8"), re.MULTILINE)
        assert anchor in {_anchor(heading) for heading in headings}, f"{file}#{anchor}"


# --- the reader itself ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expected", "printed"),
    [
        ("a\nb\n", "a\nb\n"),
        ("a\n...\nb\n", "a\nb\n"),
        ("a\n...\nb\n", "a\nx\ny\nb\n"),
        ("took ... s of 3\n", "took 0.12 s of 3\n"),
        ("a  \n\n", "a\n"),
        ("", ""),
        ("...\n", ""),
        ("1 + 1 (2)\n", "1 + 1 (2)\n"),
    ],
)
def test_output_as_promised_has_no_difference(expected: str, printed: str) -> None:
    assert _difference(expected, printed) == ""


@pytest.mark.parametrize(
    ("expected", "printed"),
    [
        ("a\n", "b\n"),
        ("a\n", ""),
        ("", "a\n"),
        ("a\n...\nb\n", "a\nx\n"),
        ("took ... s of 3\n", "took 0.12 s of 4\n"),
        ("1 + 1\n", "1 1 1\n"),
    ],
)
def test_any_other_output_is_a_difference(expected: str, printed: str) -> None:
    assert _difference(expected, printed) != ""


def test_difference_shows_only_what_surprises() -> None:
    difference = _difference("took ... s\nrate 2.83\n", "took 0.12 s\nrate 2.84\n")
    assert [line for line in difference.splitlines() if line[0] in "+-"][2:] == [
        "-rate 2.83",
        "+rate 2.84",
    ]


@pytest.fixture
def write(folder: Path) -> Path:
    return folder.parent / "page.md"


def _page(path: Path, *lines: str) -> Reader:
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return Reader(path, path.parent / "work")


def test_blocks_share_files_and_names(write: Path) -> None:
    _page(
        write,
        *("<!-- file: my.toml -->", "", "```toml", "answer = 42", "```"),
        *("```python", "import tomllib", "from pathlib import Path"),
        *("table = tomllib.loads(Path('my.toml').read_text())", "```"),
        *("text between", "```python", "print(table)", "```", "", "```text"),
        *("{'answer': 42}", "```"),
        *("```console", "$ python -c 'print(open(\"my.toml\").read())'", "answer = ...", "```"),
    ).read()


@pytest.mark.parametrize(
    "lines",
    [
        ("```python", "print(1)", "```", "```text", "2", "```"),
        ("```python", "print(1)", "```", "prose between", "```text", "1", "```"),
        ("```console", "$ python -c 'print(1)'", "2", "```"),
        ("```console", "$ python -c 'exit(3)'", "```"),
        ("```console", "$ python -c 'print(1)'  # exits with 2", "1", "```"),
        ("```console", "$ make nothing-of-the-kind", "```"),
        ("```console", "$ ls", "```"),
    ],
)
def test_a_document_that_lies_is_found_out(write: Path, lines: tuple[str, ...]) -> None:
    with pytest.raises(AssertionError):
        _page(write, *lines).read()


def test_commands_may_fail_as_announced_and_span_lines(write: Path) -> None:
    _page(
        write,
        "```console",
        "$ python -c \\",
        "    'exit(3)'  # exits with 3",
        "$ make test",
        "$ python -c 'print(1)'",
        "1",
        "```",
    ).read()
