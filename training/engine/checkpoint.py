"""Checkpoints of trainings: whole or not at all, and never of a broken state."""

from __future__ import annotations

import io
import os
import pickle
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from training.engine.errors import CheckpointNotSaved, LossNotFinite, ResumeMismatch

UNREADABLE = (OSError, RuntimeError, pickle.UnpicklingError, EOFError, KeyError, TypeError)


class Stateful(Protocol):
    """A module or an optimiser."""

    def state_dict(self) -> dict[str, Any]:
        """All tensors by name."""

    def load_state_dict(self, state: dict[str, Any]) -> Any:
        """The inverse of ``state_dict``."""


def save(path: Path, content: Mapping[str, Any]) -> None:
    """Writes a checkpoint so that ``path`` is, at any moment, the old file or the new one.

    Args:
        path: the file.
        content: nested mappings of tensors and plain values, with ``step`` among them.

    Raises:
        LossNotFinite: a tensor has a NaN or an infinity; the file that was there stays.
        CheckpointNotSaved: the disk is full or refuses; the file that was there stays.
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
    """Reads a checkpoint onto the CPU.

    Args:
        path: the file.
        architecture: of which network it has to be. Checkpoints of early trainings do not say;
            their tensors tell when they are loaded.

    Returns:
        What ``save`` wrote.

    Raises:
        ResumeMismatch: it is torn, no checkpoint, or of another architecture.
    """
    try:
        saved: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
        of = saved.get("architecture", architecture)
        _ = saved["step"], saved["history"]
    except (*UNREADABLE, AttributeError) as error:
        raise ResumeMismatch(f"{path}: not a checkpoint of this training: {error!r}") from error
    if of != architecture:
        raise ResumeMismatch(f"{path}: holds {of}; {architecture} was asked for")
    return saved


def restore(path: Path, architecture: str, parts: Mapping[str, Stateful]) -> dict[str, Any]:
    """Fills modules and optimisers from a checkpoint.

    Returns:
        The checkpoint, with ``step`` and ``history``.

    Raises:
        ResumeMismatch: the file cannot be read, or does not fit.
    """
    saved = load(path, architecture)
    try:
        for name, part in parts.items():
            part.load_state_dict(saved[name])
    except (KeyError, RuntimeError, ValueError, TypeError, AttributeError) as error:
        raise ResumeMismatch(f"{path}: does not fit: {error}") from error
    return saved


def _tensors(content: Any, name: str = "") -> Iterator[tuple[str, Tensor]]:
    """Every tensor in nested mappings, with its path as name."""
    if isinstance(content, Tensor):
        yield name, content
    elif isinstance(content, Mapping):
        for key, value in content.items():
            yield from _tensors(value, f"{name}.{key}" if name else str(key))
