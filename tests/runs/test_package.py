"""The package gives its functions, whichever of its modules was imported first."""

from __future__ import annotations

import subprocess
import sys

import pytest

import slotwise.runs


@pytest.mark.parametrize("name", slotwise.runs.__all__)
def test_every_public_name_is_a_documented_function(name: str) -> None:
    function = getattr(slotwise.runs, name)
    assert callable(function)
    assert function.__doc__


@pytest.mark.parametrize("name", ["compare", "evaluate", "simulate"])
def test_a_module_never_hides_the_function_of_its_name(name: str) -> None:
    program = (
        f"import slotwise.runs.{name}\n"
        f"from slotwise.runs.{name} import {name} as inside\n"
        f"from slotwise.runs import {name} as outside\n"
        "assert outside is inside and callable(outside)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert done.stderr == b""


def test_importing_the_package_imports_nothing_heavy() -> None:
    program = "import sys, slotwise.runs; print({'numpy', 'scipy', 'simpy'} & set(sys.modules))"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout == "set()\n"


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'comparre'"):
        _ = slotwise.runs.comparre  # type: ignore[attr-defined]
