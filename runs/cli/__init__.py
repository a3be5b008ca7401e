"""The command line: ``slotwise COMMAND``.

A command line is read here, done by the modules beside this one, and ends here: with exit
code 0; with 2 and one line for the user's mistake; with 1 and one line for ours; with 130 after
Ctrl-C. Help must answer at once, so nothing heavy is imported before a command needs it.
"""

from __future__ import annotations

import difflib
import errno
import os
import re
import signal
import sys
import traceback
import warnings
from collections.abc import Sequence
from types import FrameType
from typing import Annotated

import typer

from slotwise.runs.cli import catalogue, draws, lives, machine, studies, sweeps, training
from slotwise.runs.cli.options import Interrupted, examples

__all__ = ["app", "main", "status"]

_USER = 2
_OURS = 1
_INTERRUPTED = 130
_FORMAT_WARNING = warnings.formatwarning

# Errors of the operating system that the user can mend: a path, a permission, a full disk.
_MENDABLE = frozenset(
    {
        errno.EACCES,
        errno.EDQUOT,
        errno.EEXIST,
        errno.EFBIG,
        errno.EISDIR,
        errno.ELOOP,
        errno.ENAMETOOLONG,
        errno.ENOENT,
        errno.ENOSPC,
        errno.ENOTDIR,
        errno.EPERM,
        errno.EROFS,
    }
)

app = typer.Typer(
    name="slotwise",
    help="Live a wireless network whose users join, leave and fade, and compare the controllers "
    "that decide each slot who transmits at what power.",
    epilog=examples(
        "slotwise scenarios",
        "slotwise compare gaussian-ic -c max -c wmmse --seeds 5 --out first",
        "slotwise evaluate --scenario gaussian-ic --samples 10000 -c wmmse -c max",
    ),
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)
lives.add_to(app)
sweeps.add_to(app)
draws.add_to(app)
catalogue.add_to(app)
training.add_to(app)
studies.add_to(app)
machine.add_to(app)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"slotwise {version('slotwise')}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[  # noqa: ARG001 - its callback has answered
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


_signalled: list[int] = []  # interrupts so far: what breaks after one is no error of its own


def main() -> None:
    """Entry point of the command ``slotwise``."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        _signalled.append(number)
        signal.default_int_handler(number, frame)

    signal.signal(signal.SIGINT, interrupt)
    warnings.formatwarning = _worded
    sys.exit(status())


def _worded(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    line: str | None = None,
) -> str:
    """Our own warnings are for whoever runs a command: one line, without a place in the source."""
    if category.__module__.startswith("slotwise."):
        return f"slotwise: note: {message}\n"
    return _FORMAT_WARNING(message, category, filename, lineno, line)


def status(arguments: Sequence[str] | None = None) -> int:
    """Do what a command line says.

    Parameters
    ----------
    arguments : sequence of str, optional
        What follows ``slotwise``; the process's own by default.

    Returns
    -------
    int
        The exit code. What went wrong has been said in one line on standard error; with
        ``SLOTWISE_TRACEBACK=1`` the traceback stands before it.
    """
    try:
        code = typer.main.get_command(app).main(
            args=None if arguments is None else list(arguments),
            prog_name="slotwise",
            standalone_mode=False,
        )
        sys.stdout.flush()
    except KeyboardInterrupt:
        code = _INTERRUPTED
    except BrokenPipeError:
        _abandon_stdout()
        return _OURS
    except Exception as error:  # noqa: BLE001 - whatever it is, the user gets one line
        if os.environ.get("SLOTWISE_TRACEBACK") == "1":
            traceback.print_exc()
        code, line = _verdict(error)
        if _signalled and code == _OURS:  # a compiler that was interrupted ends in many ways
            code, line = _INTERRUPTED, "interrupted"
        typer.echo(f"slotwise: {line}", err=True)
        return code
    if code == _INTERRUPTED:
        typer.echo("slotwise: interrupted", err=True)
    return code if isinstance(code, int) else 0


def _abandon_stdout() -> None:
    """Let the interpreter flush into nothing: whoever read standard output is gone."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _verdict(error: Exception) -> tuple[int, str]:
    """Exit code and line for what ended a command."""
    if isinstance(error, Interrupted | typer.Abort):
        return _INTERRUPTED, "; ".join(filter(None, ("interrupted", str(error))))
    mistake = _mistake(error)
    if mistake is not None:
        return _USER, f"error: {mistake}"
    line = _one_line(error) or "no message"
    return _OURS, f"error: {type(error).__name__}: {line} (SLOTWISE_TRACEBACK=1 shows where)"


def _mistake(error: Exception) -> str | None:
    """What the user can mend, in one line; None if it is nothing of that kind."""
    from slotwise.emulator.scenario import InputError

    if hasattr(error, "format_message"):
        return _usage(error)
    if isinstance(error, InputError):
        return _one_line(error)
    if isinstance(error, MemoryError):
        return f"not enough memory: {_one_line(error) or 'ask for less at a time'}"
    if isinstance(error, OSError) and error.errno in _MENDABLE:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{os.strerror(error.errno)}"
    return None


def _one_line(message: object) -> str:
    return " ".join(str(message).split())


def _usage(error: Exception) -> str:
    """What typer has against the command line, with the nearest right option or command."""
    context = getattr(error, "ctx", None)
    text = _one_line(error.format_message()).rstrip(".")  # type: ignore[attr-defined]
    if context is None:
        return text
    unknown = re.match(r"No such (option|command):? '?(-*[^'\s]*)", text)
    if unknown is not None:
        kind, word = unknown.groups()
        options = [name for parameter in context.command.params for name in parameter.opts]
        commands = list(getattr(context.command, "commands", ()))
        known = [*options, "--help"] if kind == "option" else commands
        text = f"no such {kind} {word!r}{_nearest(word, known)}"
    text = text.replace(": Value error, ", ": ")  # pydantic's prefix, which says nothing more
    return f"{text[:1].lower()}{text[1:]}; see: {context.command_path} --help"


def _nearest(word: str, words: Sequence[str]) -> str:
    match = difflib.get_close_matches(word, words, n=1)
    return f" (did you mean {match[0]!r}?)" if match else ""
