"""The training loop: it learns, it is reproducible, and it goes on as if never interrupted."""

from __future__ import annotations

import math
import os
import signal
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from slotwise.controllers.training import checkpoints, loop
from slotwise.controllers.training.loop import Outcome, fit
from slotwise.controllers.training.objectives import activity_loss, imitation_loss, rate_loss
from slotwise.controllers.training.recipe import Recipe, learning_rate
from slotwise.controllers.training.search import best, rescaled, search
from slotwise.controllers.training.stopping import interrupts_held
from slotwise.emulator.radio import sum_rate
from slotwise.emulator.scenario import InputError

RECIPE = Recipe(steps=60, batch=32, learning_rate=1e-2, validate_every=10, clip=1.0, warmup=5)


class Killed(Exception):
    """Stands for a kill in mid-step."""


class Waves:
    """A small task: the sum of four sines."""

    def __init__(self, recipe: Recipe = RECIPE, killed_at: int = -1, seed: int = 0) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.network: nn.Module = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))
        self.identity: Mapping[str, Any] = {"seed": seed}
        self.validated = 0
        self._batch, self._killed_at = recipe.batch, killed_at

    def _error(self, number: int, size: int) -> Tensor:
        x = torch.randn(size, 4, generator=torch.Generator().manual_seed(number))
        error: Tensor = (self.network(x) - x.sin().sum(-1, keepdim=True)).square().mean()
        return error

    def loss(self, step: int) -> Tensor:
        if step == self._killed_at:
            raise Killed
        return self._error(step, self._batch)

    def validate(self) -> dict[str, float]:
        self.validated += 1
        return {"score": -self._error(10**6, 200).item(), "other": 1.0}


class Scripted(Waves):
    """Validations as told, and gradients that are not finite in some steps."""

    def __init__(self, scores: tuple[float, ...], broken: tuple[int, ...] = ()) -> None:
        super().__init__()
        self._scores, self._broken = scores, broken

    def loss(self, step: int) -> Tensor:
        return super().loss(step) * (math.nan if step in self._broken else 1.0)

    def validate(self) -> dict[str, float]:
        super().validate()
        return {"score": self._scores[min(self.validated, len(self._scores)) - 1]}


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def weights(task: Waves) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in task.network.parameters()]


def same(one: Waves, other: Waves) -> bool:
    return all(map(torch.equal, weights(one), weights(other)))


def test_training_improves_and_leaves_the_best_validated_weights() -> None:
    task = Waves()
    before = task.validate()["score"]
    outcome = fit(task, RECIPE)
    assert outcome.best > before / 2
    assert outcome.best == max(entry["score"] for entry in outcome.history)
    assert task.validate()["score"] == outcome.best
    assert [entry["step"] for entry in outcome.history] == [10, 20, 30, 40, 50, 60]


def test_the_best_weights_are_those_of_their_step_and_not_the_last() -> None:
    task, early = Scripted((1.0, 3.0, 2.0)), Waves()
    outcome = fit(task, RECIPE)
    assert (outcome.best, outcome.best_step, outcome.steps) == (3.0, 20, 60)
    fit(early, replace(RECIPE, steps=20))
    assert same(task, early)


