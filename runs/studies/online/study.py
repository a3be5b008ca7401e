"""The study `online`: its parts, in the order of its page."""

from __future__ import annotations

from collections.abc import Sequence

from slotwise.runs.studies.online.alarms import alarms_part
from slotwise.runs.studies.online.draws import Measured
from slotwise.runs.studies.online.episodes import episodes_part
from slotwise.runs.studies.online.frozen_samples import places, samples_part
from slotwise.runs.studies.online.goals import goals_part
from slotwise.runs.studies.online.latency import latency_part
from slotwise.runs.studies.online.lives import SCENES, lives_part
from slotwise.runs.studies.online.scale import OnlineScale
from slotwise.runs.studies.study import Study

__all__ = ["online"]

_TITLE = "Pre-trained on a model, fine-tuned online"
_WORDS = (
    "Networks that were trained on draws of a model meet another network and go on learning from "
    "what it reports. `mlp:adaptive-10`, *perceptron*, takes users in the order of their own gains "
    "and was trained to adapt; `mlp:gaussian-ic-10`, *published perceptron*, imitates WMMSE on "
    "independent Rayleigh fading; `unrolled` was trained on networks of many kinds."
)


def online(scale: OnlineScale, seeds: Sequence[int], given: Measured | None = None) -> Study:
    """The study, not yet run.

    Parameters
    ----------
    scale : OnlineScale
        How much is measured.
    seeds : sequence of int
        Of networks, samples, and first weights.
    given : Measured, optional
        Measured gains; left out: none.
    """
    kinds = places(scale, given)
    parts = (
        samples_part(kinds, scale, seeds),
        episodes_part(scale, seeds),
        *(lives_part(scene, scale, seeds) for scene in SCENES),
        alarms_part(scale, seeds[0]),
        latency_part(scale, seeds[0]),
    )
    goals = goals_part(parts, kinds, seeds, scale.tests)
    return Study("online", _TITLE, _WORDS, scale.name, seeds[0], (goals, *parts))
