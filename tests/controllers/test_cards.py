"""Weights files: what is written is read again, and whatever is wrong is said in one line."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import save

from slotwise.controllers import cards
from slotwise.controllers.cards import Card, Result, architecture_of, read, shipped, write
from slotwise.emulator.scenario import InputError

Floats = NDArray[np.float32]

CARD = Card(
    network="graph",
    name="small",
    sizes={"hidden": 4, "wide": 0.5, "shared": True, "kind": "plain"},
    scenario="gaussian-ic",
    overrides=["radio.noise_dbm=10"],
    users=None,
    command="slotwise train graph",
    recipe={"steps": 3, "schedule": "cosine"},
    seed=1,
    steps=3,
    samples=300,
    seconds=0.5,
    date="2026-01-02",
    versions={"slotwise": "0.1.0"},
    results=[
        Result(
            scenario="gaussian-ic",
            users=10,
            samples=100,
            seed=2,
            relative=99.5,
            relative_rounded=99.0,
            low=99.4,
            high=99.6,
        )
    ],
)


def tensors(seed: int = 0) -> dict[str, Floats]:
    rng = np.random.default_rng(seed)
    return {
        "inner": rng.standard_normal((3, 5)).astype(np.float32),
        "outer.bias": rng.standard_normal(7).astype(np.float32),
    }


@pytest.fixture
def path(tmp_path: Path) -> Path:
    place = tmp_path / "small.safetensors"
    write(place, CARD, tensors())
    return place


def refusal(path: Path | str, network: str = "graph") -> str:
    with pytest.raises(InputError) as refused:
        read(path, network)
    text = str(refused.value)
    assert "\n" not in text
    return text


def with_header(path: Path, **metadata: str) -> Path:
    path.write_bytes(save(tensors(), metadata=metadata))
    return path


def test_what_is_written_is_read(path: Path) -> None:
    found = read(path, "graph")
    assert found.card == CARD
    assert list(found.tensors) == list(tensors())
    for name, tensor in tensors().items():
        assert found.tensors[name].dtype == np.float32
        np.testing.assert_array_equal(found.tensors[name], tensor)


def test_a_path_may_be_text(path: Path) -> None:
    assert read(str(path), "graph").card == CARD


def test_half_precision_keeps_eleven_bits_in_half_the_room(tmp_path: Path) -> None:
    large = {"weight": np.random.default_rng(0).standard_normal((99, 99))}
    for half in (False, True):
        write(tmp_path / f"{half}.safetensors", CARD, large, half=half)
    found = read(tmp_path / "True.safetensors", "graph").tensors["weight"]
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, large["weight"], rtol=2.0**-11, atol=1e-7)
    sizes = [(tmp_path / f"{half}.safetensors").stat().st_size for half in (False, True)]
    assert sizes[0] - sizes[1] == 2 * 99 * 99


def test_views_and_transposes_are_written_as_what_they_show(tmp_path: Path) -> None:
    whole = np.arange(12, dtype=np.float64).reshape(3, 4)
    write(tmp_path / "view.safetensors", CARD, {"t": whole.T, "row": whole[1]})
    found = read(tmp_path / "view.safetensors", "graph").tensors
    np.testing.assert_array_equal(found["t"], whole.T)
    np.testing.assert_array_equal(found["row"], whole[1])


def test_a_folder_is_made_where_there_is_none(tmp_path: Path) -> None:
    write(tmp_path / "deep" / "er" / "small.safetensors", CARD, tensors())
    assert read(tmp_path / "deep" / "er" / "small.safetensors", "graph").card == CARD


def test_a_file_that_cannot_be_written_whole_leaves_the_one_before(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_room)
    with pytest.raises(OSError, match="No space left"):
        write(path, CARD, tensors(1))
    np.testing.assert_array_equal(read(path, "graph").tensors["inner"], tensors()["inner"])
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_not_written(tmp_path: Path, bad: float) -> None:
    with pytest.raises(ValueError, match="tensor weight has NaN"):
        write(tmp_path / "bad.safetensors", CARD, {"weight": np.array([1.0, bad])})
    assert list(tmp_path.iterdir()) == []


def test_numbers_too_large_for_half_precision_are_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="beyond"):
        write(tmp_path / "bad.safetensors", CARD, {"weight": np.array([1e5])}, half=True)


def test_weights_have_one_suffix(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"must end in \.safetensors"):
        write(tmp_path / "small.bin", CARD, tensors())


def test_a_missing_file_is_named() -> None:
    assert refusal("no/such.safetensors") == "weights = no/such.safetensors: there is no such file"


def test_an_unknown_name_is_answered_with_what_is_allowed() -> None:
    text = refusal("nonesuch")
    assert text.startswith("weights = nonesuch")
    assert text.endswith("a path that ends in .safetensors")


def test_a_near_name_is_guessed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cards, "_SHIPPED", tmp_path)
    write(tmp_path / "mlp-gaussian-ic-10.safetensors", CARD, tensors())
    assert "(did you mean 'gaussian-ic-10'?)" in refusal("gaussian-ic10", "mlp")


def test_files_that_come_along_are_known_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cards, "_SHIPPED", tmp_path)
    for name in ("mlp-ee-imac-3x12", "mlp-imac-3x24", "graph", "unrolled", "unrolled-tiny"):
        kind: Any = architecture_of(name)
        card = CARD.model_copy(update={"network": kind})
        write(tmp_path / f"{name}.safetensors", card, tensors())
    assert list(shipped()) == ["graph", "imac-3x12", "imac-3x24", "unrolled", "unrolled-tiny"]
    assert list(shipped("mlp")) == ["imac-3x24"]
    assert list(shipped("unrolled")) == ["unrolled", "unrolled-tiny"]
    for network in ("mlp", "mlp-ee", "graph", "unrolled"):
        for name in shipped(network):
            assert read(name, network).card.network == network
    assert "must be unrolled, unrolled-tiny" in refusal("imac-3x12", "unrolled")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "folder.safetensors").mkdir()
    assert "damaged or no weights file" in refusal(tmp_path / "folder.safetensors")


@pytest.mark.parametrize("kept", [0, 1, 7, 8, 9, 50, 400, -1])
def test_a_file_cut_short_is_refused(path: Path, kept: int) -> None:
    path.write_bytes(path.read_bytes()[:kept])
    assert "damaged" in refusal(path)


def test_a_damaged_header_is_refused(path: Path) -> None:
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    length = 8 + int.from_bytes(whole[:8], "little")
    refused = 0
    for _ in range(300):
        damaged = bytearray(whole)
        damaged[rng.integers(length)] = rng.integers(256)
        path.write_bytes(damaged)
        with contextlib.suppress(InputError):  # and nothing else is raised
            read(path, "graph")
            continue
        refused += 1
    assert refused > 100  # the others changed a word of the card, or nothing


def test_pickled_weights_are_refused_unread(path: Path, tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "sprung",)

    path.write_bytes(pickle.dumps(Trap()))
    assert "damaged" in refusal(path)
    assert not (tmp_path / "sprung").exists()


def test_weights_of_another_network_are_refused(path: Path) -> None:
    assert refusal(path, "mlp").endswith("weights of the network graph: must be of mlp")


def test_a_file_without_a_card_is_refused(path: Path) -> None:
    assert "no card" in refusal(with_header(path))
    assert "no card" in refusal(with_header(path, other="{}"))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("format", 2),
        ("network", "transformer"),
        ("users", 0),
        ("steps", -1),
        ("seconds", "long"),
        ("surprise", 1),
        ("sizes", {"hidden": [1]}),
        ("results", [{"scenario": "gaussian-ic"}]),
    ],
)
def test_a_card_that_is_wrong_is_refused_by_its_field(path: Path, field: str, value: Any) -> None:
    table = json.loads(CARD.model_dump_json()) | {field: value}
    text = refusal(with_header(path, slotwise=json.dumps(table)))
    assert f"damaged card: {field}" in text


def test_a_card_that_is_no_json_is_refused(path: Path) -> None:
    assert "damaged card" in refusal(with_header(path, slotwise="{"))


def test_a_card_with_a_missing_field_is_refused(path: Path) -> None:
    assert "damaged card: network" in refusal(with_header(path, slotwise="{}"))


def test_tensors_must_be_finite_floats(path: Path) -> None:
    for tensor, reason in (
        (np.array([1, 2]), "int64: must be float16 or float32"),
        (np.array([1.0, 2.0]), "float64: must be float16 or float32"),
        (np.array([1.0, np.nan], np.float32), "not finite"),
    ):
        whole = hashlib.sha256(f"weight {tensor.dtype} {tensor.shape}\n".encode())
        whole.update(tensor.tobytes())
        header = {"slotwise": CARD.model_dump_json(), "slotwise-digest": whole.hexdigest()}
        path.write_bytes(save({"weight": tensor}, metadata=header))
        assert reason in refusal(path)


def test_a_byte_that_changed_is_noticed(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-5] ^= 0x40
    path.write_bytes(content)
    assert "damaged: its tensors are not those that were written" in refusal(path)


def test_reading_needs_no_torch(path: Path) -> None:
    program = (
        "import sys\n"
        "from slotwise.controllers.cards import read\n"
        f"print(read({str(path)!r}, 'graph').card.name, 'torch' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == ["small", "False"]


def test_all_that_comes_along_is_below_five_megabytes_and_says_how_good_it_is() -> None:
    assert sum(path.stat().st_size for path in shipped().values()) < 5_000_000
    for name, path in shipped().items():
        kind = architecture_of(path.stem)
        card = read(name, kind).card
        assert card.name in (name, path.stem)
        assert card.results, name
