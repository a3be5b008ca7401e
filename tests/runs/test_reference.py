"""The scenario reference says of every field what the models say."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel

from slotwise.emulator import scenario, sections
from slotwise.runs import reference

ROOT = Path(__file__).parents[2]
PAGE = reference.scenario_reference()
MODELS = [
    model
    for module in (scenario, sections)
    for model in vars(module).values()
    if isinstance(model, type) and issubclass(model, BaseModel) and model is not BaseModel
]


def _rows(field: str) -> list[str]:
    return [line for line in PAGE.splitlines() if line.startswith(f"| `{field}` |")]


def test_page_in_the_repository_is_up_to_date() -> None:
    page = (ROOT / "docs" / "scenarios.md").read_text("utf-8")
    assert page == PAGE, "run `make docs`"


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_field_has_a_row_with_its_meaning(model: type[BaseModel]) -> None:
    for name, field in model.model_fields.items():
        if name == "kind" and field.description is None:
            assert f'kind = "{field.default}"`' in PAGE
            continue
        if model is scenario.Scenario and f"\n## `[{name}]`" in PAGE.replace("[[", "[").replace(
            "]]", "]"
        ):
            continue
        assert _rows(name), name
        meaning = (field.description or "").split(" [")[0].replace("|", r"\|")
        assert any(meaning[1:] in row for row in _rows(name)), name


@pytest.mark.parametrize("name", scenario.builtin())
def test_every_built_in_scenario_is_listed(name: str) -> None:
    assert f"| `{name}` |" in PAGE


def test_ranges_are_intervals_with_the_right_ends() -> None:
    assert "| number in `(0, 1]` | `0.1` |" in _rows("penetration")[0]  # gt=0, le=1
    assert "| number in `[0, 30]` | `0` |" in _rows("noise_figure_db")[0]  # ge=0, le=30
    assert "| integer in `[1, 16]` | left out |" in _rows("quantisation_bits")[0]
    assert '| `"hold"`, `"max"`, `"silent"` | `"hold"` |' in _rows("fallback")[0]
    assert "| number in `[1e-6, 10]` | `0.001` |" in _rows("slot_s")[0]
    assert "| `true`, `false` | `false` |" in _rows("wrap_around")[0]
    assert "| array of integer in `[0, 23]` | required |" in _rows("hours")[0]


def test_common_fields_of_kinds_stand_once() -> None:
    assert len(_rows("hysteresis_db")) == 1
    assert "### Common to `hexagons`, `poisson`, `disc`, `grid`, `sites`" in PAGE


def test_check_tells_an_old_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "scenarios.md"
    assert reference.main(["--check", str(file)]) == 1
    assert "make docs" in capsys.readouterr().err
    assert reference.main([str(file)]) == 0
    assert reference.main(["--check", str(file)]) == 0
    file.write_text(file.read_text("utf-8").replace("slot_s", "slot_ms"), "utf-8")
    assert reference.main(["--check", str(file)]) == 1
