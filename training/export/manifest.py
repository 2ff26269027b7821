"""The one writer of the folder of weights: files, manifest.json, and what may stand in it."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import Tensor, nn

from pipeline.architectures.compact import compacted, expanded
from pipeline.domain import RgbImage, WeightFile, WeightSpec
from pipeline.measure import psnr_db
from pipeline.weights import MANIFEST_VERSION
from training.engine.checkpoint import load
from training.engine.errors import ExportRejected

ROOT = Path(__file__).resolve().parents[2]
WEIGHTS = ROOT / "layers" / "weights"
CHECKPOINTS = ROOT / "training" / "checkpoints"
MIN_PARITY_DB = 40.0
# of a style: what a person decided by looking, which no training says anew
CHOSEN = ("description", "scene_px", "face_px", "largest_px", "faces_default", "around")


@dataclass(frozen=True)
class WeightInfo:
    """What a person says of new weights: the name, a title for people, the licence."""

    name: str
    title: str
    licence: str


@dataclass(frozen=True)
class OutputDirs:
    """Where weights go: the served files and manifest.json, and the float checkpoints."""

    weights: Path = WEIGHTS
    checkpoints: Path = CHECKPOINTS

    def of(self, role: str) -> Path:
        """The folder of a file of that role."""
        return self.checkpoints if role == "float" else self.weights


@dataclass(frozen=True)
class Exported:
    """What was written, how the served graph is quantised, and how near each graph tried came."""

    written: list[Path]
    quantisation: str
    tried: Mapping[str, float]


Files = Mapping[str, tuple[str, bytes]]  # name and content by role


def new_spec(
    info: WeightInfo, kind: str, architecture: str, quantisation: str, **more: Any
) -> WeightSpec:
    """The description of a network, its files still to come; ``more`` are fields of WeightSpec.

    Unless they say otherwise: pixels in [-1, 1], the same size out, any sides, no tiles.
    """
    values: dict[str, Any] = {
        "input_range": (-1, 1),
        "scale": 1,
        "multiple_of_px": 1,
        "overlap_px": 0,
        "tileable": False,
        "working_px": 0,
        "thumbnail_px": 0,
        "files": {},
    }
    values |= {**asdict(info), "kind": kind, "architecture": architecture, **more}
    return WeightSpec(**values, quantisation=quantisation)


def load_average(checkpoint: Path, architecture: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The averaged tensors of a training, and its checkpoint.

    Raises:
        ResumeMismatch: the file is no checkpoint of that architecture.
    """
    saved = load(checkpoint, architecture)
    return saved["average"], saved


def rounded(net: nn.Module, tensors: Mapping[str, Tensor] | None = None) -> Any:
    """The network with its tensors, or others, rounded to half precision; in eval mode.

    Rounded first, so that the float file, the ONNX graph and the metrics are of one network.
    """
    state = net.state_dict() if tensors is None else tensors
    net.load_state_dict({name: tensor.half().float() for name, tensor in state.items()})
    return net.eval().requires_grad_(False)


def float_file(name: str, net: nn.Module, half: bool = True) -> tuple[str, bytes]:
    """Name and content of the float file, floating-point tensors in half precision or as are."""
    tensors = {
        key: (tensor.half() if half and tensor.is_floating_point() else tensor).contiguous()
        for key, tensor in net.state_dict().items()
    }
    return f"{name}.safetensors", safetensors.torch.save(tensors)


def compact_file(name: str, net: nn.Module) -> tuple[str, bytes]:
    """Name and content of the float file of a large network: see ``compacted``."""
    tensors = {key: tensor.contiguous() for key, tensor in compacted(net.state_dict()).items()}
    return f"{name}.safetensors", safetensors.torch.save(tensors)


def provenance(saved: Mapping[str, Any], **more: object) -> dict[str, Any]:
    """How trained weights were made, as the manifest's ``recipe`` has it."""
    made = {"history": saved["history"], "steps_done": saved["step"]}
    return {**made, "commit": source_commit(), **more}


def source_commit() -> str | None:
    """The commit that this code is of; None outside a git repository."""
    command = ["git", "-C", str(ROOT), "rev-parse", "HEAD"]
    try:
        run = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return run.stdout.strip()


def parity(targets: list[RgbImage], predictions: list[RgbImage]) -> dict[str, float]:
    """PSNR between pairs of pictures in dB, mean and least."""
    decibels = [psnr_db(*pair) for pair in zip(targets, predictions, strict=True)]
    return {
        "parity_psnr_db": float(np.mean(decibels)),
        "parity_psnr_db_least": float(np.min(decibels)),
    }


def check_parity(checkpoint: Path, metrics: Mapping[str, float]) -> None:
    """Tells the metrics of an int8 graph.

    Raises:
        ExportRejected: it is under MIN_PARITY_DB of float.
    """
    print(f"int8 graph: {dict(metrics)}")
    if metrics["parity_psnr_db"] < MIN_PARITY_DB:
        raise ExportRejected(
            f"{checkpoint}: int8 is {metrics['parity_psnr_db']:.1f} dB from float, "
            f"under {MIN_PARITY_DB}: nothing written"
        )


