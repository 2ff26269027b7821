"""Turns a checkpoint into files of the layer: ONNX, int8, parity, manifest.

    python -m training.export --checkpoint .cache/runs/hayao/last.pt --name hayao \\
        --title "Hayao" --targets .cache/targets/hayao \\
        --validation .cache/targets/hayao-validation

Writes layers/weights/NAME.int8.onnx, NAME.code.onnx, their entry in manifest.json, and the
float student as training/checkpoints/NAME.safetensors (half precision, to fine-tune from).
Stops without writing when int8 strays too far from float.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import safetensors.torch
import torch
from numpy.typing import NDArray
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from pipeline.measure import psnr_db
from pipeline.nets.student import StudentShape
from pipeline.weights import MANIFEST_VERSION
from training.distil import Pairs, Student, to_picture, to_tensor
from training.figures import figures

ROOT = Path(__file__).resolve().parent.parent
LEAST_PARITY_DB = 40.0
WORKING_PX = 384
CALIBRATION_WINDOWS = 64
LICENCE = (
    "non-commercial (academic) use: distilled from AnimeGANv2's Hayao weights, whose terms say "
    "so; see MODEL_CARD.md"
)


def load_student(checkpoint: Path) -> tuple[Student, dict[str, Any]]:
    """The averaged student of a checkpoint, rounded to half precision, and the checkpoint.

    Rounded first, so that the float file, the ONNX graph and the figures are of one network.
    """
    saved = torch.load(checkpoint, weights_only=True, map_location="cpu")
    student = Student(StudentShape.from_dict(saved["shape"]))
    student.load_state_dict({name: t.half().float() for name, t in saved["average"].items()})
    return student.eval(), saved


def export_float(student: Student, folder: Path) -> tuple[Path, Path]:
    """The generator (free height and width) and the encoder as float32 ONNX graphs."""
    shape = student.generator.shape
    picture, code = folder / "picture.onnx", folder / "code.onnx"
    free = {2: "height", 3: "width"}
    torch.onnx.export(
        student.generator,
        (torch.zeros(1, 3, 64, 96), torch.ones(1, shape.code_length, 1, 1)),
        picture,
        input_names=["picture", "code"],
        output_names=["drawing"],
        dynamic_axes={"picture": free, "drawing": free},
        opset_version=17,
        dynamo=False,
    )
    side = shape.thumbnail_px
    torch.onnx.export(
        student.encoder,
        (torch.zeros(1, 3, side, side),),
        code,
        input_names=["thumbnail"],
        output_names=["code"],
        opset_version=17,
        dynamo=False,
    )
    return picture, code


class Calibration(CalibrationDataReader):
    """Windows of training photographs with the codes of their thumbnails."""

    def __init__(self, pairs: Pairs, student: Student) -> None:
        self._inputs = self._make(pairs, student)

    def _make(self, pairs: Pairs, student: Student) -> Iterator[dict[str, NDArray[np.float32]]]:
        step = max(1, len(pairs.photos) // CALIBRATION_WINDOWS)
        for photo, thumbnail in zip(pairs.photos[::step], pairs.thumbnails[::step], strict=True):
            with torch.inference_mode():
                code = student.encoder(to_tensor([thumbnail])).numpy()
            yield {"picture": to_tensor([photo]).contiguous().numpy(), "code": code}

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        return next(self._inputs, None)


def quantise(picture: Path, folder: Path, calibration: Calibration) -> Path:
    """int8, per channel. Weights have 7 bits, since on CPUs with AVX2 but without VNNI the sum
    of two products of 8 bits by 8 bits can overflow the 16 bits it is kept in.
    """
    prepared, quantised = folder / "prepared.onnx", folder / "int8.onnx"
    quant_pre_process(picture, prepared, skip_symbolic_shape=True)
    quantize_static(
        prepared,
        quantised,
        calibration,
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        reduce_range=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        op_types_to_quantize=["Conv", "Add", "Relu", "DepthToSpace", "SpaceToDepth"],
    )
    return quantised


def parity(student: Student, picture: Path, code: Path, pairs: Pairs) -> dict[str, float]:
    """PSNR between the torch module and the graph, mean and least, over whole windows; and the
    graph's own figures against the targets.
    """
    session = onnxruntime.InferenceSession(picture, providers=["CPUExecutionProvider"])
    encoder = onnxruntime.InferenceSession(code, providers=["CPUExecutionProvider"])
    agreement, made = [], []
    for photo, target, thumbnail in zip(pairs.photos, pairs.targets, pairs.thumbnails, strict=True):
        window, small = to_tensor([photo]), to_tensor([thumbnail])
        with torch.inference_mode():
            of_torch = to_picture(student(window, small))
        codes = encoder.run(None, {"thumbnail": small.contiguous().numpy()})[0]
        out = session.run(None, {"picture": window.contiguous().numpy(), "code": codes})[0]
        of_graph = to_picture(torch.from_numpy(out))
        agreement.append(psnr_db(of_torch, of_graph))
        made.append((of_graph, target))
    return {
        "parity_psnr_db": float(np.mean(agreement)),
        "parity_psnr_db_least": float(np.min(agreement)),
        **figures(made),
    }


def file_entry(path: Path) -> dict[str, Any]:
    content = path.read_bytes()
    return {
        "file": path.name,
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
    }


def write_manifest(folder: Path, entry: dict[str, Any]) -> None:
    """Puts one entry into manifest.json, in place of one of the same name."""
    path = folder / "manifest.json"
    document: dict[str, Any] = {"manifest_version": MANIFEST_VERSION, "weights": []}
    if path.exists():
        document = json.loads(path.read_text())
    others = [old for old in document["weights"] if old["name"] != entry["name"]]
    document["weights"] = sorted([*others, entry], key=lambda one: one["name"])
    path.write_text(json.dumps(document, indent=2) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--title", required=True)
    parser.add_argument("--targets", type=Path, required=True, help="training windows")
    parser.add_argument("--validation", type=Path, required=True, help="held-out windows")
    parser.add_argument("--layer", type=Path, default=ROOT / "layers" / "weights")
    parser.add_argument("--checkpoints", type=Path, default=ROOT / "training" / "checkpoints")
    options = parser.parse_args()

    student, saved = load_student(options.checkpoint)
    shape, history = student.generator.shape, saved["history"]
    crop_px = history[-1]["recipe"]["crop_px"]
    pairs = Pairs(options.targets, shape.thumbnail_px, crop_px)
    held_out = Pairs(options.validation, shape.thumbnail_px, crop_px)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        picture, code = export_float(student, folder)
        in_float = parity(student, picture, code, held_out)
        quantised = quantise(picture, folder, Calibration(pairs, student))
        in_int8 = parity(student, quantised, code, held_out)
        print(f"float graph: {in_float}\nint8 graph:  {in_int8}")
        if in_int8["parity_psnr_db"] < LEAST_PARITY_DB:
            raise SystemExit(f"int8 is under {LEAST_PARITY_DB} dB of float: nothing written")
        options.layer.mkdir(parents=True, exist_ok=True)
        options.checkpoints.mkdir(parents=True, exist_ok=True)
        served = options.layer / f"{options.name}.int8.onnx"
        onnx.save(onnx.load(quantised), served)
        encoder = options.layer / f"{options.name}.code.onnx"
        onnx.save(onnx.load(code), encoder)
    in_full = options.checkpoints / f"{options.name}.safetensors"
    tensors = {n: t.half().contiguous() for n, t in student.state_dict().items()}
    safetensors.torch.save_file(tensors, in_full)
    commit = subprocess.run(
        ["git", "-C", str(ROOT), "rev-parse", "HEAD"], capture_output=True, text=True, check=True
    ).stdout.strip()
    names = "\n".join(pairs.names).encode()
    write_manifest(
        options.layer,
        {
            "name": options.name,
            "title": options.title,
            "kind": "style",
            "files": {
                "picture": file_entry(served),
                "code": file_entry(encoder),
                "float": file_entry(in_full),
            },
            "quantisation": "int8 per channel, 7-bit weights, 8-bit activations (QDQ)",
            "input_range": [-1, 1],
            "scale": 1,
            "multiple_of_px": 4,
            "overlap_px": shape.receptive_radius_px,
            "working_px": WORKING_PX,
            "thumbnail_px": shape.thumbnail_px,
            "licence": LICENCE,
            "shape": shape.as_dict(),
            "recipe": {
                "history": history,
                "steps_done": saved["step"],
                "commit": commit,
                "windows": len(pairs.photos),
                "windows_sha256": hashlib.sha256(names).hexdigest(),
            },
            "figures": {name: round(value, 4) for name, value in in_int8.items()},
        },
    )
    print(f"wrote {served}, {encoder}, {in_full}")


if __name__ == "__main__":
    main()
