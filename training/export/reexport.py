"""A checkpoint of a shipped network, out of its float file and its entry in the manifest.

    python -m training.export.reexport restorer .cache/runs/restorer/last.pt

The exporters (training/export*.py) take it as they take that of a training, so that graphs can be
written anew, when the way in which they are written has changed, without training again.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import safetensors.torch
import torch

from training.export.layer import Place, read_manifest


def restored(name: str, place: Place) -> dict[str, object]:
    """What a training's checkpoint holds of the network that the exporters read: averaged tensors,
    shape, step and history. Raises KeyError for a name that the folder of weights does not have.
    """
    entry = {entry["name"]: entry for entry in read_manifest(place.layer)["weights"]}[name]
    file = place.folder("float") / entry["files"]["float"]["file"]
    tensors = safetensors.torch.load_file(file)
    return {
        "average": {key: tensor.float() for key, tensor in tensors.items()},
        "shape": entry["shape"],
        "step": entry["recipe"]["steps_done"],
        "history": entry["recipe"]["history"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    names = [entry["name"] for entry in read_manifest(Place().layer)["weights"]]
    parser.add_argument("name", choices=names)
    parser.add_argument("checkpoint", type=Path, help="where it is written")
    options = parser.parse_args()
    content = restored(options.name, Place())
    options.checkpoint.parent.mkdir(parents=True, exist_ok=True)
    torch.save(content, options.checkpoint)


if __name__ == "__main__":
    main()