@pytest.mark.parametrize("optimiser", ["adam", "rmsprop"])
@pytest.mark.parametrize("schedule", ["constant", "plateau", "cosine"])
def test_a_killed_training_goes_on_to_the_same_bits(
    optimiser: Any, schedule: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = replace(
        RECIPE, optimiser=optimiser, schedule=schedule, plateau_patience=1, momentum=0.5
    )
    whole = Waves()
    expected = fit(whole, recipe)
    # A checkpoint after every step, so that one falls between two validations.
    monkeypatch.setattr(loop, "_CHECKPOINT_EVERY_S", 0.0)
    place = tmp_path / "run.safetensors"
    with pytest.raises(Killed):
        fit(Waves(killed_at=37), recipe, checkpoint=place)
    resumed = Waves()
    outcome = fit(resumed, recipe, checkpoint=place)
    assert same(whole, resumed)
    assert outcome.history == expected.history
    assert outcome[:3] == expected[:3]


def test_a_checkpoint_is_one_safe_file_and_a_finished_one_is_not_trained_again(
    tmp_path: Path,
) -> None:
    place = tmp_path / "new" / "run.safetensors"
    first, again = Waves(), Waves(killed_at=0)
    outcome = fit(first, RECIPE, checkpoint=place)
    assert [path.name for path in place.parent.iterdir()] == ["run.safetensors"]
    assert fit(again, RECIPE, checkpoint=place)[:3] == outcome[:3]
    assert same(first, again)
    assert again.validated == 0


def test_a_training_can_start_anew_in_spite_of_a_checkpoint(tmp_path: Path) -> None:
    place = tmp_path / "run.safetensors"
    fit(Waves(), RECIPE, checkpoint=place)
    with pytest.raises(Killed):
        fit(Waves(killed_at=0), RECIPE, checkpoint=place, resume=False)


def test_a_checkpoint_of_another_training_is_refused(tmp_path: Path) -> None:
    place = tmp_path / "run.safetensors"
    fit(Waves(), RECIPE, checkpoint=place)
    for task, recipe in ((Waves(seed=1), RECIPE), (Waves(), replace(RECIPE, clip=2.0))):
        with pytest.raises(InputError, match=r"run\.safetensors: checkpoint of another training"):
            fit(task, recipe, checkpoint=place)


def test_a_damaged_checkpoint_is_refused_in_one_line(tmp_path: Path) -> None:
    place = tmp_path / "run.safetensors"
    fit(Waves(), RECIPE, checkpoint=place)
    whole = place.read_bytes()
    for content in (b"", b"junk", whole[:40], whole[: len(whole) // 2], whole[:-1]):
        place.write_bytes(content)
        with pytest.raises(InputError, match="cannot be read") as caught:
            fit(Waves(), RECIPE, checkpoint=place)
        assert "\n" not in str(caught.value)


def test_a_checkpoint_without_what_it_must_hold_is_refused(tmp_path: Path) -> None:
    place = tmp_path / "run.safetensors"
    task = Waves()
    identified = checkpoints.digest(RECIPE, task.network, task.identity)
    for progress in ({"step": 3}, {"stepp": 3}):
        checkpoints.write(place, checkpoints.Checkpoint({}, progress), identified)
        with pytest.raises(InputError, match="cannot be read"):
            fit(task, RECIPE, checkpoint=place)


def test_a_checkpoint_that_cannot_be_written_leaves_the_one_before(tmp_path: Path) -> None:
    place = tmp_path / "run.safetensors"
    state = checkpoints.Checkpoint({"a": torch.ones(2)}, {"step": 1})
    checkpoints.write(place, state, "x")
    with pytest.raises(TypeError):
        checkpoints.write(place, state._replace(progress={"step": object()}), "x")
    assert checkpoints.read(place, "x").progress == {"step": 1}
    assert len(list(tmp_path.iterdir())) == 1


def test_ctrl_c_finishes_the_step_and_saves_it(tmp_path: Path) -> None:
    place = tmp_path / "run.safetensors"

    def press(step: int, figures: dict[str, float]) -> None:
        if step == 23:
            os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        fit(Waves(), RECIPE, checkpoint=place, progress=press)
    assert signal.getsignal(signal.SIGINT) is before
    steps: list[int] = []
    whole, resumed = Waves(), Waves()
    fit(resumed, RECIPE, checkpoint=place, progress=lambda step, _: steps.append(step))
    fit(whole, RECIPE)
    assert steps[0] == 24
    assert same(whole, resumed)


def test_a_second_ctrl_c_does_not_wait() -> None:
    with interrupts_held() as pressed:
        os.kill(os.getpid(), signal.SIGINT)
        assert pressed()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_steps_without_a_finite_gradient_change_nothing_and_are_counted() -> None:
    task = Scripted((1.0,), broken=(0, 1, 2))
    before = weights(task)
    outcome = fit(task, replace(RECIPE, steps=3))
    assert outcome.skipped == 3
    assert all(map(torch.equal, weights(task), before))
    assert math.isnan(outcome.history[-1]["loss"])


def test_a_training_whose_gradients_are_never_finite_ends() -> None:
    task = Scripted((1.0,), broken=tuple(range(200)))
    with pytest.raises(FloatingPointError, match="smaller learning_rate"):
        fit(task, replace(RECIPE, steps=200))


def test_patience_ends_a_training_that_gets_no_better() -> None:
    outcome = fit(Scripted((1.0, 2.0, 1.5, math.nan, 3.0)), replace(RECIPE, patience=2))
    assert (outcome.steps, outcome.best_step) == (40, 20)


def test_without_a_finite_validation_the_last_weights_stay() -> None:
    task, plain = Scripted((math.nan,)), Waves()
    outcome = fit(task, RECIPE)
    fit(plain, replace(RECIPE, validate_every=1000))
    assert math.isnan(outcome.best)
    assert same(task, plain)


def test_a_plateau_makes_steps_smaller() -> None:
    recipe = replace(RECIPE, schedule="plateau", plateau_patience=2, plateau_factor=0.1, warmup=0)
    history = fit(Scripted((1.0, 0.5, 0.5, 0.5, 0.5, 0.5)), recipe).history
    rates = [entry["learning_rate"] for entry in history]
    assert rates == pytest.approx([1e-2, 1e-2, 1e-2, 1e-3, 1e-3, 1e-4])


def test_step_sizes_warm_up_and_fall_along_half_a_cosine_to_the_floor() -> None:
    recipe = replace(RECIPE, steps=104, warmup=4, schedule="cosine", floor=0.2)
    rates = [learning_rate(recipe, step) for step in (0, 1, 3, 4, 54, 104)]
    assert rates == pytest.approx([0.25e-2, 0.5e-2, 1e-2, 1e-2, 0.6e-2, 0.2e-2])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"steps": -1}, "steps = -1: must be at least 0"),
        ({"batch": 0}, "batch = 0: must be at least 1"),
        ({"optimiser": "sgd"}, "optimiser = sgd: must be one of adam, rmsprop"),
        ({"schedule": "steps"}, "schedule = steps: must be one of constant, plateau, cosine"),
        ({"learning_rate": math.nan}, "learning_rate = nan: must be positive and finite"),
        ({"clip": -1.0}, "clip = -1.0: must be non-negative and finite"),
        ({"floor": 1.0}, "floor = 1.0: must be at least 0 and below 1"),
    ],
)
def test_a_recipe_out_of_range_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        replace(RECIPE, **changes)


