"""Measured gains: what is read and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from slotwise.emulator.measured import read_gains
from slotwise.emulator.scenario import InputError

Array = NDArray[np.float64]


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
