"""Files that a plan names: found from its own folder, and known by what is in them."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from slotwise.controllers.cards import shipped
from slotwise.controllers.registry import make
from slotwise.emulator import sections
from slotwise.emulator.scenario import InputError
from slotwise.runs.sweeps.planning import planned
from slotwise.runs.sweeps.planning.files import PATHS, digest, weights_of, with_folder, written
from slotwise.runs.sweeps.planning.plan import read_plan
from slotwise.runs.sweeps.storage.manifest import (
    check_sweep_place,
    earlier_partitions,
    write_manifest,
)

HEAD = 'scenario = "gaussian-ic"\ncontrollers = ["max", "mlp:w.safetensors"]\nseeds = 2\n'
REPLAYED = (
    'scenario = "gaussian-ic"\ncontrollers = ["max"]\nseeds = 1\n'
    '[[list]]\nchannel.fading = "replay"\nchannel.replay_path = "a.csv"\n'
    '[[list]]\nchannel.fading = "replay"\nchannel.replay_path = "data/b.csv"\n'
)
PROFILE = (
    "[set.population]\nmax_users = 99\n"
    '[set.population.profile]\npath = "a.csv"\ndate = "2020-01-01"\nhours = [1]\n'
)
SITES = HEAD.replace("gaussian-ic", "imac")
SITES += '[set.layout]\nkind = "sites"\npath = "data/b.csv"\n'
SHIPPED = shipped("mlp")


def put(folder: Path, text: str = HEAD, weights: str = "gaussian-ic-10") -> Path:
    """A plan with what it may name beside it."""
    (folder / "data").mkdir(parents=True, exist_ok=True)
    for name in ("a.csv", "data/b.csv"):
        (folder / name).write_text(f"time,rx,tx,dbm\n0,0,0,-{len(name)}\n")
    shutil.copy(SHIPPED[weights], folder / "w.safetensors")
    (folder / "mine.toml").write_text(text)
    return folder / "mine.toml"


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory that is not the plan's folder, and has other weights of that name."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    shutil.copy(SHIPPED["gaussian-ic-20"], folder / "w.safetensors")
    monkeypatch.chdir(folder)
    return folder


def test_weights_are_those_beside_the_plan_wherever_it_is_read(
    tmp_path: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = put(tmp_path / "one")
    plan = read_plan(path)
    assert plan.controllers == ("max", "mlp:w.safetensors")
    assert plan.cell(1).controller == "mlp:w.safetensors"
    assert plan.specs == ("max", f"mlp:{tmp_path}/one/w.safetensors")
    card = make(plan.specs[1]).card  # type: ignore[attr-defined]
    assert card.users == 10
    monkeypatch.chdir(path.parent)
    assert read_plan("mine.toml").hash == plan.hash


def test_a_plan_that_is_moved_with_its_files_is_the_same(tmp_path: Path, elsewhere: Path) -> None:
    text = (
        'scenario = "../towns/own.toml"\ncontrollers = ["max", "mlp:./w.safetensors"]\nseeds = 1\n'
        f"{PROFILE}"
        '[grid]\n"layout.path" = ["data/b.csv", "../towns/c.csv"]\n'
    )
    plans = []
    for place in ("first", "second/deeper"):
        towns = tmp_path / place / "towns"
        towns.mkdir(parents=True)
        (towns / "c.csv").write_text("x")
        (towns / "own.toml").write_text(
            'name = "own"\nlayout = { kind = "sites", path = "c.csv" }\n'
            'channel.path_loss.kind = "log-distance"\n'
        )
        plans.append(read_plan(put(tmp_path / place / "plans", text)))
    first, second = plans
    assert first.hash == second.hash
    assert first.points == (("data/b.csv",), ("../towns/c.csv",))
    assert first.controllers == ("max", "mlp:w.safetensors")
    assert list(first.files) == ["../towns/c.csv", "a.csv", "data/b.csv", "w.safetensors"]
    assert str(tmp_path) not in json.dumps(first.resolved())
    lived = Path(second.scenario(1).layout.path)  # type: ignore[union-attr]
    assert lived.resolve() == tmp_path / "second/deeper/towns/c.csv"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (HEAD, "w.safetensors"),
        (REPLAYED, "a.csv"),
        (REPLAYED, "data/b.csv"),
        (SITES + PROFILE, "a.csv"),
        (SITES + PROFILE, "data/b.csv"),
    ],
)
def test_other_contents_are_another_plan_and_missing_files_are_told(
    tmp_path: Path, text: str, name: str
) -> None:
    path = put(tmp_path / "one", text)
    before = read_plan(path)
    file = path.parent / name
    assert before.files[name] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert before.hash == read_plan(path).hash
    if name == "w.safetensors":
        put(path.parent, text, "gaussian-ic-10-rate")
    else:
        file.write_text("other")
    after = read_plan(path)
    assert after.hash != before.hash
    partition = tmp_path / "out" / "cells" / f"plan={before.hash}"
    write_manifest(partition, before, "")
    with pytest.raises(InputError, match=f"begun with another {name}, whose SHA-256 was "):
        check_sweep_place(tmp_path / "out", after)
    assert earlier_partitions(tmp_path / "out", after) == []
    file.unlink()
    with pytest.raises(
        InputError, match=rf"mine\.toml: .*{file}: (there is )?no such file"
    ) as told:
        read_plan(path)
    assert "\n" not in str(told.value)


def test_a_learned_controller_may_join_a_sweep(tmp_path: Path) -> None:
    small = read_plan(put(tmp_path / "one", HEAD.replace(', "mlp:w.safetensors"', "")))
    assert small.files == {}
    assert "files" not in small.resolved()
    large = read_plan(put(tmp_path / "one"))
    write_manifest(tmp_path / "out" / "cells" / f"plan={small.hash}", small, "")
    check_sweep_place(tmp_path / "out", large)
    assert earlier_partitions(tmp_path / "out", large) == [f"plan={small.hash}"]


def test_what_is_only_in_the_current_directory_is_not_found(
    tmp_path: Path, elsewhere: Path
) -> None:
    path = put(tmp_path / "one")
    (path.parent / "w.safetensors").unlink()
    with pytest.raises(InputError, match="paths in a plan start from its own folder"):
        read_plan(path)


def test_gains_that_nobody_plays_need_not_be_there(tmp_path: Path) -> None:
    text = HEAD + '[set.channel]\nfading = "iid"\nreplay_path = "absent.csv"\n'
    assert list(read_plan(put(tmp_path / "one", text)).files) == ["w.safetensors"]


def test_a_file_is_read_once_however_often_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []

    def note(file: Path) -> str:
        read.append(file)
        return ""

    monkeypatch.setattr(planned, "digest", note)
    controllers = '"mlp:w.safetensors", "mlp:w.safetensors,rounding=half"'
    text = HEAD.replace('"mlp:w.safetensors"', controllers)
    text += '[grid]\n"population.initial_users" = [2, 3, 4]\n'
    text += '"channel.replay_path" = ["a.csv"]\n"channel.fading" = ["replay", "iid"]\n'
    plan = read_plan(put(tmp_path / "one", text))
    assert plan.hash == plan.hash
    assert [file.name for file in read if file.name.startswith("w")] == ["w.safetensors"]
    assert len(read) == 2


def test_data_inside_packages_counts_too(tmp_path: Path) -> None:
    inside = "package:numpy/__init__.py"
    text = SITES.replace("data/b.csv", inside)
    assert inside in read_plan(put(tmp_path / "one", text)).files


def test_overrides_of_a_builtin_plan_start_from_the_current_directory(
    elsewhere: Path,
) -> None:
    (elsewhere / "sites.csv").write_text("x")
    plan = read_plan("winner-map", ["layout.kind=sites", "layout.path=sites.csv"])
    assert plan.base.layout.path == str(elsewhere / "sites.csv")  # type: ignore[union-attr]
    assert list(plan.files) == ["sites.csv"]


# --- specs -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("folder")
    for name in ("w.safetensors", "agent.zip", "both", "rate=0.1/net.pt", "nets/a.pt"):
        (place / name).parent.mkdir(exist_ok=True)
        (place / name).touch()
    return place


@pytest.mark.parametrize(
    ("spec", "told", "names"),
    [
        ("max", "max", []),
        ("mlp:gaussian-ic-10", "mlp:gaussian-ic-10", []),
        ("finetuned:mlp:gaussian-ic-10,objective=both", "", []),
        ("mlp:./w.safetensors,rounding=half", "mlp:w.safetensors,rounding=half", ["w.safetensors"]),
        (
            "graph:sparse=8,weights=nets//../w.safetensors",
            "graph:sparse=8,weights=nets/../w.safetensors",
            ["nets/../w.safetensors"],
        ),
        ("rl:action=db,path=agent.zip,trust=true", "", ["agent.zip"]),
        ("finetuned:mlp:w.safetensors+rounding=half,every=50", "", ["w.safetensors"]),
        ("mine:nets/a.pt,rate=0.5,other=agent.zip", "", ["agent.zip", "nets/a.pt"]),
        ("mine:rate=0.1/net.pt", "", ["rate=0.1/net.pt"]),
        ("mine:nets/absent.pt", "", []),
    ],
)
def test_files_in_specs_are_found_kept_as_written_and_given_a_whole_path(
    folder: Path, spec: str, told: str, names: list[str]
) -> None:
    found = written(spec, folder)
    assert found == (told or spec)
    files = weights_of(found, folder)
    assert sorted(files) == names
    whole = with_folder(found, folder, files)
    for name in files:
        assert whole.count(f"{folder}/{name}") == 1
    assert whole.replace(f"{folder}/", "") == found


def test_absolute_paths_stay(folder: Path) -> None:
    spec = f"mlp:{folder}/w.safetensors"
    assert written(spec, Path("/plans")) == spec
    assert with_folder(spec, Path("/plans"), [f"{folder}/w.safetensors"]) == spec


@pytest.mark.parametrize(("name", "spec"), [("a,b", "mlp:{}"), ("a+b", "finetuned:mlp:{}")])
def test_a_path_that_no_spec_can_hold_is_told(tmp_path: Path, name: str, spec: str) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "w.safetensors").touch()
    with pytest.raises(InputError, match=r"no path with '[,+]' in it can stand in a spec"):
        with_folder(spec.format("w.safetensors"), tmp_path / name, ["w.safetensors"])


def test_a_digest_is_of_the_whole_file_and_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    content = bytes(range(256)) * 5000
    (tmp_path / "large").write_bytes(content)
    assert digest(tmp_path / "large") == hashlib.sha256(content).hexdigest()
    with pytest.raises(InputError, match=r"cannot read .*: Is a directory"):
        digest(tmp_path)


def test_all_fields_that_hold_paths_are_known() -> None:
    models = [each for each in vars(sections).values() if isinstance(each, type)]
    fields = {name for model in models for name in getattr(model, "model_fields", {})}
    assert {name for name in fields if "path" in name and name != "path_loss"} <= {*PATHS}


def test_a_file_far_above_the_plan_is_known_by_what_it_is_called(tmp_path: Path) -> None:
    text = HEAD + '[grid]\nchannel.fading = ["replay"]\nchannel.replay_path = ["../../x.csv"]\n'
    plans = []
    for place, level in (("one", 60), ("two", 60), ("three", 61)):
        path = put(tmp_path / place / "a" / "b", text)
        (tmp_path / place / "x.csv").write_text(f"time,rx,tx,dbm\n0,0,0,-{level}\n")
        plans.append(read_plan(path))
    one, two, three = plans
    assert list(one.files) == ["../../x.csv", "w.safetensors"]
    assert one.hash == two.hash != three.hash
    write_manifest(tmp_path / "out" / "cells" / f"plan={one.hash}", one, "")
    with pytest.raises(InputError, match=r"begun with another \.\./\.\./x\.csv"):
        check_sweep_place(tmp_path / "out", three)


def test_a_path_through_a_link_is_the_file_behind_it(tmp_path: Path) -> None:
    text = HEAD.replace("w.safetensors", "link/../w.safetensors")
    path = put(tmp_path / "plan", text)
    put(tmp_path / "far", weights="gaussian-ic-20")
    (tmp_path / "far" / "inner").mkdir()
    (path.parent / "link").symlink_to(tmp_path / "far" / "inner")
    plan = read_plan(path)
    assert plan.files == {"link/../w.safetensors": digest(tmp_path / "far" / "w.safetensors")}
    assert make(plan.specs[1]).card.users == 20  # type: ignore[attr-defined]


def test_a_file_that_changes_while_cells_are_lived_is_told(tmp_path: Path) -> None:
    plan = read_plan(put(tmp_path / "plan"))
    plan.check_files()
    put(tmp_path / "plan", weights="gaussian-ic-20")
    with pytest.raises(InputError, match=r"^w\.safetensors has changed while cells were lived"):
        plan.check_files()
