r"""From a colouriser's checkpoint to the served files, in place of those that are there.

python -m training.export.colouriser OUT/last.pt --pictures DIR --licence "..." \
        --layer LAYER --checkpoints LAYER
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import torch

from pipeline.architectures.colouriser import Colouriser, ColouriserShape, split
from pipeline.architectures.compact import compacted, expanded
from pipeline.lineart.dots import PLANES
from training.data.colour import (
    HELD_OUT_DOTS,
    ColouredPictures,
    Folder,
    Sample,
    Wishes,
    stack,
)
from training.data.tensors import to_picture
from training.export.manifest import (
    OutputDirs,
    WeightInfo,
    check_parity,
    compact_file,
    install,
    load_average,
    new_spec,
    parity,
    provenance,
    rounded,
)
from training.export.onnx import (
    INT8,
    Inputs,
    export_onnx,
    quantise,
    run_graph,
    served_bytes,
)
from training.metrics.colour import bin_accuracy, colour, colour_metrics

CALIBRATION_CROPS, CALIBRATION_PX = 96, 384
MEASURED_PX = 512  # longer side, as it is served
# all that is told of the whole drawing: small, of another range than a picture; and the head,
# whose colours and scores have ranges of their own: 50 dB instead of 38
IN_FLOAT = ("/palette/", "/context/", "/ReduceMean", "/head/")
INFO = WeightInfo(
    "colouriser",
    "Colouriser of line drawings",
    "Apache-2.0: trained on CC0 illustrations and drawings of this repository's own renderer; "
    "see MODEL_CARD.md",
)


def graph_inputs(samples: Sequence[Sample]) -> Iterator[Inputs]:
    """What the graph takes for each drawing."""
    for sample in samples:
        batch = stack([sample])
        yield {
            "lines": np.ascontiguousarray(batch.lines.numpy()),
            "hints": np.ascontiguousarray(batch.hints.numpy()),
            "palette": batch.palette.numpy(),
        }


def graph_of(net: Colouriser, folder: Path, calibration: Sequence[Sample]) -> Path:
    """The int8 graph in ``folder``."""
    example = {
        "lines": torch.ones(1, 1, 64, 96),
        "hints": torch.zeros(1, PLANES, 64, 96),
        "palette": torch.zeros(1, net.shape.palette_length, 1, 1),
    }
    graph = export_onnx(net, example, "answer", folder / "colouriser.onnx", True)
    in_float = [n.name for n in onnx.load(graph).graph.node if n.name.startswith(IN_FLOAT)]
    return quantise(graph, graph_inputs(calibration), in_float, ("Resize",))


def export(
    checkpoint: Path, pictures: Path, dirs: OutputDirs, info: WeightInfo = INFO
) -> list[Path]:
    """Adds the averaged network of a checkpoint to the weights; returns what it wrote.

    Args:
        checkpoint: of a colouriser's training.
        pictures: what it learned from, a folder or a pattern; the last tenth is measured on.
        dirs: where the files go.
        info: what a person says of them.

    Raises:
        ExportRejected: int8 strays too far from float; nothing is written.
        NoPictures: there are no pictures of a useful size.
    """
    average, saved = load_average(checkpoint, "colouriser")
    shape = ColouriserShape.from_dict(saved["shape"])
    # rounded as its float file is, so that both files and the metrics are of one network
    net = rounded(Colouriser(shape), average)
    net.load_state_dict(expanded(compacted(net.state_dict())))
    known = ColouredPictures([Folder(pictures)])
    held_out = ColouredPictures([Folder(pictures)], validation=True)
    random = np.random.default_rng(3)
    wishes = Wishes(hint_share=0.5, max_hints=24, palette_share=0.5, exchange_share=0.5)
    calibration = [known.sample(CALIBRATION_PX, wishes, random) for _ in range(CALIBRATION_CROPS)]
    with tempfile.TemporaryDirectory() as temporary:
        graph = served_bytes(graph_of(net, Path(temporary), calibration))
    samples = [
        sample
        for dots in (0, HELD_OUT_DOTS)
        for sample in held_out.held_out(MEASURED_PX, shape.multiple_of_px, dots)
    ]
    answers = [torch.from_numpy(answer) for answer in run_graph(graph, graph_inputs(samples))]
    drawn = [to_picture(split(answer)[0]) for answer in answers]
    targets = [sample.target for sample in samples]
    dotted = slice(len(samples) // 2, None)
    metrics = colour_metrics(drawn[dotted], targets[dotted])
    metrics["bin_accuracy"] = bin_accuracy(net, samples[: len(samples) // 2])
    metrics |= parity([colour(net, sample) for sample in samples], drawn)
    check_parity(checkpoint, metrics)
    spec = new_spec(
        info,
        "colouriser",
        "colouriser",
        INT8,
        multiple_of_px=shape.multiple_of_px,
        working_px=MEASURED_PX,
        shape=shape.as_dict(),
        recipe=provenance(saved, pictures=len(known)),
        figures=metrics,
    )
    files = {"picture": (f"{info.name}.int8.onnx", graph), "float": compact_file(info.name, net)}
    return install(dirs, spec, files)


def main() -> None:
    """The command line."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    arguments.add_argument("checkpoint", type=Path, help="last.pt of `kirei train colour`")
    arguments.add_argument("--pictures", type=Path, required=True, help="what it learned from")
    arguments.add_argument("--licence", required=True, help="of the weights")
    arguments.add_argument("--layer", type=Path, default=OutputDirs().weights)
    arguments.add_argument("--checkpoints", type=Path, default=OutputDirs().checkpoints)
    options = arguments.parse_args()
    dirs = OutputDirs(options.layer, options.checkpoints)
    info = replace(INFO, licence=options.licence)
    print("wrote", *export(options.checkpoint, options.pictures, dirs, info))


if __name__ == "__main__":
    main()
