"""What every network goes through on its way into the layer: int8, parity, files, manifest.

Nothing here knows one architecture from another; see training/export/student.py and
training/published/importers.py for those.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import subprocess
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process
from torch import Tensor, nn

from pipeline.domain import RgbImage
from pipeline.measure import psnr_db
from pipeline.weights import MANIFEST_VERSION
from training.data.tensors import to_picture
from training.engine.errors import StyleRefused
from training.export.integer import PICTURES

ROOT = Path(__file__).resolve().parents[2]
LAYER = ROOT / "layers" / "weights"
CHECKPOINTS = ROOT / "training" / "checkpoints"
LEAST_PARITY_DB = 40.0
SERVED_OUTPUTS = 16
SIDES = {2: "height", 3: "width"}  # axes of a picture
INT8 = "int8 per channel, 7-bit weights, 8-bit activations (QDQ)"
INTEGERS = "int8 per channel, 7-bit weights, 8-bit activations (integers from pixels to pixels)"
# of a manifest's entry: what a person decided by looking, which no training says anew
KEPT = ("description", "scene_px", "face_px", "largest_px", "faces_default")
QUANTISED_OPERATORS = ("Conv", "Add", "Relu", "DepthToSpace", "SpaceToDepth")

Inputs = dict[str, NDArray[np.float32]]  # a graph's inputs by name


def export_onnx(
    net: nn.Module,
    inputs: Mapping[str, Tensor],
    output: str,
    path: Path,
    free_sides: bool,
    free_in_output: Mapping[int, str] = SIDES,
) -> Path:
    """A float32 ONNX graph of ``net`` at ``path``; ``inputs`` are examples by name, in order.

    With ``free_sides`` the inputs that are pictures take any height and width;
    ``free_in_output`` are the axes of the output that then differ.
    """
    free = {name: dict(SIDES) for name in inputs if name in PICTURES}
    free[output] = dict(free_in_output)
    with warnings.catch_warnings():
        # of constants that stay unfolded, and the like: whether the graph is right, parity tells
        warnings.simplefilter("ignore")
        torch.onnx.export(
            net,
            tuple(inputs.values()),
            path,
            input_names=list(inputs),
            output_names=[output],
            dynamic_axes=free if free_sides else {},
            opset_version=17,
            dynamo=False,
        )
    return path


def widened(convolution: nn.Conv2d, outputs: int = SERVED_OUTPUTS) -> nn.Conv2d:
    """The same convolution with outputs of zero added up to ``outputs``.

    ONNX Runtime's int8 kernels work on blocks of 16 outputs: with the 12 of a pixel-shuffle to
    RGB they were measured to take five times the time.
    """
    wide = nn.Conv2d(
        convolution.in_channels, outputs, convolution.kernel_size, padding=convolution.padding
    )
    with torch.no_grad():
        wide.weight.zero_()
        wide.bias.zero_()
        wide.weight[: convolution.out_channels] = convolution.weight
        wide.bias[: convolution.out_channels] = convolution.bias
    return wide


class Calibration(CalibrationDataReader):
    """The inputs that tell the quantiser the range of every activation, each used once."""

    def __init__(self, inputs: Iterable[Inputs]) -> None:
        self._inputs: Iterator[Inputs] = iter(inputs)

    def get_next(self) -> Inputs | None:
        return next(self._inputs, None)


def quantise(
    graph: Path,
    folder: Path,
    inputs: Iterable[Inputs],
    in_float: Sequence[str] = (),
    more_operators: Sequence[str] = (),
) -> Path:
    """A float32 ONNX graph to an int8 one in ``folder``, per channel, calibrated on ``inputs``;
    the nodes named ``in_float`` stay as they are; ``more_operators`` are quantised beside the
    usual ones.

    Weights have 7 bits, since on CPUs with AVX2 but without VNNI the sum of two products of
    8 bits by 8 bits can overflow the 16 bits it is kept in.
    """
    prepared, quantised = folder / "prepared.onnx", folder / "int8.onnx"
    quant_pre_process(graph, prepared, skip_symbolic_shape=True)
    quantize_static(
        prepared,
        quantised,
        Calibration(inputs),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        reduce_range=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        op_types_to_quantize=[*QUANTISED_OPERATORS, *more_operators],
        nodes_to_exclude=list(in_float),
    )
    return quantised


def run_graph(graph: Path, inputs: Iterable[Inputs]) -> list[RgbImage]:
    """The first output of an ONNX graph, (1, 3, H, W) in [-1, 1], for each of the inputs; one
    that computes on pixels (training/export/integer.py) is given the same pictures as such.
    """
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    if all(one.type != "tensor(uint8)" for one in session.get_inputs()):
        return [to_picture(torch.from_numpy(session.run(None, one)[0])) for one in inputs]
    made = []
    for one in inputs:
        pixels = {
            name: to_picture(torch.from_numpy(one[name]))[None] for name in PICTURES if name in one
        }
        drawn = session.run(None, {**one, **pixels})[0][0]
        made.append(np.ascontiguousarray(drawn[..., :3]))
    return made


def parity(wanted: Sequence[RgbImage], made: Sequence[RgbImage]) -> dict[str, float]:
    """PSNR between pairs of pictures in dB, mean and least."""
    agreement = [psnr_db(one, other) for one, other in zip(wanted, made, strict=True)]
    return {
        "parity_psnr_db": float(np.mean(agreement)),
        "parity_psnr_db_least": float(np.min(agreement)),
    }


def refuse_unlike(checkpoint: Path, measured: Mapping[str, float]) -> None:
    """Raises StyleRefused when int8 is under LEAST_PARITY_DB of float."""
    print(f"int8 graph: {dict(measured)}")
    if measured["parity_psnr_db"] < LEAST_PARITY_DB:
        raise StyleRefused(
            f"{checkpoint}: int8 is {measured['parity_psnr_db']:.1f} dB from float, "
            f"under {LEAST_PARITY_DB}: nothing written"
        )


def made_by(saved: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """How weights were made, as the manifest tells it, out of a checkpoint."""
    return {
        "history": saved["history"],
        "steps_done": saved["step"],
        "commit": source_commit(),
        **more,
    }


def file_entry(name: str, content: bytes) -> dict[str, Any]:
    """A file as the manifest lists it."""
    return {"file": name, "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}


def graph_bytes(graph: Path) -> bytes:
    """An ONNX file, tensors included, as it is served."""
    content: bytes = onnx.load(graph).SerializeToString()
    return content


def source_commit() -> str | None:
    """The commit that this code is of; None outside a git repository."""
    command = ["git", "-C", str(ROOT), "rev-parse", "HEAD"]
    try:
        run = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return run.stdout.strip()


@dataclass(frozen=True)
class Label:
    """What a person says of new weights: the style's name, its title, its licence."""

    name: str
    title: str
    licence: str


