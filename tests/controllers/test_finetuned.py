"""The controller that learns from the network it runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from slotwise.controllers import make
from slotwise.controllers.finetuned import Finetuned
from slotwise.controllers.learned import Learned, Tensors
from slotwise.controllers.online.deployment import Deployment
from slotwise.controllers.online.judging import rates
from slotwise.controllers.online.memory import Seen
from slotwise.emulator.clock import Emulator
from slotwise.emulator.lessons import Lesson
from slotwise.emulator.observation import Observation
from slotwise.emulator.scenario import InputError, Scenario, load

Array = NDArray[np.float64]
Observe = Callable[..., Observation]


def _scenario(*overrides: str) -> Scenario:
    """Six pairs with path loss, new fading in every slot."""
    return load("d2d", ["population.initial_users=6", "channel.fading=iid", *overrides])


def _live(seat: Finetuned, scenario: Scenario, slots: int, seed: int = 1) -> list[Lesson]:
    """Let it decide and learn; what it learned."""
    emulator, lessons = Emulator(scenario, seed, slots=slots), []
    seat.reset(scenario, seed)
    while (report := emulator.advance()) is not None:
        observation = report.observation()
        power = seat.decide(observation)
        assert ((power >= 0.0) & (power <= observation.p_max * (1 + 1e-9))).all()
        emulator.grant(power)
        seat.watch(observation)
        lesson = seat.learn()
        if lesson is not None:
            lessons.append(lesson)
            seat.deploy()
    return lessons


def _seat(text: str = "base=unrolled-tiny,every=60,steps=3") -> Finetuned:
    seat = make(f"finetuned:{text}")
    assert isinstance(seat, Finetuned)
    return seat


def _teach(seat: Finetuned, monkeypatch: pytest.MonkeyPatch, tensors: Tensors | None) -> None:
    """Let every lesson end with these weights; None: with an interruption."""

    def learn(*_: Any, **__: Any) -> Tensors:
        if tensors is None:
            raise KeyboardInterrupt
        return tensors

    monkeypatch.setattr(seat._learner, "learn", learn)
    monkeypatch.setattr(seat._learner, "warm_up", lambda: None)


def _off(network: Learned) -> Tensors:
    """Weights of a tiny unrolled network that lets nobody transmit."""
    worse = {name: np.array(tensor) for name, tensor in network.tensors.items()}
    worse["layers.4.outer.bias"][-1] = -1000.0
    return worse


def _same(one: Tensors, other: Tensors) -> bool:
    return all(np.array_equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("base", ["unrolled-tiny", "mlp:gaussian-ic-10", "graph"])
def test_it_decides_as_its_base_until_it_has_learned(base: str) -> None:
    seat, plain = _seat(f"base={base}"), make(base)
    rng = np.random.default_rng(3)
    gain = rng.exponential(size=(4, 6, 6))
    np.testing.assert_array_equal(seat.allocate(gain, 0.3, 2.0), plain.allocate(gain, 0.3, 2.0))


def test_options_of_the_base_are_joined_by_a_plus() -> None:
    gain = np.random.default_rng(3).exponential(size=(4, 6, 6))
    power = _seat("base=unrolled:flip=true+polish=3").allocate(gain, 0.3, 2.0)
    plain = make("unrolled:flip=true,polish=3").allocate(gain, 0.3, 2.0)
    np.testing.assert_array_equal(power, plain)


@pytest.mark.parametrize("base", ["unrolled-tiny", "mlp:gaussian-ic-10", "graph"])
def test_it_learns_every_so_many_observations_and_four_of_five_are_learned_from(base: str) -> None:
    seat = _seat(f"base={base},every=100,steps=3")
    lessons = [x for x in _live(seat, _scenario(), 320) if x.outcome != "rolled back"]
    assert len(lessons) == 3
    for number, lesson in enumerate(lessons, 1):
        assert lesson.cause == "100 observations"
        assert lesson.samples + lesson.judged == 100 * number
        assert lesson.samples == pytest.approx(80 * number, abs=12 * number**0.5)
        assert lesson.low <= lesson.gain <= lesson.high


def test_the_same_seed_learns_the_same_and_another_something_else() -> None:
    scenario, ends = _scenario(), []
    for seed in (4, 4, 5):
        seat = _seat("base=unrolled-tiny,every=60,steps=3,guard=false")
        _live(seat, scenario, 130, seed)
        ends.append(seat.deployed.tensors)
    assert _same(ends[0], ends[1])
    assert not _same(ends[0], ends[2])
    assert not _same(ends[0], make("unrolled-tiny").tensors)  # type: ignore[attr-defined]


def test_it_remembers_what_was_reported_and_not_what_was_true() -> None:
    reported: list[Array] = []
    seat = _seat("base=unrolled-tiny,every=1000,keep=recent")
    scenario = _scenario("csi.error_nmse_db=-3", "csi.delay_s=0.001", "csi.quantisation_bits=6")
    emulator = Emulator(scenario, 1, slots=12)
    seat.reset(scenario, 1)
    while (report := emulator.advance()) is not None:
        seen = report.observation()
        emulator.grant(seat.decide(seen))
        seat.watch(seen)
        reported.append(seen.gain * seen.p_max / seen.noise_power[:, None])
    remembered = seat._memory.samples()
    assert 4 <= len(remembered.snr) < 12
    for snr in remembered.snr:
        assert any(np.allclose(snr, seen, rtol=1e-6) for seen in reported)
    assert remembered.mean.shape == remembered.snr.shape
    assert (remembered.mean[0] == remembered.mean[-1]).all()  # nobody moves


class TestNeverWorse:
    def test_what_is_worse_is_rejected(self, monkeypatch: pytest.MonkeyPatch) -> None:
        seat = _seat()
        first = seat.deployed
        _teach(seat, monkeypatch, _off(first))
        lessons = _live(seat, _scenario(), 130)
        assert [lesson.outcome for lesson in lessons] == ["rejected", "rejected"]
        assert all(lesson.high < 0.0 for lesson in lessons)
        assert seat.deployed is first or _same(seat.deployed.tensors, first.tensors)

    def test_what_is_no_better_is_rejected(self, monkeypatch: pytest.MonkeyPatch) -> None:
        seat = _seat()
        _teach(seat, monkeypatch, seat.deployed.tensors)
        assert [lesson.outcome for lesson in _live(seat, _scenario(), 70)] == ["rejected"]

    def test_without_a_guard_everything_is_deployed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        seat = _seat("base=unrolled-tiny,every=60,guard=false")
        worse = _off(seat.deployed)
        _teach(seat, monkeypatch, worse)
        lessons = _live(seat, _scenario(), 200)
        assert [lesson.outcome for lesson in lessons] == ["deployed"] * 3
        assert _same(seat.deployed.tensors, worse)

    def test_what_is_better_decides_from_its_deployment_on(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seat = _seat("base=unrolled-tiny,every=60,fresh=true")
        good = make("unrolled-tiny").tensors  # type: ignore[attr-defined]
        _teach(seat, monkeypatch, good)
        scenario, gain = _scenario(), np.random.default_rng(1).exponential(size=(6, 6))
        emulator = Emulator(scenario, 1, slots=100)
        seat.reset(scenario, 1)
        begun = seat.deployed.tensors
        while (report := emulator.advance()) is not None:
            observation = report.observation()
            emulator.grant(seat.decide(observation))
            seat.watch(observation)
            if seat.learn() is not None:
                break
        assert _same(seat.deployed.tensors, begun)
        seat.deploy()
        assert _same(seat.deployed.tensors, good)
        plain = make("unrolled-tiny").allocate(gain, 1.0, 1.0)
        np.testing.assert_array_equal(seat.allocate(gain, 1.0, 1.0), plain)

    def test_what_turns_out_worse_is_rolled_back_and_never_gone_back_to(self) -> None:
        first = make("unrolled-tiny")
        assert isinstance(first, Learned)
        who = Deployment(first)
        worse = first.with_weights(_off(first))
        who.deploy(worse)
        rng, looks = np.random.default_rng(2), []
        for count in range(1, 40):
            snr = rng.exponential(size=(6, 6)).astype(np.float32)
            who.hold_back(snr, snr, np.ones(6, np.float32))
            found = who.look_back()
            if found is not None:
                verdict, best = found
                assert best is first
                assert verdict.low > 0.0
                looks.append(count)
                who.deploy(best)
        assert looks == [16]
        assert who.deployed is first


def test_what_was_judged_on_the_network_before_a_change_is_not_deployed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seat = _seat("base=unrolled-tiny,every=60,guard=false")
    _teach(seat, monkeypatch, _off(seat.deployed))
    scenario = _scenario()
    emulator = Emulator(scenario, 1, slots=200)
    seat.reset(scenario, 1)
    begun, lesson = seat.deployed, None
    while (report := emulator.advance()) is not None:
        observation = report.observation()
        emulator.grant(seat.decide(observation))
        if lesson is not None:
            monkeypatch.setattr(seat._drift, "watch", lambda _: True)
            seat.watch(observation)
            break
        seat.watch(observation)
        lesson = seat.learn()
    assert seat.deploy() is False
    assert seat.deployed is begun


@pytest.mark.parametrize("keep", ["recent", "reservoir"])
def test_after_a_change_it_learns_soon_and_judges_on_what_is_new(keep: str) -> None:
    episodes = (
        "episodes=[{name='near',duration_s=0.4},"
        "{name='far',duration_s=1.0,channel={path_loss={kind='power-law',reference_m=10.0}}}]"
    )
    seat = _seat(f"base=unrolled-tiny,every=300,steps=2,keep={keep}")
    lessons = _live(seat, _scenario("timing.slot_s=0.001", episodes), 700)
    causes = [lesson.cause for lesson in lessons if lesson.outcome != "rolled back"]
    assert causes[:2] == ["300 observations", "a change"]
    changed = next(lesson for lesson in lessons if lesson.cause == "a change")
    assert 8 <= changed.judged <= 20
    assert changed.samples < 80 if keep == "recent" else changed.samples > 250


def test_with_drift_it_rests_when_it_has_learned_enough() -> None:
    seat = _seat("base=unrolled-tiny,every=50,steps=1,when=drift")
    causes = [x.cause for x in _live(seat, _scenario(), 500) if x.outcome != "rolled back"]
    assert len(causes) == 5


def test_a_perceptron_finds_a_user_where_it_was_when_another_has_left(observe: Observe) -> None:
    seat, plain = _seat("base=mlp:gaussian-ic-10"), make("mlp:gaussian-ic-10")
    rng = np.random.default_rng(6)

    def observation(users: list[int]) -> Observation:
        return observe(rng.exponential(size=(len(users), len(users))), users, 0.5, 2.0)

    seat.decide(observation([0, 1, 2, 3]))
    seen = observation([0, 2, 3])
    whole = np.zeros((4, 4))
    place = [0, 2, 3]
    whole[np.ix_(place, place)] = seen.gain
    p_max = np.array([2.0, 0.0, 2.0, 2.0])
    expected = plain.allocate(whole, 0.5, p_max, (p_max > 0).astype(float))
    np.testing.assert_array_equal(seat.decide(seen), expected[place])
    kept = seat._kept(seen)
    assert kept is not None
    assert kept[0][1].tolist() == [0.0] * 4
    assert kept[2].tolist() == [1.0, 0.0, 1.0, 1.0]


class TestResumed:
    def test_a_life_that_was_stopped_goes_on_with_what_it_had_learned(self, tmp_path: Path) -> None:
        options = f"base=unrolled-tiny,every=60,steps=3,guard=false,resume={tmp_path}"
        first, second = _seat(options), _seat(options)
        _live(first, _scenario(), 70)
        second.reset(_scenario(), 1)
        assert _same(second.deployed.tensors, first.deployed.tensors)
        assert second._schedule.lessons == 1
        assert not _same(second.deployed.tensors, make("unrolled-tiny").tensors)  # type: ignore[attr-defined]
        second.reset(_scenario(), 2)  # another seed has learned nothing
        assert second._schedule.lessons == 0

    def test_a_kill_in_the_middle_of_a_lesson_loses_nothing(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        options = "base=unrolled-tiny,every=60,steps=3,guard=false"
        undisturbed, killed = _seat(options), _seat(f"{options},resume={tmp_path}")
        _live(undisturbed, _scenario(), 60)
        with monkeypatch.context() as patch:
            _teach(killed, patch, None)
            with pytest.raises(KeyboardInterrupt):
                _live(killed, _scenario(), 200)
        resumed = _seat(f"{options},resume={tmp_path}")
        resumed.reset(_scenario(), 1)
        lesson = resumed.learn()
        assert lesson is not None
        resumed.deploy()
        assert _same(resumed.deployed.tensors, undisturbed.deployed.tensors)

    def test_a_rehearsal_leaves_no_file(self, tmp_path: Path) -> None:
        seat = _seat(f"base=unrolled-tiny,every=60,steps=3,resume={tmp_path / 'states'}")
        seat.rehearsing = True
        _live(seat, _scenario(), 70)
        assert not (tmp_path / "states").exists()

    def test_what_learned_otherwise_is_refused(self, tmp_path: Path) -> None:
        _live(_seat(f"base=unrolled-tiny,every=60,steps=3,resume={tmp_path}"), _scenario(), 70)
        other = _seat(f"base=unrolled-tiny,every=60,steps=3,memory=7,resume={tmp_path}")
        with pytest.raises(InputError, match="learned with memory = 1000 and not 7"):
            other.reset(None, 1)
        (tmp_path / "seed-1.safetensors").write_bytes(b"nothing")
        with pytest.raises(InputError, match="cannot be read"):
            other.reset(None, 1)

    @pytest.mark.parametrize("options", ["every=61", "steps=4", "rate=0.1", "guard=false"])
    def test_so_is_what_learned_with_any_other_option(self, tmp_path: Path, options: str) -> None:
        _live(_seat(f"base=unrolled-tiny,resume={tmp_path}"), _scenario(), 3)
        seat = _seat(f"base=unrolled-tiny,resume={tmp_path}")
        seat.reset(_scenario(), 1)
        seat.leave()
        with pytest.raises(InputError, match=f"learned with {options.partition('=')[0]} = "):
            _seat(f"base=unrolled-tiny,{options},resume={tmp_path}").reset(_scenario(), 1)

    def test_who_lives_the_same_again_never_learns_from_what_was_held_back(
        self, tmp_path: Path
    ) -> None:
        options = f"base=unrolled-tiny,every=60,steps=3,guard=false,resume={tmp_path}"
        first, seat = _seat(options), _seat(options)
        for who, slots in ((first, 75), (seat, 60)):
            _live(who, _scenario(), slots)
            who.leave()
        memory = {snr.tobytes() for snr in seat._memory.samples().snr}
        held = [snr.tobytes() for snr in seat._deployment._held.samples().snr]
        assert len(memory) + len(set(held)) == 75  # nothing twice
        assert len(held) == len(set(held))
        assert not memory & set(held)

    def test_a_life_that_is_too_short_to_learn_is_not_forgotten(self, tmp_path: Path) -> None:
        options = f"base=unrolled-tiny,every=60,steps=3,resume={tmp_path}"
        first, seat = _seat(options), _seat(options)
        for who in (first, seat):
            _live(who, _scenario(), 40)
            who.leave()
        assert seat._schedule.state()["observed"] == 80

    def test_a_place_that_is_no_folder_is_refused_before_anything_is_lived(
        self, tmp_path: Path
    ) -> None:
        (tmp_path / "file").write_text("")
        seat = _seat(f"base=unrolled-tiny,resume={tmp_path / 'file'}")
        with pytest.raises(InputError, match=r"resume = .*file: must be a folder"):
            seat.reset(_scenario(), 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("base=wmmse", "base = wmmse: must be a network that can be trained further"),
        ("base=rl:nasir-guo", "must be a network that can be trained further"),
        ("base=mlp:imac-3x12", "has 3 receivers for 12 users: .* needs one for each"),
        ("base=unrolled:csi=conditional-mean", "what is learned from are reports: leave out csi"),
        ("base=unrolled-tiny,steps=-7", "steps = -7: must be at least 0"),
        ("base=unrolled-tiny,layers=99", "layers = 99: must be at most 5"),
        ("base=unrolled-tiny,every=0", "every = 0: must be at least 1"),
        ("base=unrolled-tiny,when=always", "when = always: must be one of period, drift"),
        ("base=unrolled-tiny,memory=-1", "memory = -1: must be non-negative"),
        ("base=unrolled-tiny,keep=best", "keep = best: must be one of recent"),
        ("base=unrolled-tiny,objective=fun", "objective = fun: must be one of"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(options: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        make(f"finetuned:{options}")
    assert "\n" not in str(caught.value)


def test_a_lesson_makes_weights_better_on_what_was_seen() -> None:
    rng = np.random.default_rng(0)
    snr = rng.exponential(size=(64, 6, 6)).astype(np.float32)
    seen = Seen(snr, np.ones_like(snr), np.ones((64, 6), np.float32))
    fresh = _seat("base=unrolled-tiny,fresh=true,steps=40,rate=0.01")
    learned = fresh._learner.learn(fresh.deployed.tensors, seen, (0, 1))
    before, after = (
        rates(fresh.deployed.with_weights(w), seen).mean()
        for w in (fresh.deployed.tensors, learned)
    )
    assert after > 1.2 * before
