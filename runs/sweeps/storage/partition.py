"""Rows on disk: Parquet files of one folder, of which each is whole or not there.

Rows arrive in small files, ``part-*.parquet``. Many of about one size become one of the next size,
so that a row is copied only so many times as its number has digits, and in the end all become one
file. Nothing depends on locks: a file is never changed, its name is never used again, and it is
removed only when a newer one that holds its rows is in place. So whoever reads at any time finds
every row at least once, however many write, and wherever one of them is killed. (Where a file
system has neither locks nor links, two that finish at the same instant may cost one its rows.)

A small file may be lost when the machine loses power just after it was written, as disks write
when they like; a file that others were removed for is not.
"""

from __future__ import annotations

import os
import re
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from slotwise.runs.progress import note

__all__ = ["Partition", "read_all"]

Numbers = NDArray[np.int64]

_PART = re.compile(r"part-(\d{20})-[0-9a-f]{8}\.parquet")
_LIKE_PART = re.compile(r"part-.*\.parquet")
_SIZE_BITS = 6  # 64 files of one size become one of the next
_ROW_GROUP = 1 << 16
_ATTEMPTS = 20


class Partition:
    """The files of one folder.

    Parameters
    ----------
    folder : Path
        Where; must exist.
    whole : str
        Name of the file that holds everything in the end.
    schema : pyarrow.Schema
        Of the rows; the first column is ``cell``. A file of another form counts as damaged.
    loss : str
        What a damaged file costs, in words.
    """

    def __init__(self, folder: Path, whole: str, schema: pa.Schema, loss: str) -> None:
        self._folder = folder
        self._whole = whole
        self._schema = schema
        self._loss = loss
        self._cells: dict[str, Numbers] = {}
        self._whole_stamp: tuple[int, ...] | None = None
        self._last_stamp = 0
        for stale in folder.glob(".*.partial-*"):
            stale.unlink(missing_ok=True)  # if somebody is writing it, they write it again

    def arrivals(self) -> Iterator[pa.Table]:
        """Tables that have not been read yet, the newest first.

        A damaged file is put out of the way, with a note.
        """
        for _ in range(_ATTEMPTS):
            vanished = False
            for name in self._listed():
                if name in self._cells and not (name == self._whole and self._is_replaced()):
                    continue
                try:
                    table = self._read(name)
                except FileNotFoundError:  # another has just put it into a larger file
                    vanished = True
                    continue
                if table is not None:
                    self._cells[name] = np.asarray(table["cell"])
                    yield table
            if not vanished:
                return

    def append(self, table: pa.Table) -> None:
        """Put rows into a new file."""
        name = self._new_name()
        self._publish(table, name, durable=False)
        self._cells[name] = np.asarray(table["cell"])

    def crowd(self) -> list[str]:
        """Names of files that have become too many of one size; none if there are no such."""
        sizes: dict[int, list[str]] = {}
        for name, cells in self._cells.items():
            if name != self._whole:
                sizes.setdefault((len(cells).bit_length() - 1) // _SIZE_BITS, []).append(name)
        return next((names for names in sizes.values() if len(names) >= 1 << _SIZE_BITS), [])

    def cells(self, names: Sequence[str]) -> Numbers:
        """Cells of which the named files hold rows, sorted, each once."""
        return np.unique(np.concatenate([self._cells[name] for name in names]))

    def merge(self, names: Sequence[str], table: pa.Table) -> None:
        """Replace some files by one.

        Parameters
        ----------
        names : sequence of str
            Files that have been read or written here.
        table : pyarrow.Table
            What is to be kept of their rows.
        """
        name = self._new_name()
        self._publish(table, name, durable=True)
        self._cells[name] = np.asarray(table["cell"])
        self.remove(names)

    def is_just(self, cells: Numbers) -> bool:
        """Whether there is one file, the whole one, and it holds these cells."""
        return set(self._cells) == {self._whole} and np.array_equal(self._cells[self._whole], cells)

    def has_whole(self) -> bool:
        """Whether the whole file has been read or written here, and found good since."""
        return self._whole in self._cells

    def parts(self) -> list[str]:
        """Names of the files that have been read or written here, except the whole one."""
        return [name for name in self._cells if name != self._whole]

    def put_whole(self, table: pa.Table) -> list[str]:
        """Make a table the whole file. What had that place is set aside, read or not.

        Parameters
        ----------
        table : pyarrow.Table
            All rows.

        Returns
        -------
        list of str
            Names of what was set aside. They count as not read.
        """
        aside: list[str] = []
        self._publish(table, self._whole, durable=True, aside=aside)
        self._cells[self._whole] = np.asarray(table["cell"])
        self._whole_stamp = None  # it is read again before anything is removed for it
        return aside

    def remove(self, names: Sequence[str]) -> None:
        """Remove files whose rows are in a newer one.

        The oldest go first: whenever this is cut short, the last error of a cell is in what is left
        or in the newer file.
        """
        for name in sorted(names):
            (self._folder / name).unlink(missing_ok=True)
            self._cells.pop(name, None)

    def _listed(self) -> list[str]:
        """Names of all files, the newest first; whatever is beside the whole one is newer."""
        names = [path.name for path in self._folder.iterdir()]
        parts = sorted((name for name in names if _LIKE_PART.fullmatch(name)), reverse=True)
        return parts + [self._whole] * (self._whole in names)

    def _is_replaced(self) -> bool:
        try:
            return _stamp((self._folder / self._whole).stat()) != self._whole_stamp
        except FileNotFoundError:
            return True

    def _read(self, name: str) -> pa.Table | None:
        path = self._folder / name
        with path.open("rb") as file:
            stamp = _stamp(os.fstat(file.fileno()))
            data = file.read()
        if name == self._whole:
            self._whole_stamp = stamp
        elif known := _PART.fullmatch(name):
            self._last_stamp = max(self._last_stamp, int(known[1]))
        table = _parsed(data)
        if table is not None and table.schema.equals(self._schema) and not table["cell"].null_count:
            return table
        note(f"{path} is damaged, or of another form: {self._loss}")
        with suppress(FileNotFoundError):
            path.rename(path.with_name(f"_damaged-{secrets.token_hex(4)}-{name}"))
        self._cells.pop(name, None)
        return None

    def _new_name(self) -> str:
        # Whatever the clock says, later names sort later: of two errors the later one is told.
        self._last_stamp = max(time.time_ns(), self._last_stamp + 1)
        return f"part-{self._last_stamp:020d}-{secrets.token_hex(4)}.parquet"

    def _publish(
        self, table: pa.Table, name: str, *, durable: bool, aside: list[str] | None = None
    ) -> None:
        """Write a file beside its place, then move it there.

        With ``aside``, whatever is in that place goes to another, whose name is added to it.
        """
        data = _serialised(table)
        partial = self._folder / f".{name}.partial-{os.getpid()}-{secrets.token_hex(4)}"
        for attempt in range(_ATTEMPTS):
            try:
                with partial.open("wb") as file:
                    file.write(data)
                    if durable:
                        file.flush()
                        os.fsync(file.fileno())
                if aside is None:
                    partial.rename(self._folder / name)
                else:
                    self._move_in(partial, aside)
                break
            except FileNotFoundError:  # one that has just begun has swept it away
                if attempt == _ATTEMPTS - 1:
                    raise
            finally:
                partial.unlink(missing_ok=True)
        if durable:
            self._sync_folder()

    def _move_in(self, partial: Path, aside: list[str]) -> None:
        """Give a file the whole one's name, and never remove one that another has put there."""
        whole = self._folder / self._whole
        while True:
            # Older than any other: its errors are not the last ones.
            name = f"part-{0:020d}-{secrets.token_hex(4)}.parquet"
            with suppress(FileNotFoundError):
                whole.rename(self._folder / name)
                aside.append(name)
            try:
                whole.hardlink_to(partial)
            except FileExistsError:
                continue
            except FileNotFoundError:
                raise
            except (OSError, NotImplementedError):  # a file system without links
                partial.replace(whole)
            return

    def _sync_folder(self) -> None:
        with suppress(OSError):  # some systems cannot, and then it is their affair
            descriptor = os.open(self._folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def read_all(folder: Path) -> list[pa.Table]:
    """Read what can be read of a folder that is somebody else's; nothing is changed.

    Parameters
    ----------
    folder : Path
        Where; need not exist.

    Returns
    -------
    list of pyarrow.Table
        The files' tables; a row may be in several.
    """
    tables = []
    for path in sorted(folder.glob("[!._]*.parquet")):
        with suppress(OSError):
            table = _parsed(path.read_bytes())
            if table is not None:
                tables.append(table)
    return tables


def _serialised(table: pa.Table) -> pa.Buffer:
    """The bytes of a file; tables that are equal, chunked alike or not, make the same bytes."""
    sink = pa.BufferOutputStream()
    text = [field.name for field in table.schema if not pa.types.is_floating(field.type)]
    pq.write_table(
        table.combine_chunks(),
        sink,
        row_group_size=_ROW_GROUP,
        compression="zstd",
        use_dictionary=text,
        write_page_checksum=True,
    )
    return sink.getvalue()


def _parsed(data: bytes) -> pa.Table | None:
    """The table in the bytes of a file, None if they are damaged."""
    try:
        source = pa.BufferReader(data)
        with pq.ParquetFile(source, page_checksum_verification=True) as file:
            table = file.read(use_threads=False)
        table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError, OverflowError):
        return None
    return table


def _stamp(found: os.stat_result) -> tuple[int, ...]:
    return (found.st_ino, found.st_size, found.st_mtime_ns)
