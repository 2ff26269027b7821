"""From a restorer's checkpoint to the served files.

Two graphs of one network: "picture" keeps the size, "double" doubles it. Up to the heads the
convolutions are int8; what the heads say is weighed by the levels and added to the photo's own
pixels in float, so that a photo with nothing to restore comes through unchanged.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from pathlib import Path

import onnx
import torch

from pipeline.architectures.restorer import Restorer, RestorerShape
from pipeline.domain import RgbImage
from training.data.photographs import photographs
from training.data.restorer import Pair, held_out_pairs, levels, sample_pair
from training.data.tensors import to_planes
from training.export.graphs import restorer_graph
from training.export.manifest import (
    OutputDirs,
    WeightInfo,
    check_parity,
    float_file,
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
    draw_with_graph,
    export_onnx,
    graph_bytes,
    quantise,
    served_bytes,
)
from training.metrics.restoration import restoration_metrics
from training.tasks.restorer import restore

HEADS = ("/head/Conv", "/doubling_head/Conv")
SCALES = {"picture": 1, "double": 2}  # by role
CALIBRATION_PAIRS, CALIBRATION_PX = 64, 96
INFO = WeightInfo(
    "restorer",
    "Restorer of photographs",
    "Apache-2.0: trained on photographs spoilt by this repository's own code; see MODEL_CARD.md",
)


def graph_inputs(pairs: Sequence[Pair]) -> Iterator[Inputs]:
    """What the graphs take for each pair: the photo, and its true levels."""
    for pair in pairs:
        yield {"picture": to_planes([pair.input]), "level": levels([pair.damage]).numpy()}


def kept_in_float(graph: Path) -> list[str]:
    """The nodes after the heads, and those that bring the levels to the blocks."""
    nodes = onnx.load(graph).graph.node
    makers = {output: node for node in nodes for output in node.output}
    names = {node.name for node in nodes if "shift" in node.name}
    waiting = list(nodes[-1].output)
    while waiting:
        node = makers.get(waiting.pop())
        if node is not None and node.name not in HEADS and node.name not in names:
            names.add(node.name)
            waiting += node.input
    return sorted(names)


def graph_of(net: Restorer, role: str, folder: Path, calibration: Sequence[Pair]) -> Path:
    """The int8 graph of that role in ``folder``."""
    served = deepcopy(net)
    served.scale = SCALES[role]
    example = {"picture": torch.zeros(1, 3, 64, 96), "level": torch.ones(1, 3, 1, 1)}
    graph = export_onnx(served, example, "restored", folder / f"{role}.onnx", True)
    return quantise(graph, graph_inputs(calibration), kept_in_float(graph))


def add_restorer(
    checkpoint: Path,
    calibration: Sequence[Pair],
    held_out: Mapping[str, Sequence[Pair]],
    photos: int,
    dirs: OutputDirs,
) -> list[Path]:
    """Adds the averaged network of a checkpoint to the weights; returns what it wrote.

    Args:
        checkpoint: of a restorer's training.
        calibration: what int8 is calibrated on.
        held_out: what it is measured on, by kind of damage.
        photos: how many photographs it learned from.
        dirs: where the files go.

    Raises:
        ExportRejected: int8 strays too far from float; nothing is written.
    """
    average, saved = load_average(checkpoint, "restorer")
    shape = RestorerShape.from_dict(saved["shape"])
    net = rounded(Restorer(shape), average)
    pairs = [pair for of_kind in held_out.values() for pair in of_kind]
    graphs: dict[str, bytes] = {}
    pictures: dict[str, list[RgbImage]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        for role in SCALES:
            quantised = graph_of(net, role, Path(temporary), calibration)
            if role == "picture":  # the other's cubic interpolation wants more than 7 bits
                graph = restorer_graph(graph_bytes(quantised), shape)
            else:
                graph = served_bytes(quantised)
            pictures[role] = draw_with_graph(graph, graph_inputs(pairs))
            graphs[role] = graph
    same, doubled = zip(*(restore(net, pair) for pair in pairs), strict=True)
    metrics = parity(list(same), pictures["picture"])
    of_doubling = parity(list(doubled), pictures["double"])
    metrics |= {f"{name}_doubled": value for name, value in of_doubling.items()}
    first = 0
    for kind, of_kind in held_out.items():
        these = slice(first, first + len(of_kind))
        predictions = (pictures[role][these] for role in SCALES)
        rows = restoration_metrics(of_kind, *predictions)
        metrics |= {f"{kind}_{name}": value for name, value in rows.items()}
        first += len(of_kind)
    for measured in (metrics, of_doubling):
        check_parity(checkpoint, measured)
    spec = new_spec(
        INFO,
        "restorer",
        "restorer",
        INT8,
        multiple_of_px=4,
        overlap_px=shape.receptive_radius_px,
        tileable=True,
        shape=shape.as_dict(),
        recipe=provenance(saved, photographs=photos),
        figures=metrics,
    )
    files = {role: (f"{INFO.name}.{role}.int8.onnx", graph) for role, graph in graphs.items()}
    return install(dirs, spec, {**files, "float": float_file(INFO.name, net)})


def export(checkpoint: Path, data: Path, dirs: OutputDirs) -> list[Path]:
    """``add_restorer`` with the photographs of a folder."""
    files = photographs(data, validation=False)
    seeds = ((3, number) for number in range(CALIBRATION_PAIRS))
    calibration = [sample_pair(files, False, CALIBRATION_PX, seed) for seed in seeds]
    photos = sum(map(len, files.values()))
    return add_restorer(checkpoint, calibration, held_out_pairs(data), photos, dirs)
