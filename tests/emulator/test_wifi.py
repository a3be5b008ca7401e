"""Wi-Fi surveys: what is read, what is refused, and what a survey's radios become."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from slotwise.emulator.measured import read_gains
from slotwise.emulator.scenario import InputError
from slotwise.emulator.wifi import WifiSurvey, read_wifi_survey, wifi_links

Array = NDArray[np.float64]

_SHARED = Path(os.environ.get("SLOTWISE_SHARED", Path(__file__).parents[2] / ".." / "shared"))
UMINHO = _SHARED / "data" / "uminho-wifi" / "survey-2019-02-19"


def survey_files(folder: Path, levels: list[dict[str, int]], channel: dict[str, int]) -> Path:
    """A survey with all samples of ten at one point, the points 3 m apart."""
    rows = [",".join(f"{name}:{level}" for name, level in sample.items()) for sample in levels]
    (folder / "rssis.csv").write_text("\n".join(rows) + "\n")
    rows = [",".join(f"{name}:{channel[name]}" for name in sample) for sample in levels]
    (folder / "channels.csv").write_text("\n".join(rows) + "\n")
    rows = [f"{3.0 * (sample // 10)},1.5" for sample in range(len(levels))]
    (folder / "coordinates.csv").write_text("\n".join(rows) + "\n")
    return folder


def test_ids_of_one_radio_are_merged_and_others_are_not(tmp_path: Path) -> None:
    # b repeats a within 1 dB. Nothing else is a's radio: c is as loud but on another channel, d 4
    # dB weaker, e equal where it is heard but heard in a quarter of the samples, f equal in three
    # of four samples and 20 dB weaker in the fourth.
    levels = []
    for sample in range(80):
        a = -50 - sample % 7
        heard = {"a": a, "b": a - sample % 2, "c": a, "d": a - 4}
        heard["f"] = a if sample % 4 else a - 20
        levels.append(heard | ({"e": a} if sample < 20 else {}))
    survey = read_wifi_survey(
        survey_files(tmp_path, levels, {"a": 1, "b": 1, "c": 6, "d": 1, "e": 1, "f": 1})
    )
    assert survey.radio == ("a", "c", "d", "e", "f")
    assert survey.channel.tolist() == [1, 6, 1, 1, 1]
    # The mean of a and b in dB; e is missing where it was not heard.
    assert survey.level_dbm[:3, 0].tolist() == [-50.0, -51.5, -52.0]
    assert np.isnan(survey.level_dbm[:, 3]).tolist() == [False] * 20 + [True] * 60
    assert survey.position_m[[0, 9, 10]].tolist() == [[0.0, 1.5], [0.0, 1.5], [3.0, 1.5]]


def test_a_radio_is_heard_where_any_of_its_ids_is(tmp_path: Path) -> None:
    levels = [{"a": -60, "b": -61} for _ in range(40)]
    levels += [{"a": -70}, {"b": -80}, {"z": -90}]
    survey = read_wifi_survey(survey_files(tmp_path, levels, {"a": 11, "b": 11, "z": 36}))
    assert survey.radio == ("a", "z")
    np.testing.assert_equal(survey.level_dbm[-4:, 0], [-60.5, -70.0, -80.0, np.nan])


def test_merging_is_transitive(tmp_path: Path) -> None:
    # a and c are 4 dB apart, too far to be merged but for b between them.
    levels = [{"a": -50, "b": -52, "c": -54} for _ in range(30)]
    assert read_wifi_survey(survey_files(tmp_path, levels, {"a": 1, "b": 1, "c": 1})).radio == (
        "a",
    )


def test_few_common_samples_do_not_merge(tmp_path: Path) -> None:
    levels = [{"a": -50, "b": -50} for _ in range(19)]
    survey = read_wifi_survey(survey_files(tmp_path, levels, {"a": 1, "b": 1}))
    assert survey.radio == ("a", "b")


def test_a_sample_that_heard_nothing_is_a_sample(tmp_path: Path) -> None:
    survey = read_wifi_survey(survey_files(tmp_path, [{"a": -50}, {}, {"a": -51}], {"a": 1}))
    np.testing.assert_equal(survey.level_dbm[:, 0], [-50.0, np.nan, -51.0])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("rssis.csv", None, "no such file"),
        ("channels.csv", None, "no such file"),
        ("coordinates.csv", "0,0\n0,0\n", "2 lines, but rssis.csv has 3"),
        ("channels.csv", "a:1\n", "1 lines, but rssis.csv has 3"),
        ("coordinates.csv", "0,0\n0\n0,0\n", "every line must be x,y"),
        ("coordinates.csv", "0,0\n0,x\n0,0\n", "line 2: coordinate = 'x'"),
        ("rssis.csv", "a:-50\na-50\na:-50\n", "line 2: 'a-50' is not id:number"),
        ("rssis.csv", "a:-50\na:weak\na:-50\n", "line 2: id a = 'weak'"),
        ("rssis.csv", "\n\n\n", "no access point was heard"),
    ],
)
def test_a_faulty_survey_is_refused_in_one_line(
    tmp_path: Path, name: str, content: str | None, message: str
) -> None:
    survey_files(tmp_path, [{"a": -50}] * 3, {"a": 1})
    if content is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=message) as caught:
        read_wifi_survey(tmp_path)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


# --- networks --------------------------------------------------------------------------------


def small_survey() -> WifiSurvey:
    """Two points of three and two samples; radio 0 is the strongest at both, radio 3 is 5 GHz."""
    missing = np.nan
    return WifiSurvey(
        level_dbm=np.array(
            [
                [-40.0, -60.0, missing, -10.0],
                [-41.0, missing, missing, -10.0],
                [-42.0, -62.0, missing, -10.0],
                [-50.0, -55.0, -90.0, -10.0],
                [-51.0, -56.0, missing, -10.0],
            ]
        ),
        radio=("a", "b", "c", "d"),
        channel=np.array([1, 6, 11, 36]),
        position_m=np.array([[0.0, 0.0]] * 3 + [[5.0, 0.0]] * 2),
    )


def test_points_take_their_strongest_free_radio_in_random_order() -> None:
    # Sent with 10 dBm. Whoever comes first takes radio a, the other b; T = 2 samples in common.
    near = [[1e-5, 1e-7], [10.0**-5.1, 0.0]]  # what the first point hears of a and of b
    far = [[1e-6, 10.0**-6.5], [10.0**-6.1, 10.0**-6.6]]
    near_first = np.array([[near[t], far[t]] for t in range(2)])
    far_first = np.array([[far[t], near[t]] for t in range(2)])
    seen = set()
    for seed in range(20):
        gains = wifi_links(small_survey(), 2, 10.0, seed)
        order = "near" if np.allclose(gains, near_first, rtol=1e-12, atol=0.0) else "far"
        if order == "far":
            np.testing.assert_allclose(gains, far_first, rtol=1e-12)
        seen.add(order)
    assert seen == {"near", "far"}


def test_a_seed_and_its_generator_choose_the_same_points() -> None:
    by_seed = wifi_links(small_survey(), 1, 10.0, 5)
    by_generator = wifi_links(small_survey(), 1, 10.0, np.random.default_rng(5))
    assert by_seed.tolist() == by_generator.tolist()


def test_a_band_has_only_its_own_radios() -> None:
    gains = wifi_links(small_survey(), 1, 10.0, 1, band="5 GHz")
    assert gains.ravel().tolist() == pytest.approx([1e-2] * len(gains), rel=1e-12)
    with pytest.raises(ValueError, match=r"links = 2 must be between 1 and 1, .* a 5 GHz"):
        wifi_links(small_survey(), 2, 10.0, 1, band="5 GHz")


@pytest.mark.parametrize("links", [0, 3])
def test_a_survey_serves_no_more_links_than_it_has_points(links: int) -> None:
    with pytest.raises(ValueError, match=f"links = {links} must be between 1 and 2,"):
        wifi_links(small_survey(), links, 10.0, 1)


@pytest.mark.skipif(not UMINHO.is_dir(), reason="the UMinho survey is not on this machine")
def test_the_uminho_survey_becomes_networks() -> None:
    survey = read_wifi_survey(UMINHO)
    # 520 samples at 26 points, 161 ids; most radios of that building have two.
    samples, radios = survey.level_dbm.shape
    assert samples == 520
    assert 80 <= radios <= 130
    assert len(np.unique(survey.position_m, axis=0)) == 26
    assert -95.0 < np.nanmin(survey.level_dbm) < np.nanmax(survey.level_dbm) < 0.0
    gains = wifi_links(survey, 10, 20.0, 1)
    assert gains.shape == (20, 10, 10)
    assert ((gains >= 0.0) & (gains < 1e-4)).all()
    own = np.diagonal(gains, axis1=1, axis2=2)
    others = (gains.sum(axis=(1, 2)) - own.sum(axis=1)) / 90.0
    assert (own.mean(axis=1) > others).all()
    assert wifi_links(survey, 26, 20.0, 2).shape == (20, 26, 26)


@pytest.mark.skipif(not UMINHO.is_dir(), reason="the UMinho survey is not on this machine")
def test_the_gains_of_the_uminho_survey_can_be_replayed(tmp_path: Path) -> None:
    gains = wifi_links(read_wifi_survey(UMINHO), 5, 20.0, 3)
    path = tmp_path / "gains.npy"
    np.save(path, gains)
    assert read_gains(path).tolist() == gains.tolist()