def check_info(info: WeightInfo, kind: str, dirs: OutputDirs, overwrite: bool) -> None:
    """Checks what a person says of new weights before any work is done.

    Args:
        info: the name, the title, the licence.
        kind: of the weights.
        dirs: where they are to go.
        overwrite: whether they may take the place of others of that name and kind.

    Raises:
        ExportRejected: the name is not of letters, digits and hyphens, or taken; the title or the
            licence is empty; or a parser would stand beside another, and chance decide between.
    """
    if not re.fullmatch(r"[A-Za-z0-9]+(-[A-Za-z0-9]+)*", info.name):
        raise ExportRejected(f"the name {info.name!r}: letters and digits, joined by hyphens")
    if not (info.title.strip() and info.licence.strip()):
        raise ExportRejected(f"{info.name} needs a title and a licence")
    for entry in read_manifest(dirs.weights)["weights"]:
        name, other = entry["name"], entry["kind"]
        if name == info.name and other != kind:
            raise ExportRejected(f"the weights have {name} as {other}, not as {kind}")
        if name == info.name and not overwrite:
            raise ExportRejected(f"the weights have a {kind} {name}: --replace, or another --name")
        if name != info.name and other == kind == "parser":
            raise ExportRejected(f"the weights have a parser, {name}: --name {name} --replace")


def read_manifest(folder: Path) -> dict[str, Any]:
    """manifest.json of the folder, or an empty one where there is none."""
    path = folder / "manifest.json"
    if not path.exists():
        return {"manifest_version": MANIFEST_VERSION, "weights": []}
    document: dict[str, Any] = json.loads(path.read_text())
    return document


def install(dirs: OutputDirs, spec: WeightSpec, files: Files, inherit: bool = True) -> list[Path]:
    """Writes files and puts their network into manifest.json, in place of one of the same name.

    Everything is first written beside its place, then moved, the manifest last: a full disk or
    any other failure to write leaves the folder as it was. Files that only the replaced network
    had are removed. A folder's first style brings the shipped upsampler with it, without which no
    style can be enlarged.

    Args:
        dirs: where the files go.
        spec: the network; its ``files`` are filled in here, its ``figures`` rounded.
        files: name and content by role.
        inherit: whether what a person chose for the replaced style (CHOSEN) stays.

    Returns:
        The paths of the files.
    """
    document = read_manifest(dirs.weights)
    others = [entry for entry in document["weights"] if entry["name"] != spec.name]
    replaced = [entry for entry in document["weights"] if entry["name"] == spec.name]
    listed = {
        role: WeightFile(name, hashlib.sha256(content).hexdigest(), len(content))
        for role, (name, content) in files.items()
    }
    figures = {name: round(value, 4) for name, value in spec.figures.items()}
    entry = _entry(replace(spec, files=listed, figures=figures))
    if inherit:
        entry |= {name: old[name] for old in replaced for name in CHOSEN if name in old}
    document["weights"] = sorted([*others, entry], key=lambda one: str(one["name"]))
    manifest = (json.dumps(document, indent=2) + "\n").encode()

    written = [dirs.of(role) / name for role, (name, _) in files.items()]
    contents = [content for _, content in files.values()]
    _replace_all([*written, dirs.weights / "manifest.json"], [*contents, manifest])
    for role, old in ((role, old) for entry in replaced for role, old in entry["files"].items()):
        path = dirs.of(role) / old["file"]
        if path not in written:
            path.unlink(missing_ok=True)
    if spec.kind == "style" and all(old["kind"] != "upsampler" for old in others):
        _bring_upsampler(dirs)
    return written


def shipped_checkpoint(name: str, path: Path, dirs: OutputDirs | None = None) -> Path:
    """Writes what an export reads of a training, out of the float file of exported weights.

    So that graphs can be written anew, when the way in which they are written has changed,
    without training again.

    Raises:
        KeyError: the folder has no network of that name.
    """
    dirs = dirs or OutputDirs()
    entry = {entry["name"]: entry for entry in read_manifest(dirs.weights)["weights"]}[name]
    tensors = safetensors.torch.load_file(dirs.of("float") / entry["files"]["float"]["file"])
    content = {
        "architecture": entry["architecture"],
        "average": expanded(tensors),
        "shape": entry["shape"],
        "step": entry["recipe"]["steps_done"],
        "history": entry["recipe"]["history"],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(content, path)
    return path


def _entry(spec: WeightSpec) -> dict[str, Any]:
    """The manifest's entry: all that has no default, and what differs from it."""
    values = asdict(spec)
    defaults = {
        field.name: field.default if field.default_factory is MISSING else field.default_factory()
        for field in fields(spec)
    }
    return {name: value for name, value in values.items() if value != defaults[name]}


def _replace_all(paths: list[Path], contents: list[bytes]) -> None:
    """Writes all files or, on failure, none."""
    parts: dict[Path, Path] = {}
    try:
        for path, content in zip(paths, contents, strict=True):
            path.parent.mkdir(parents=True, exist_ok=True)
            parts[path] = path.with_name(f".{path.name}.part")
            parts[path].write_bytes(content)
        for path, part in parts.items():
            part.replace(path)
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)


def _bring_upsampler(dirs: OutputDirs) -> None:
    """Copies the shipped upsampler."""
    shipped = OutputDirs()
    for entry in read_manifest(shipped.weights)["weights"]:
        if entry["kind"] == "upsampler":
            files = {
                role: (listed["file"], (shipped.of(role) / listed["file"]).read_bytes())
                for role, listed in entry["files"].items()
            }
            install(dirs, WeightSpec(**entry), files)
