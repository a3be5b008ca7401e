"""Specs: what they build, how they are spelt, and what is said of wrong ones."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

from slotwise.controllers import available, canonical, make, registry
from slotwise.controllers.wmmse import Wmmse
from slotwise.emulator.scenario import InputError

Install = Callable[..., None]

MODULE = """
    from slotwise.controllers import Controller

    class Share(Controller):
        '''A share of full power.

        More is said here.
        '''

        def __init__(self, share: float, label: str = "half", *, big: bool = False) -> None:
            if not 0 <= share <= 1:
                raise ValueError(f"share = {share}: must be in [0, 1]")
            self.share, self.label, self.big = share, label, big

        def allocate(self, gain, noise_power, p_max, weight=None):
            return self.share * p_max

    class Odd(Controller):
        def __init__(self, many: list = ()) -> None:
            raise RuntimeError("two\\nlines")

        def allocate(self, gain, noise_power, p_max, weight=None):
            return p_max

    def number():
        return 3

    constant = 3
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Put a distribution with entry points on the path, as pip would, before anybody has looked."""

    def put(distribution: str = "shares", **points: str) -> None:
        info = tmp_path / f"{distribution}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n"
        )
        lines = "\n".join(f"{name} = {value}" for name, value in points.items())
        (info / "entry_points.txt").write_text(f"[slotwise.controllers]\n{lines}\n")
        (tmp_path / "shares_of_power.py").write_text(textwrap.dedent(MODULE))
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "shares_of_power", raising=False)
        registry._registered.cache_clear()

    yield put
    registry._registered.cache_clear()


def test_a_spec_builds_its_controller_with_its_options() -> None:
    controller = make("wmmse:starts=10,flip=true,tolerance=1e-3")
    assert isinstance(controller, Wmmse)
    assert (controller.starts, controller.flip, controller.tolerance) == (10, True, 1e-3)
    assert (controller.warm_start, controller.max_iterations) == (False, 500)


def test_the_seed_reaches_the_controller() -> None:
    gain = np.ones((3, 3))
    first, again, other = (make("random", seed).allocate(gain, 1.0, 1.0) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)


@pytest.mark.parametrize(
    ("spec", "spelling"),
    [
        ("wmmse", "wmmse"),
        (" wmmse : flip = TRUE , starts = 010 ", "wmmse:flip=true,starts=10"),
        ("wmmse:starts=1,flip=false,tolerance=0.00001", "wmmse"),
        ("wmmse:tolerance=0.001", "wmmse:tolerance=0.001"),
        ("wmmse:tolerance=1e-3", "wmmse:tolerance=0.001"),
        ("wmmse:3", "wmmse:starts=3"),
        ("wmmse:3,flip=true", "wmmse:flip=true,starts=3"),
        ("mlp:gaussian-ic-10", "mlp:gaussian-ic-10"),
        ("mlp:weights=gaussian-ic-10", "mlp:gaussian-ic-10"),
        ("mlp: rounding=half, weights=gaussian-ic-10", "mlp:gaussian-ic-10,rounding=half"),
        ("unrolled:unrolled-tiny", "unrolled:weights=unrolled-tiny"),
    ],
)
def test_a_controller_is_named_by_the_one_spelling_of_its_spec(spec: str, spelling: str) -> None:
    assert canonical(spec) == spelling
    assert make(spec).name == spelling
    assert canonical(spelling) == spelling


def test_what_is_available_is_listed_with_summary_and_defaults() -> None:
    known = available()
    assert list(known) == [
        "ascent", "beam", "finetuned", "fractional", "graph", "greedy", "max", "mlp", "mlp-ee",
        "optimum", "random", "rl", "unrolled", "unrolled-ee", "unrolled-late", "unrolled-tiny",
        "wmmse",
    ]  # fmt: skip
    assert known["mlp"].options["weights"] is None
    expected = {"starts": 1, "warm_start": False, "flip": False, "tolerance": 1e-5}
    assert expected.items() <= known["wmmse"].options.items()
    assert known["beam"].options["polish"] is True
    assert all("\n" not in entry.summary and entry.summary for entry in known.values())
    assert "a gap that is proved" in known["optimum"].summary


@pytest.mark.parametrize(
    ("spec", "parts"),
    [
        (
            "wmse",
            [
                "'wmse'",
                "unknown",
                "did you mean 'wmmse'?",
                "greedy, max, mlp, mlp-ee, optimum, random",
            ],
        ),
        ("", ["''", "unknown", "greedy"]),
        ("wmmse:start=3", ["no option 'start'", "did you mean 'starts'?", "warm_start"]),
        ("max:starts=3", ["no option 'starts'", "max has no options"]),
        ("wmmse:starts=2.5", ["starts = 2.5", "must be an integer"]),
        ("wmmse:starts=many", ["starts = many", "must be an integer"]),
        ("wmmse:flip=1", ["flip = 1", "must be true or false"]),
        ("wmmse:tolerance=nan", ["tolerance = nan", "must be a finite number"]),
        ("wmmse:tolerance=1e999", ["tolerance = 1e999", "must be a finite number"]),
        ("wmmse:tolerance=small", ["tolerance = small", "must be a finite number"]),
        ("wmmse:flip", ["starts = flip", "must be an integer"]),
        ("wmmse:starts=3,flip", ["'flip' must be option=value"]),
        ("wmmse:3,starts=2", ["starts is given twice"]),
        ("max:3", ["'3' must be option=value"]),
        ("mlp", ["option weights must be given"]),
        ("mlp:rounding=half", ["option weights must be given"]),
        ("wmmse:", ["'' must be option=value"]),
        ("wmmse:flip=true,", ["'' must be option=value"]),
        ("wmmse:flip=true,flip=false", ["flip is given twice"]),
        ("wmmse:starts=0", ["wmmse:starts=0", "must be at least 1"]),
    ],
)
def test_a_wrong_spec_is_answered_in_one_line(spec: str, parts: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        make(spec)
    message = str(caught.value)
    assert "\n" not in message
    assert [part for part in parts if part not in message] == []


def test_others_register_controllers_by_entry_point(install: Install) -> None:
    install(share="shares_of_power:Share")
    assert "shares_of_power" not in sys.modules
    make("wmmse")
    assert "shares_of_power" not in sys.modules
    controller = make("share:share=0.25,big=true,label=quarter")
    assert controller.name == "share:0.25,big=true,label=quarter"
    np.testing.assert_array_equal(controller.allocate(np.eye(2), np.ones(2), np.ones(2)), 0.25)
    assert available()["share"].summary == "A share of full power."
    assert available()["share"].options == {"share": None, "label": "half", "big": False}
    with pytest.raises(InputError, match="did you mean 'share'"):
        make("shar:share=1")
    with pytest.raises(InputError, match="option share must be given"):
        make("share")
    with pytest.raises(InputError, match=r"share:share=2: share = 2.0: must be in \[0, 1\]"):
        make("share:share=2")


@pytest.mark.parametrize(
    ("value", "spec", "reason"),
    [
        ("no_such_module:Share", "mine", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("shares_of_power:Missing", "mine", "AttributeError"),
        ("shares_of_power:constant", "mine", "must be callable"),
        ("shares_of_power:number", "mine", "made a int: must be a slotwise.controllers.Controller"),
        ("shares_of_power:Odd", "mine", "RuntimeError: two lines"),
        ("shares_of_power:Odd", "mine:many=3", "option many is annotated list"),
    ],
)
def test_a_broken_entry_point_names_itself(
    install: Install, value: str, spec: str, reason: str
) -> None:
    install(mine=value)
    with pytest.raises(InputError) as caught:
        make(spec)
    assert "mine" in str(caught.value)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_broken_entry_point_breaks_nothing_else(install: Install) -> None:
    install(mine="no_such_module:Share")
    assert make("max").name == "max"
    assert "no_such_module" in available()["mine"].summary
    with pytest.raises(InputError, match="mine = no_such_module:Share of shares cannot be loaded"):
        make("mine")


def test_a_built_in_name_cannot_be_taken_silently(install: Install) -> None:
    install(wmmse="shares_of_power:Share")
    with pytest.warns(RuntimeWarning, match="wmmse is built in, so .*of shares is ignored"):
        controller = make("wmmse")
    assert isinstance(controller, Wmmse)


def test_what_is_installed_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    registry._registered.cache_clear()
    reads: list[str] = []

    def counted(*, group: str) -> metadata.EntryPoints:
        reads.append(group)
        return metadata.entry_points(group=group)

    monkeypatch.setattr(registry, "entry_points", counted)
    for spec in ("max", "wmmse", "wmmse:starts=2"):
        make(spec)
    assert reads == [registry.GROUP]


def test_two_entry_points_of_one_name_are_both_named(install: Install) -> None:
    install(mine="shares_of_power:Share")
    install("others", mine="shares_of_power:Odd")
    with pytest.raises(InputError, match="registered more than once") as caught:
        make("mine:share=1")
    assert "of shares" in str(caught.value)
    assert "of others" in str(caught.value)
