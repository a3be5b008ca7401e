"""Progress is drawn for people only, and follows work in other processes."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest

from slotwise.runs import progress
from slotwise.runs.progress import Board, Stopped, beyond, progress_bar


class Terminal(io.StringIO):
    """Standard error as a person has it."""

    def isatty(self) -> bool:
        return True


def _drawn(monkeypatch: pytest.MonkeyPatch, *, terminal: bool, shown: bool = True) -> str:
    screen = Terminal() if terminal else io.StringIO()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr(progress, "_UNSEEN_S", 0.0)
    monkeypatch.setattr(progress, "_REDRAWS_PER_S", 1e6)
    with progress_bar("lives", 10, shown=shown, threadless=True) as done:
        for step in range(11):
            done(step)
    return screen.getvalue()


def test_a_person_sees_how_far_and_how_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    text = _drawn(monkeypatch, terminal=True)
    assert "lives" in text
    assert "50%" in text
    assert "left" in text


def test_a_file_sees_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _drawn(monkeypatch, terminal=False) == ""


def test_nobody_sees_what_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _drawn(monkeypatch, terminal=True, shown=False) == ""


def test_parts_count_beyond_what_came_before() -> None:
    seen: list[int] = []
    beyond(seen.append, 40)(2)
    assert seen == [42]


WORKER = """
import sys
from slotwise.runs.progress import Board, Stopped
write = Board.writer(sys.argv[1], int(sys.argv[2]))
try:
    write(int(sys.argv[3]))
except Stopped:
    print("stopped")
"""


def _work(board: Board, task: int, steps: int) -> str:
    command = [sys.executable, "-c", WORKER, board.path, str(task), str(steps)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout


def test_a_board_adds_up_what_processes_write() -> None:
    with Board(3) as board:
        assert board.total() == 0
        _work(board, 0, 5)
        _work(board, 2, 7)
        _work(board, 0, 6)
        assert board.total() == 13
    assert not Path(board.path).exists()


def test_a_board_calls_work_off() -> None:
    with Board(1) as board:
        write = Board.writer(board.path, 0)
        write(4)
        board.stop()
        with pytest.raises(Stopped):
            write(5)
        assert _work(board, 0, 6) == "stopped\n"
        assert board.total() == 4
        del write


def test_a_worker_whose_owner_has_gone_ends_and_clears_the_board() -> None:
    program = (
        "import os, sys\n"
        "from slotwise.runs.progress import Board\n"
        "write = Board.writer(sys.argv[1], 0)\n"
        "write(1)\n"
        "print('owned', flush=True)\n"
        "os.getppid = lambda: 1\n"  # as it is when a parent has been killed
        "write(2)\n"
        "print('still here')\n"
    )
    with Board(1) as board:
        command = [sys.executable, "-c", program, board.path]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (1, "owned\n", "")
        assert board.total() == 1
        assert not Path(board.path).exists()
