"""How many faces of varied photographs are found and cared for, and how much else is.

    python -m benchmarks.counted_faces --data DIR

The faces were counted by eye on 48 photographs of ImageNet and BSDS500 that show people, drawn by
lot among those in which the published detector sees anything like a face: all from 12 px of width
on, backs of heads excepted (benchmarks/counted_faces.tsv, boxes in px). Writes
benchmarks/counted_faces.md.
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from itertools import chain
from pathlib import Path

from benchmarks.machine import ROOT, processor
from pipeline import Options, Pipeline, Settings
from pipeline.decode import decode_image
from pipeline.faces.analysis import analyse_faces

Box = tuple[float, ...]  # left, top, right, bottom

TABLE = ROOT / "benchmarks" / "counted_faces.tsv"
SEEN = ("both eyes", "less")  # profiles, helmets, what is hidden or turned away
MIN_SHARED = 0.4  # of the smaller of two boxes, for one face


def counted() -> dict[str, list[tuple[Box, str]]]:
    """By photo: the box of each face, and what is seen of it."""
    faces = defaultdict(list)
    with TABLE.open(newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            box = tuple(float(row[side]) for side in ("left", "top", "right", "bottom"))
            faces[row["photo"]].append((box, row["seen"]))
    return dict(faces)


def is_same(box: Box, other: Box) -> bool:
    """Whether two boxes are of one face."""
    width = min(box[2], other[2]) - max(box[0], other[0])
    height = min(box[3], other[3]) - max(box[1], other[1])
    areas = [(b[2] - b[0]) * (b[3] - b[1]) for b in (box, other)]
    return width > 0 and height > 0 and width * height > MIN_SHARED * min(areas)


def main() -> None:
    """Counts and writes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of photos/")
    given = parser.parse_args()
    settings = Settings()
    models = Pipeline(settings).registry.faces(Options(faces="on"))
    assert models is not None  # faces=on gives them or raises
    found: dict[str, list[bool]] = {seen: [] for seen in SEEN}
    missed, others = [], []
    for name, faces in counted().items():
        photo, _ = decode_image((given.data / "photos" / name).read_bytes(), settings)
        detected, _ = analyse_faces(photo, Options(), models, None)
        boxes = [face.face.box for face in detected if face.is_aligned]
        for box, seen in faces:
            found[seen].append(any(is_same(box, other) for other in boxes))
            if not found[seen][-1]:
                missed.append(f"{Path(name).stem} ({seen}, {box[2] - box[0]:.0f} px)")
        rest = [box for box in boxes if not any(is_same(box, other) for other, _ in faces)]
        others += [Path(name).stem] * len(rest)
    cared = sum(map(sum, found.values()))
    lines = [
        f"{processor()}; faces counted by eye on {len(counted())} photographs.",
        "",
        "| seen | faces | cared for | recall |",
        "|---|---|---|---|",
    ]
    for seen, those in [*found.items(), ("all", [*chain(*found.values())])]:
        lines.append(f"| {seen} | {len(those)} | {sum(those)} | {sum(those) / len(those):.2f} |")
    precision = cared / (cared + len(others))
    lines += [
        "",
        f"Precision {precision:.2f}: {len(others)} others ({', '.join(others) or 'none'}).",
        "",
        f"Missed: {', '.join(missed)}.",
    ]
    text = "\n".join(lines) + "\n"
    print(text)
    (ROOT / "benchmarks" / "counted_faces.md").write_text(text)


if __name__ == "__main__":
    main()
