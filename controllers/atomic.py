"""Files that are there whole or not at all."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

__all__ = ["write_whole"]


def write_whole(path: Path, content: bytes) -> None:
    """Write a file, replacing the one before; a kill at any moment leaves that.

    Parameters
    ----------
    path : Path
        Where; its folder is created.
    content : bytes
        What is to be in it.

    Raises
    ------
    OSError
        If it cannot be written; what was there is still there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Processes on two machines that share a disk may have the same number.
    beside = f".{path.name}.partial-{os.getpid()}-{secrets.token_hex(4)}"
    partial = path.with_name(beside)
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
