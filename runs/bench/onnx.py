"""Networks handed to ONNX Runtime: what a compiled decision of a network is measured against.

ONNX Runtime (Microsoft) is how trained networks are usually brought into service. It and the format
it reads are in the extra ``peers``; where they are missing, rows against it are skipped.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["MISSING", "is_installed", "prepared"]

MISSING = "not installed: pip install 'slotwise[peers]'"
"""Why there are no rows against ONNX Runtime, where it is not installed."""

_OPSET = 17


def is_installed() -> bool:
    """Whether ONNX Runtime can be measured here."""
    return all(find_spec(name) is not None for name in ("onnx", "onnxruntime"))


def prepared(
    network: nn.Module, inputs: Sequence[tuple[Tensor, ...]]
) -> list[Callable[[], NDArray[Any]]]:
    """Calls of a network in ONNX Runtime on one thread, their inputs converted already.

    Parameters
    ----------
    network : torch.nn.Module
        Answers with one tensor.
    inputs : sequence of tuple of Tensor
        What it is called with, of one shape all; at least one.

    Returns
    -------
    list of callable
        A call for each of the inputs, which gives the network's answer.
    """
    runtime: Any = import_module("onnxruntime")
    names = [f"input{number}" for number in range(len(inputs[0]))]
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = runtime.InferenceSession(
        _exported(network, inputs[0], names), options, providers=["CPUExecutionProvider"]
    )
    feeds = [
        {name: tensor.numpy() for name, tensor in zip(names, each, strict=True)} for each in inputs
    ]
    return [lambda feed=feed: session.run(None, feed)[0] for feed in feeds]  # type: ignore[misc]


def _exported(network: nn.Module, inputs: tuple[Tensor, ...], names: list[str]) -> bytes:
    """The network as ONNX has it, for inputs of these shapes."""
    import torch

    with (
        tempfile.TemporaryDirectory(prefix="slotwise-bench-") as folder,
        warnings.catch_warnings(),
        _spelled_out(),
    ):
        # Warnings of the exporter that is to replace this one, which needs a third package.
        warnings.simplefilter("ignore")
        file = Path(folder) / "network.onnx"
        torch.onnx.export(
            network, inputs, file, dynamo=False, input_names=names, opset_version=_OPSET
        )
        return file.read_bytes()


@contextmanager
def _spelled_out() -> Iterator[None]:
    """Functions of torch that ONNX or its runtime lack, in terms of others that they have."""
    torch: Any = import_module("torch")
    eye, diag_embed = torch.eye, torch.diag_embed

    def constant_eye(count: int, dtype: Any = None, **_: Any) -> Tensor:
        # Of another library, so that the exporter sees numbers and no function.
        numbers: Tensor = torch.from_numpy(np.eye(count))
        return numbers.to(torch.float32 if dtype is None else dtype)

    def embedded(values: Tensor) -> Tensor:
        return values.unsqueeze(-1) * constant_eye(values.shape[-1])

    torch.eye, torch.diag_embed = constant_eye, embedded
    try:
        yield
    finally:
        torch.eye, torch.diag_embed = eye, diag_embed
