"""Checkpoints: an unfinished training as one file, from which it goes on as if never interrupted.

A checkpoint is a safetensors file: tensors, and one JSON object in its header. It is written
beside its place and renamed into it, so a kill at any moment leaves the checkpoint before. It
carries a digest of what is trained and how; a checkpoint of anything else is refused, because
weights would load and mean nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from slotwise.controllers.atomic import write_whole
from slotwise.controllers.training.recipe import Recipe
from slotwise.emulator.scenario import InputError

__all__ = ["Checkpoint", "damaged", "digest", "read", "write"]

_KEY = "slotwise-checkpoint"
_FORMAT = 1


class Checkpoint(NamedTuple):
    """What a checkpoint holds.

    Attributes
    ----------
    tensors : dict of str to Tensor
        Weights, best weights and moments of the optimiser.
    progress : dict
        JSON values: how far training has come.
    """

    tensors: dict[str, Tensor]
    progress: dict[str, Any]


def digest(recipe: Recipe, network: nn.Module, identity: Mapping[str, Any]) -> str:
    """Sixty-four hexadecimal digits that are the same for the same training only.

    Parameters
    ----------
    recipe : Recipe
        How it is trained.
    network : torch.nn.Module
        Names, shapes and types of its weights count, not their values.
    identity : mapping
        JSON values that say what is learned: data, objective, seed.
    """
    shapes = {name: [str(t.dtype), *t.shape] for name, t in network.state_dict().items()}
    whole = {"recipe": asdict(recipe), "network": shapes, "identity": dict(identity)}
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()


def write(path: Path, checkpoint: Checkpoint, identified: str) -> None:
    """Write a checkpoint, replacing the one before, whole or not at all.

    Parameters
    ----------
    path : Path
        Where; its folder is created.
    checkpoint : Checkpoint
        Tensors may share memory with living ones.
    identified : str
        `digest` of what is trained.

    Raises
    ------
    OSError
        If it cannot be written; the checkpoint before is still there.
    """
    header = {"format": _FORMAT, "digest": identified, "progress": checkpoint.progress}
    tensors = {name: tensor.detach().contiguous() for name, tensor in checkpoint.tensors.items()}
    content = save(tensors, metadata={_KEY: json.dumps(header)})
    write_whole(path, content)


def read(path: Path, identified: str) -> Checkpoint:
    """Read a checkpoint of the training with this digest.

    Parameters
    ----------
    path : Path
        The file.
    identified : str
        `digest` of what is trained now.

    Raises
    ------
    InputError
        If the file is missing, damaged, no checkpoint, or one of another training.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {}).get(_KEY, "null"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, ValueError) as error:
        raise damaged(path, error) from None
    if not isinstance(header, dict) or header.get("format") != _FORMAT:
        raise InputError(f"{path}: not a checkpoint of this version of slotwise")
    if header.get("digest") != identified:
        raise InputError(
            f"{path}: checkpoint of another training (network, recipe, data or seed differ); give "
            "another place, or delete it to start anew"
        )
    return Checkpoint(tensors, header["progress"])


def damaged(path: Path, error: Exception) -> InputError:
    """What to raise where a checkpoint does not hold what it must."""
    return InputError(f"{path}: cannot be read: {' '.join(str(error).split())}")
