"""The pages of the environments say what the environments are."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import gymnasium as gym
import matplotlib.image
import numpy as np
import pytest
from gymnasium import spaces

import slotwise.envs  # noqa: F401 - registers the environments
from slotwise.envs.options import ActionLaw, Form, OptionValues, Reward
from slotwise.envs.registration import ENVIRONMENTS
from slotwise.runs import environment_pages as pages
from slotwise.runs.environment_prose import INFO, LAWS, STORIES
from slotwise.runs.environment_tables import local_table, observation_table, options_table

ROOT = Path(__file__).parents[2]
FOLDER, PICTURES = ROOT / "docs" / "environments", ROOT / "docs" / "images" / "environments"
SHARED = (FOLDER / "README.md").read_text("utf-8")
MADE = pages.environment_pages(SHARED)
SUBJECTS = {subject.name: subject for subject in pages._subjects()}


@pytest.mark.parametrize("name", MADE)
def test_page_in_the_repository_is_up_to_date(name: str) -> None:
    assert (FOLDER / name).read_text("utf-8") == MADE[name], "run `make docs`"


def test_every_environment_has_a_page_and_a_line_in_the_index() -> None:
    assert set(STORIES) == set(ENVIRONMENTS)
    assert len(MADE) == 1 + len(ENVIRONMENTS)
    for name, subject in SUBJECTS.items():
        assert f"[`{name}`]({subject.stem}.md)" in SHARED


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_a_page_has_the_spaces_of_its_environment(name: str) -> None:
    page = MADE[f"{SUBJECTS[name].stem}.md"]
    env = gym.make(name)
    assert isinstance(env.observation_space, spaces.Dict)
    for key, space in env.observation_space.items():
        assert isinstance(space, spaces.Box)
        (row,) = (line for line in page.splitlines() if line.startswith(f"| `{key}` |"))
        _, _, shape, low, high, *_ = (cell.strip() for cell in row.split("|"))
        assert shape == str(space.shape)
        bounds = [float(eval(bound.replace("^", "**"))) for bound in (low, high)]  # noqa: S307
        assert bounds == [space.low.min(), space.high.max()]
    assert isinstance(env.action_space, spaces.MultiDiscrete)
    assert f"`MultiDiscrete([10] * {env.action_space.shape[0]})`" in page
    assert env.spec is not None
    assert f"| Episode | {env.spec.max_episode_steps:,} steps of" in page
    flat = gym.make(name, observation="flat").observation_space
    assert flat.shape is not None
    assert f"The flat form is a `Box` of\n{flat.shape[0]:,} numbers" in page.replace(
        f"Box` of {flat.shape[0]:,}", f"Box` of\n{flat.shape[0]:,}"
    )


def test_every_word_that_an_option_takes_is_explained() -> None:
    table = options_table()
    for name in ("scenario", *OptionValues.__annotations__):
        (row,) = (line for line in table.splitlines() if line.startswith(f"| `{name}` |"))
        assert all(cell.strip() for cell in row.split("|")[1:-1]), name
    for word in get_args(Reward):
        assert f"\n| `{word}` | " in SHARED
    for word in get_args(Form):
        assert f'observation="{word}"' in SHARED
    assert [law[0].strip("`") for law in LAWS] == list(get_args(ActionLaw))


def test_infos_hold_what_the_table_says() -> None:
    env = gym.make("slotwise/GaussianIC-v0")
    _, first = env.reset(seed=1)
    *_, second = env.step(env.action_space.sample())
    for info in (first, second):
        assert [row[0].strip("`") for row in INFO] == list(info)
    kinds = {"float": float, "int": int, "(M,) float64": np.ndarray, "(M,) bool": np.ndarray}
    for key, kind, *_ in INFO:
        assert isinstance(second[key.strip("`")], kinds[kind])


def test_a_local_row_has_as_many_features_as_the_page_says() -> None:
    space = gym.make("slotwise/GaussianIC-v0", observation="local", neighbours=3).observation_space
    assert space.shape == (10, 7 + 11 * 3)
    assert local_table().count("| own |") == 7
    assert local_table().count("`in_n_` |") + local_table().count("`out_n_` |") == 11


def test_shapes_in_general_are_in_letters() -> None:
    assert "| `gain` | (M, M) | -1 | 1 |" in observation_table()
    assert "| `csi_age` | (1,) | 0 | 1 |" in observation_table()


def test_check_tells_an_old_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "README.md").write_text(SHARED, "utf-8")
    assert pages.main(["--check", str(tmp_path)]) == 1
    assert "make docs" in capsys.readouterr().err
    assert pages.main([str(tmp_path)]) == 0
    assert pages.main(["--check", str(tmp_path)]) == 0
    file = tmp_path / "README.md"
    file.write_text(SHARED.replace("| `levels` | integer |", "| `levels` | text |"), "utf-8")
    assert pages.main(["--check", str(tmp_path)]) == 1


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_every_picture_is_a_frame_of_few_bytes(name: str) -> None:
    file = PICTURES / f"{SUBJECTS[name].stem}.png"
    assert file.stat().st_size <= 80_000
    assert matplotlib.image.imread(file).shape[:2] == (540, 960)


def test_a_picture_can_be_drawn_again() -> None:
    assert pages._frame(SUBJECTS["slotwise/IMAC-v0"]).shape == (540, 960, 3)