@dataclass(frozen=True)
class Place:
    """Where weights go: the served files and manifest.json, and the float checkpoints."""

    layer: Path = LAYER
    checkpoints: Path = CHECKPOINTS

    def folder(self, role: str) -> Path:
        return self.checkpoints if role == "float" else self.layer


def check_label(label: Label, place: Place, replace: bool, kind: str = "style") -> None:
    """Raises StyleRefused for a name that is not of letters, digits and hyphens, one that the
    layer already has (unless it is of that kind and ``replace``), an empty title or licence.
    """
    if not re.fullmatch(r"[A-Za-z0-9]+(-[A-Za-z0-9]+)*", label.name):
        raise StyleRefused(f"the name {label.name!r}: letters and digits, joined by hyphens")
    if not (label.title.strip() and label.licence.strip()):
        raise StyleRefused(f"{label.name} needs a title and a licence")
    kinds = {old["name"]: old["kind"] for old in read_manifest(place.layer)["weights"]}
    if kinds.get(label.name, kind) != kind:
        raise StyleRefused(f"{label.name} is in the layer as {kinds[label.name]}, not as {kind}")
    if label.name in kinds and not replace:
        raise StyleRefused(f"the layer has a {kind} {label.name}: --replace, or another --name")


def read_manifest(layer: Path) -> dict[str, Any]:
    """manifest.json of the folder, or an empty one where there is none."""
    path = layer / "manifest.json"
    if not path.exists():
        return {"manifest_version": MANIFEST_VERSION, "weights": []}
    document: dict[str, Any] = json.loads(path.read_text())
    return document


def install(
    place: Place, entry: Mapping[str, Any], files: Mapping[str, tuple[str, bytes]]
) -> list[Path]:
    """Writes the files by role (name, content) and puts the entry, completed by them, into
    manifest.json in place of one of the same name. Returns the paths of the files.

    What a person chose for the replaced one (KEPT), and the entry does not say, stays as it was.

    Everything is first written beside its place, then moved, the manifest last: a full disk or
    any other failure to write leaves the layer as it was. Files that only the replaced entry
    listed are removed. A layer's first style brings the shipped upsampler with it.
    """
    listed = {role: file_entry(*file) for role, file in files.items()}
    document = read_manifest(place.layer)
    others = [old for old in document["weights"] if old["name"] != entry["name"]]
    replaced = [old for old in document["weights"] if old["name"] == entry["name"]]
    kept = {name: old[name] for old in replaced for name in KEPT if name in old}
    complete = kept | dict(entry) | {"files": listed}
    document["weights"] = sorted([*others, complete], key=lambda one: one["name"])
    manifest = (json.dumps(document, indent=2) + "\n").encode()

    written = [place.folder(role) / name for role, (name, _) in files.items()]
    contents = [content for _, content in files.values()]
    parts: dict[Path, Path] = {}
    try:
        for path, content in zip(
            [*written, place.layer / "manifest.json"], [*contents, manifest], strict=True
        ):
            path.parent.mkdir(parents=True, exist_ok=True)
            parts[path] = path.with_name(f".{path.name}.part")
            parts[path].write_bytes(content)
        for path, part in parts.items():
            part.replace(path)
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)
    for role, old in ((role, old) for entry in replaced for role, old in entry["files"].items()):
        path = place.folder(role) / old["file"]
        if path not in written:
            path.unlink(missing_ok=True)
    if entry["kind"] == "style" and all(old["kind"] != "upsampler" for old in others):
        _bring_upsampler(place)
    return written


def command(description: str | None, add: Callable[[Path, Path, Place], None]) -> None:
    """The command line of an export that is calibrated and measured on photographs."""
    parser = argparse.ArgumentParser(description=(description or "").splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True, help="folder of photos/, portraits/")
    parser.add_argument("--layer", type=Path, default=LAYER)
    parser.add_argument("--checkpoints", type=Path, default=CHECKPOINTS)
    options = parser.parse_args()
    add(options.checkpoint, options.data, Place(options.layer, options.checkpoints))


def _bring_upsampler(place: Place) -> None:
    """Copies the shipped upsampler, without which no style of a layer can be enlarged."""
    shipped = Place()
    for entry in read_manifest(shipped.layer)["weights"]:
        if entry["kind"] == "upsampler":
            files = {
                role: (listed["file"], (shipped.folder(role) / listed["file"]).read_bytes())
                for role, listed in entry["files"].items()
            }
            install(place, entry, files)