def test_curves_are_written_for_tensorboard(tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    outcome = fit(Waves(), RECIPE, logs=tmp_path / "logs")
    events = accumulator.EventAccumulator(str(tmp_path / "logs")).Reload()
    written = [(event.step, event.value) for event in events.Scalars("score")]
    expected = [(entry["step"], pytest.approx(entry["score"])) for entry in outcome.history]
    assert written == expected


def test_the_rate_loss_is_minus_the_mean_of_relative_weighted_rates() -> None:
    generator = torch.Generator().manual_seed(1)
    snr, power = (torch.rand(5, *shape, generator=generator) for shape in ((3, 3), (3,)))
    weight, reference = (torch.rand(*shape, generator=generator) for shape in ((5, 3), (5,)))
    arrays = (value.double().numpy() for value in (snr, power, weight))
    gain, fraction, alpha = arrays
    rates = sum_rate(gain, fraction, 1.0, alpha) / reference.double().numpy()
    assert float(rate_loss(snr, power, weight, reference)) == pytest.approx(-rates.mean(), rel=1e-5)


def test_supervised_losses_are_the_square_error_and_the_cross_entropy() -> None:
    fraction, label = torch.tensor([[0.25, 0.5]]), torch.tensor([[1.0, 0.5]])
    assert float(imitation_loss(fraction, label)) == pytest.approx(0.75**2 / 2)
    logit = torch.tensor([[2.0, -1.0]])
    expected = (math.log1p(math.exp(-2.0)) + math.log1p(math.exp(-1.0))) / 2
    assert float(activity_loss(logit, label)) == pytest.approx(expected, rel=1e-6)


def _tried(trials: int, journal: Path | None = None, seed: int = 0) -> list[tuple[Any, ...]]:
    found = search(Waves, RECIPE, trials, share=0.5, seed=seed, journal=journal)
    return [(trial.batch, trial.learning_rate, trial.values, trial.given_up) for trial in found]


def test_a_search_tries_the_recipe_first_and_then_others_reproducibly() -> None:
    pytest.importorskip("optuna")
    tried = _tried(7)
    assert tried[0][:2] == (RECIPE.batch, RECIPE.learning_rate)
    assert len({trial[:2] for trial in tried}) == 7
    assert tried == _tried(7)
    assert tried[1:] != _tried(7, seed=1)[1:]


def test_a_search_goes_on_from_its_journal_as_if_never_interrupted(tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    journal = tmp_path / "trials.json"
    _tried(3, journal)
    assert _tried(6, journal) == _tried(6)
    with pytest.raises(InputError, match="journal of another search"):
        _tried(6, journal, seed=1)
    journal.write_text("{}", "utf-8")
    with pytest.raises(InputError, match="cannot be read"):
        _tried(6, journal)


def test_the_best_trial_finds_a_usable_rate_where_the_recipe_has_none() -> None:
    pytest.importorskip("optuna")
    slow = replace(RECIPE, learning_rate=2e-4, warmup=0)
    found = search(Waves, slow, 8, share=1.0)
    assert best(found).learning_rate > 2e-4
    assert best(found).value > found[0].value


def test_another_batch_size_sees_as_many_samples() -> None:
    other = rescaled(replace(RECIPE, steps=1000), 320, 1e-3, share=0.5)
    assert (other.steps, other.batch, other.learning_rate) == (50, 320, 1e-3)


def test_an_outcome_counts_what_was_done() -> None:
    outcome = fit(Waves(), replace(RECIPE, steps=0))
    assert isinstance(outcome, Outcome)
    assert (outcome.steps, outcome.skipped, outcome.history) == (0, 0, [])
