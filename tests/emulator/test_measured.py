"""Measured gains: what is read, what is refused, and what a survey's radios become."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from slotwise.emulator.measured import WifiSurvey, read_gains, read_wifi_survey, wifi_links
from slotwise.emulator.scenario import InputError

Array = NDArray[np.float64]

_SHARED = Path(os.environ.get("SLOTWISE_SHARED", Path(__file__).parents[2] / ".." / "shared"))
UMINHO = _SHARED / "data" / "uminho-wifi" / "survey-2019-02-19"


def saved(folder: Path, array: object) -> Path:
    """An .npy file with the array."""
    path = folder / "gains.npy"
    np.save(path, np.asarray(array))
    return path


def table(folder: Path, text: str) -> Path:
    """A .csv file with the text."""
    path = folder / "levels.csv"
    path.write_text(text)
    return path


# --- arrays ----------------------------------------------------------------------------------


def test_an_array_is_read_as_it_was_saved(tmp_path: Path) -> None:
    gains = np.random.default_rng(1).exponential(size=(5, 3, 3))
    read = read_gains(saved(tmp_path, gains), transmit_dbm=20.0)
    assert read.dtype == np.float64
    assert read.tolist() == gains.tolist()


def test_a_matrix_is_one_slot(tmp_path: Path) -> None:
    assert read_gains(saved(tmp_path, [[1, 2], [3, 4]])).tolist() == [[[1.0, 2.0], [3.0, 4.0]]]


@pytest.mark.parametrize("value", [np.nan, np.inf, -1e-9])
def test_a_value_that_is_no_gain_is_named_with_its_place(tmp_path: Path, value: float) -> None:
    gains = np.ones((4, 2, 2))
    gains[2, 0, 1] = value
    with pytest.raises(InputError, match=r"gains\.npy: gain\[2, 0, 1\] = ") as caught:
        read_gains(saved(tmp_path, gains))
    assert str(value) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("shape", [(3,), (2, 3), (4, 2, 3), (1, 1, 2, 2), (0, 2, 2), (3, 0, 0)])
def test_an_array_of_another_shape_is_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"shape .* is needed"):
        read_gains(saved(tmp_path, np.ones(shape)))


@pytest.mark.parametrize("array", [np.ones((2, 2), complex), np.ones((2, 2), bool), [["a"]]])
def test_an_array_of_another_type_is_refused(tmp_path: Path, array: object) -> None:
    with pytest.raises(InputError, match="real numbers"):
        read_gains(saved(tmp_path, array))


def test_pickles_archives_and_torn_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "gains.npy"
    np.save(path, np.array([[{"a": 1}]]), allow_pickle=True)
    with pytest.raises(InputError, match="not an array of numbers"):
        read_gains(path)
    for content in (b"", b"text", b"\x93NUMPY"):
        path.write_bytes(content)
        with pytest.raises(InputError, match="not an array of numbers"):
            read_gains(path)
    with path.open("wb") as file:
        np.savez(file, a=np.ones((2, 2)))
    with pytest.raises(InputError, match="one array"):
        read_gains(path)


def test_a_missing_file_and_another_kind_of_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nothing\.npy: no such file"):
        read_gains(tmp_path / "nothing.npy")
    path = tmp_path / "gains.mat"
    path.write_text("")
    with pytest.raises(InputError, match=r"\.npy or \.csv, not '\.mat'"):
        read_gains(path)


# --- tables ----------------------------------------------------------------------------------


def test_a_table_becomes_gains_with_receivers_as_rows(tmp_path: Path) -> None:
    # Sent with 20 dBm: -70 dBm is a gain of -90 dB. Id 10 sorts after 9, as a number.
    path = table(
        tmp_path,
        "dBm,RX, Tx,Time,note\n-70,9,9,0.5,a\n-80,9,10,0.5,b\n-60,10,10,0.5,\n-75,10,9,10,\n",
    )
    gains = read_gains(path, transmit_dbm=20.0)
    expected = [[[1e-9, 1e-10], [0.0, 1e-8]], [[0.0, 0.0], [10.0**-9.5, 0.0]]]
    np.testing.assert_allclose(gains, expected, rtol=1e-12)


def test_ids_and_times_may_be_text(tmp_path: Path) -> None:
    path = table(
        tmp_path, "time,rx,tx,dbm\n09:30,b,b,-10\n09:00,a,a,-20\n\n09:00,b,a,\n09:30,a,b,-30\n"
    )
    gains = read_gains(path, transmit_dbm=0.0)
    expected = [[[1e-2, 0.0], [0.0, 0.0]], [[0.0, 1e-3], [0.0, 1e-1]]]
    np.testing.assert_allclose(gains, expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no column time, rx, tx, dbm"),
        ("time,rx,tx,level\n0,1,1,-50\n", "no column dbm"),
        ("time,rx,tx,dbm\n", "no rows"),
        ("time,rx,tx,dbm\n0,1,1,-50\n0,1,2,loud\n", "line 3: dbm = 'loud'"),
        ("time,rx,tx,dbm\n0,1,1,nan\n", "line 2: dbm = 'nan'"),
        ("time,rx,tx,dbm\n0,1,1,1e9\n", "line 2: dbm = 1e9 must be at most 200"),
        ("time,rx,tx,dbm\n0,1\n", "line 2: 2 cells, too few"),
        ("time,rx,tx,dbm\n0,,1,-50\n", "line 2: time, rx and tx must not be empty"),
        ("time,rx,tx,dbm\n0,1,1,-50\n0.0,1,1,-51\n", "line 3: .* occurs twice"),
        ("time,rx,tx,dbm\n0,r1,t1,-50\n", "no id occurs both as rx and as tx"),
    ],
)
def test_a_faulty_table_is_refused_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read_gains(table(tmp_path, text))
    assert "levels.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_table_that_is_not_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "levels.csv"
    path.write_bytes(b"time,rx,tx,dbm\n\xff\xfe,1,1,-50\n")
    with pytest.raises(InputError, match="not a table"):
        read_gains(path)


# --- surveys ---------------------------------------------------------------------------------


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
    # b repeats a within 2 dB; c is as loud as a but on another channel; d is 10 dB weaker; e is
    # a's equal where it is heard, but that is in a quarter of the samples.
    levels = []
    for sample in range(80):
        a = -50 - sample % 7
        heard = {"a": a, "b": a - 2 * (sample % 2), "c": a, "d": a - 10}
        levels.append(heard | ({"e": a} if sample < 20 else {}))
    survey = read_wifi_survey(
        survey_files(tmp_path, levels, {"a": 1, "b": 1, "c": 6, "d": 1, "e": 1})
    )
    assert survey.radio == ("a", "c", "d", "e")
    assert survey.channel.tolist() == [1, 6, 1, 1]
    # The mean of a and b in dB; e is missing where it was not heard.
    assert survey.level_dbm[:3, 0].tolist() == [-50.0, -52.0, -52.0]
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
    assert read_gains(saved(tmp_path, gains)).tolist() == gains.tolist()
