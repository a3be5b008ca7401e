"""The package gives its names, and costs nothing until one is used."""

from __future__ import annotations

import subprocess
import sys

import pytest

import slotwise.runs


@pytest.mark.parametrize("name", slotwise.runs.__all__)
def test_every_public_name_is_documented(name: str) -> None:
    assert getattr(slotwise.runs, name).__doc__


def test_importing_the_package_imports_nothing_heavy() -> None:
    program = "import sys, slotwise.runs; print({'numpy', 'scipy', 'simpy'} & set(sys.modules))"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout == "set()\n"


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'comparre'"):
        _ = slotwise.runs.comparre
