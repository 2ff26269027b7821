"""Turns a restorer's checkpoint into files of the layer.

    python -m training.export.restorer --checkpoint .cache/runs/restorer/last.pt \\
        --data ../shared/data

Two graphs of one net: "picture" keeps the size, "double" doubles it. Up to the heads the
convolutions are int8; what the heads say is weighed by the levels and added to the photo's own
pixels in float, so that a photo with nothing to mend comes through unchanged.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import onnx
import safetensors.torch
import torch

from pipeline.architectures.restorer import Restorer, RestorerShape
from pipeline.domain import RgbImage
from training.data.tensors import to_tensor
from training.export.graphs import restorer_graph
from training.export.layer import (
    INT8,
    Inputs,
    Place,
    command,
    export_onnx,
    graph_bytes,
    install,
    made_by,
    parity,
    quantise,
    refuse_unlike,
    run_graph,
)
from training.tasks.restorer import (
    Pair,
    draw_pair,
    held_out_pairs,
    levels,
    measure,
    photographs,
    restore,
)

NAME = "restorer"
HEADS = ("/head/Conv", "/doubling_head/Conv")
SCALES = {"picture": 1, "double": 2}  # by role
CALIBRATION_PAIRS, CALIBRATION_PX = 64, 96
LICENCE = (
    "Apache-2.0: trained on photographs spoilt by this repository's own code; see MODEL_CARD.md"
)


def inputs_of(pairs: Sequence[Pair]) -> Iterator[Inputs]:
    """What the graphs take for each pair: the photo, and its true levels."""
    for pair in pairs:
        picture = to_tensor([pair.given]).contiguous().numpy()
        yield {"picture": picture, "level": levels([pair.damage]).numpy()}


def kept_in_float(graph: Path) -> list[str]:
    """The nodes after the heads, and those that bring the levels to the blocks."""
    nodes = onnx.load(graph).graph.node
    makers = {output: node for node in nodes for output in node.output}
    found = {node.name for node in nodes if "shift" in node.name}
    waiting = list(nodes[-1].output)
    while waiting:
        node = makers.get(waiting.pop())
        if node is not None and node.name not in HEADS and node.name not in found:
            found.add(node.name)
            waiting += node.input
    return sorted(found)


def graph_of(
    net: Restorer, role: str, folder: Path, calibration: Sequence[Pair], name: str = "restorer"
) -> Path:
    """The int8 graph of that role in ``folder``."""
    served = deepcopy(net)
    served.scale = SCALES[role]
    example = {"picture": torch.zeros(1, 3, 64, 96), "level": torch.ones(1, 3, 1, 1)}
    graph = export_onnx(served, example, "restored", folder / f"{name}.onnx", True)
    return quantise(graph, folder, inputs_of(calibration), kept_in_float(graph))


def add_restorer(
    checkpoint: Path,
    calibration: Sequence[Pair],
    held_out: dict[str, list[Pair]],
    recipe: dict[str, Any],
    place: Place,
) -> list[Path]:
    """Adds the averaged net of a checkpoint to the layer; returns what it wrote.

    Calibrated on the first pairs and measured on the others, by kind of damage. Raises
    StyleRefused, and writes nothing, when int8 strays too far from float.
    """
    saved = torch.load(checkpoint, weights_only=True, map_location="cpu")
    shape = RestorerShape.from_dict(saved["shape"])
    net = Restorer(shape).eval()
    net.load_state_dict({name: t.half().float() for name, t in saved["average"].items()})
    pairs = [pair for kind in held_out.values() for pair in kind]
    graphs: dict[str, bytes] = {}
    made: dict[str, list[RgbImage]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        for role in SCALES:
            graph = graph_of(net, role, Path(temporary), calibration)
            if role == "picture":  # the other's cubic interpolation wants more than 7 bits
                graph.write_bytes(restorer_graph(graph_bytes(graph), shape))
            made[role] = run_graph(graph, inputs_of(pairs))
            graphs[role] = graph_bytes(graph)
    wanted = dict(
        zip(SCALES, zip(*(restore(net, pair) for pair in pairs), strict=True), strict=True)
    )
    measured = parity(wanted["picture"], made["picture"])
    doubled = parity(wanted["double"], made["double"])
    measured |= {f"{name}_doubled": value for name, value in doubled.items()}
    first = 0
    for kind, kind_pairs in held_out.items():
        these = slice(first, first + len(kind_pairs))
        rows = measure(kind_pairs, made["picture"][these], made["double"][these])
        measured |= {f"{kind}_{name}": value for name, value in rows.items()}
        first += len(kind_pairs)
    for figures in (measured, doubled):
        refuse_unlike(checkpoint, figures)
    entry = {
        "name": NAME,
        "title": "Restorer of photographs",
        "kind": "restorer",
        "architecture": "restorer",
        "files": {},
        "quantisation": INT8,
        "input_range": [-1, 1],
        "scale": 1,
        "multiple_of_px": 4,
        "overlap_px": shape.receptive_radius_px,
        "tileable": True,
        "working_px": 0,
        "thumbnail_px": 0,
        "licence": LICENCE,
        "shape": shape.as_dict(),
        "recipe": made_by(saved, recipe),
        "figures": {name: round(value, 4) for name, value in measured.items()},
    }
    tensors = {name: t.half().contiguous() for name, t in net.state_dict().items()}
    files = {role: (f"{NAME}.{role}.int8.onnx", graph) for role, graph in graphs.items()}
    files["float"] = (f"{NAME}.safetensors", safetensors.torch.save(tensors))
    return install(place, entry, files)


def add(checkpoint: Path, data: Path, place: Place) -> None:
    """Adds the restorer, calibrated and measured on the photographs of ``data``."""
    lists = photographs(data, validation=False)
    written = add_restorer(
        checkpoint,
        [draw_pair(lists, False, CALIBRATION_PX, (3, n)) for n in range(CALIBRATION_PAIRS)],
        held_out_pairs(data),
        {"photographs": sum(map(len, lists.values()))},
        place,
    )
    print("wrote", *written)


if __name__ == "__main__":
    command(__doc__, add)
