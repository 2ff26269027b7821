"""Checkpoints of trainings: whole or not at all, and never of a broken state."""

from __future__ import annotations

import io
import os
import pickle
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import torch
from torch import Tensor, nn

from training.engine.errors import CheckpointNotSaved, LossNotFinite, ResumeMismatch

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def save(path: Path, content: Mapping[str, Any]) -> None:
    """Writes ``content`` so that ``path`` is, at any moment, the old file or the new one.

    Raises LossNotFinite when a tensor has a NaN or an infinity, CheckpointNotSaved when the
    disk is full or refuses; either way the file that was there stays.
    """
    for name, tensor in _tensors(content):
        if not torch.isfinite(tensor).all():
            raise LossNotFinite(f"step {content['step']}: {name} is not finite; nothing saved")
    buffer = io.BytesIO()  # written by ourselves: torch's writer has no error for a full disk
    torch.save(dict(content), buffer)
    part = path.with_suffix(".part")
    try:
        with part.open("wb") as file:
            file.write(buffer.getbuffer())
            file.flush()
            os.fsync(file.fileno())  # the content before the name, or a power cut leaves neither
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        kept = f"; {path} of an earlier step is good" if path.exists() else ""
        raise CheckpointNotSaved(
            f"step {content['step']} was not saved to {path}: {error.strerror}{kept}"
        ) from error


def load(path: Path, architecture: str) -> dict[str, Any]:
    """The checkpoint at ``path``, on the CPU. Raises ResumeMismatch for any other file, and for
    one of another architecture.
    """
    try:
        saved: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
        found = saved["architecture"]
    except (OSError, RuntimeError, pickle.UnpicklingError, EOFError, KeyError, TypeError) as error:
        raise ResumeMismatch(f"{path}: not a checkpoint of this training: {error!r}") from error
    if found != architecture:
        raise ResumeMismatch(f"{path}: holds {found}; {architecture} was asked for")
    return saved


Net = TypeVar("Net", bound=nn.Module)


class Resumable(Protocol):
    """A module or an optimiser."""

    def load_state_dict(self, state: dict[str, Any]) -> Any: ...


def resume(
    path: Path, parts: Mapping[str, Resumable], recipe: DataclassInstance
) -> tuple[int, list[dict[str, Any]]]:
    """Fills the parts from the checkpoint at ``path``, if there is one. Returns the step to go on
    from, and all recipes so far with the steps they held from, today's as the last.
    """
    step, history = 0, list[dict[str, Any]]()
    if path.exists():
        saved = torch.load(path, weights_only=True, map_location="cpu")
        for name, part in parts.items():
            part.load_state_dict(saved[name])
        step, history = saved["step"], saved["history"]
    if not history or history[-1]["recipe"] != asdict(recipe):
        history.append({"from_step": step, "recipe": asdict(recipe)})
    return step, history


def twin(net: Net) -> Net:
    """A copy of ``net`` of the same class, for ``follow`` to make the moving average of."""
    return deepcopy(net).requires_grad_(False)


def follow(average: nn.Module, net: nn.Module, decay: float, step: int) -> None:
    """One step of the exponential moving average; faster at first, or it would long remember
    the random weights that it began with.
    """
    decay = min(decay, (step + 1) / (step + 10))
    with torch.no_grad():
        for mean, now in zip(average.parameters(), net.parameters(), strict=True):
            mean.lerp_(now, 1 - decay)
        # what batch normalisation has counted is a moving average already
        for held, now in zip(average.buffers(), net.buffers(), strict=True):
            held.copy_(now)


def _tensors(content: Any, name: str = "") -> Iterator[tuple[str, Tensor]]:
    """Every tensor in nested mappings, with its path as name."""
    if isinstance(content, Tensor):
        yield name, content
    elif isinstance(content, Mapping):
        for key, value in content.items():
            yield from _tensors(value, f"{name}.{key}" if name else str(key))
