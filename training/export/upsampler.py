"""Turns an upsampler's checkpoint into files of the layer.

    python -m training.export.upsampler --checkpoint .cache/runs/upsampler/last.pt \\
        --targets .cache/targets/upsampler --validation .cache/targets/upsampler-validation

The convolutions are int8. What they add to is the drawing, interpolated in whole sixteenths, so
that flat areas come through unchanged.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

import safetensors.torch
import torch

from pipeline.architectures.upsampler import Upsampler, UpsamplerShape
from pipeline.domain import RgbImage
from pipeline.enlarge import steepen
from training.data.tensors import to_picture, to_tensor
from training.data.upsampler_targets import Pair
from training.export.graphs import upsampler_graph
from training.export.layer import (
    CHECKPOINTS,
    INTEGERS,
    LAYER,
    Inputs,
    Place,
    export_onnx,
    graph_bytes,
    install,
    made_by,
    parity,
    quantise,
    refuse_unlike,
    run_graph,
)
from training.tasks.upsampler import Recipe, measure, pairs

NAME = "upsampler"
IN_FLOAT = ("/Conv", "/Add")  # the interpolation, and what is added to it
CALIBRATION_DRAWINGS = 64
LICENCE = "Apache-2.0: trained on drawings of this repository's own renderer; see MODEL_CARD.md"


def inputs_of(small: list[RgbImage], pairs_of_them: list[Pair]) -> Iterator[Inputs]:
    """What the graph takes for each small drawing and its photograph."""
    for picture, (photo, _) in zip(small, pairs_of_them, strict=True):
        tensors = {"picture": to_tensor([picture]), "guide": to_tensor([photo])}
        yield {name: tensor.contiguous().numpy() for name, tensor in tensors.items()}


def add_upsampler(checkpoint: Path, targets: Path, validation: Path, place: Place) -> list[Path]:
    """Adds the averaged net of a checkpoint to the layer; returns what it wrote.

    Calibrated on the drawings of ``targets``, measured, steepened, on those of ``validation``
    (folders that training.data.upsampler_targets made). Raises StyleRefused, and writes nothing,
    when int8 strays too far from float.
    """
    saved = torch.load(checkpoint, weights_only=True, map_location="cpu")
    shape = UpsamplerShape(**saved["shape"])
    net = Upsampler(shape).eval()
    net.load_state_dict({name: t.half().float() for name, t in saved["average"].items()})
    recipe = Recipe(**saved["history"][-1]["recipe"])
    known, held_out = (pairs(folder, recipe.reduced) for folder in (targets, validation))
    calibration = known[:: max(1, len(known) // CALIBRATION_DRAWINGS)]
    small, to_calibrate = (
        [recipe.middling(drawing, number) for number, (_, drawing) in enumerate(some)]
        for some in (held_out, calibration)
    )
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        example = {"picture": torch.zeros(1, 3, 64, 96), "guide": torch.zeros(1, 3, 128, 192)}
        graph = export_onnx(net, example, "drawing", folder / "upsampler.onnx", True)
        quantised = quantise(graph, folder, inputs_of(to_calibrate, calibration), IN_FLOAT)
        content = upsampler_graph(graph_bytes(quantised), shape)
        quantised.write_bytes(content)
        made = run_graph(quantised, inputs_of(small, held_out))
    with torch.inference_mode():
        of_float = [
            to_picture(net(to_tensor([picture]), to_tensor([photo])))
            for picture, (photo, _) in zip(small, held_out, strict=True)
        ]
    targets_of_them = [drawing for _, drawing in held_out]
    steep = [steepen(drawing) for drawing in made]
    measured = parity(of_float, made) | measure(small, steep, targets_of_them)
    refuse_unlike(checkpoint, measured)
    entry = {
        "name": NAME,
        "title": "Upsampler of drawings",
        "kind": "upsampler",
        "architecture": "upsampler",
        "files": {},
        "quantisation": INTEGERS,
        "input_range": [-1, 1],
        "scale": 2,
        "multiple_of_px": 2,
        "overlap_px": shape.receptive_radius_px,
        "tileable": True,
        "working_px": 0,
        "thumbnail_px": 0,
        "licence": LICENCE,
        "shape": shape.as_dict(),
        "recipe": made_by(saved, {"windows": len(known)}),
        "figures": {name: round(value, 4) for name, value in measured.items()},
    }
    tensors = {name: t.half().contiguous() for name, t in net.state_dict().items()}
    files = {
        "picture": (f"{NAME}.int8.onnx", content),
        "float": (f"{NAME}.safetensors", safetensors.torch.save(tensors)),
    }
    return install(place, entry, files)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--targets", type=Path, required=True)
    parser.add_argument("--validation", type=Path, required=True)
    parser.add_argument("--layer", type=Path, default=LAYER)
    parser.add_argument("--checkpoints", type=Path, default=CHECKPOINTS)
    options = parser.parse_args()
    place = Place(options.layer, options.checkpoints)
    print("wrote", *add_upsampler(options.checkpoint, options.targets, options.validation, place))


if __name__ == "__main__":
    main()
