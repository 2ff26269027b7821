"""Checkpoints of random values, and a layer of its own to make styles of them."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from click.testing import CliRunner, Result
from skimage import data

from pipeline import Options, Pipeline, Settings
from pipeline.cli import main
from pipeline.decode import decode_image
from pipeline.measure import psnr_db

State = dict[str, torch.Tensor]


def published_shapes() -> dict[str, tuple[int, ...]]:
    """Names and shapes of the published state dicts, written down apart from the module."""
    shapes: dict[str, tuple[int, ...]] = {}

    def normed(prefix: str, conv: str, norm: str, kernel: tuple[int, ...]) -> None:
        shapes[f"{prefix}.{conv}.weight"] = kernel
        shapes[f"{prefix}.{norm}.weight"] = shapes[f"{prefix}.{norm}.bias"] = kernel[:1]

    for name, inputs, outputs, kernel in (
        ("block_a.0", 3, 32, 7),
        ("block_a.1", 32, 64, 3),
        ("block_a.2", 64, 64, 3),
        ("block_b.0", 64, 128, 3),
        ("block_b.1", 128, 128, 3),
        ("block_c.0", 128, 128, 3),
        ("block_c.5", 256, 128, 3),
        ("block_d.0", 128, 128, 3),
        ("block_d.1", 128, 128, 3),
        ("block_e.0", 128, 64, 3),
        ("block_e.1", 64, 64, 3),
        ("block_e.2", 64, 32, 7),
    ):
        normed(name, "1", "2", (outputs, inputs, kernel, kernel))
    for number, inputs, middle in ((1, 128, 256), (2, 256, 512), (3, 256, 512), (4, 256, 512)):
        prefix = f"block_c.{number}.layers"
        normed(f"{prefix}.0", "1", "2", (middle, inputs, 1, 1))
        normed(f"{prefix}.1", "1", "2", (middle, 1, 3, 3))
        shapes[f"{prefix}.1.1.bias"] = (middle,)
        normed(prefix, "2", "3", (256, middle, 1, 1))
    shapes["out_layer.0.weight"] = (3, 32, 1, 1)
    return shapes


def random_state() -> State:
    """Values that keep a picture a picture: small kernels, gammas near one."""
    torch.manual_seed(7)
    state = OrderedDict()
    for name, shape in published_shapes().items():
        fan_in = int(np.prod(shape[1:]))
        state[name] = torch.randn(shape) / fan_in**0.5
        if len(shape) == 1:
            state[name] = 0.1 * torch.randn(shape) + float(name.endswith("weight"))
    return state


@dataclass(frozen=True)
class Bench:
    """A layer of its own, and a folder of small photographs to import with."""

    folder: Path

    @property
    def layer(self) -> Path:
        return self.folder / "weights"

    @property
    def checkpoints(self) -> Path:
        return self.folder / "checkpoints"

    def save(self, content: Any, name: str = "face_paint_like.pt") -> Path:
        path = self.folder / name
        torch.save(content, path)
        return path

    def weights(self, *arguments: str | Path) -> Result:
        given = ["weights", *map(str, arguments), "--layer", str(self.layer)]
        given += ["--checkpoints", str(self.checkpoints), "--photos", str(self.folder / "photos")]
        return CliRunner().invoke(main, given)

    def pipeline(self, engine: str = "onnx", **settings: int) -> Pipeline:
        return Pipeline(
            Settings(
                weights_dir=self.layer,
                checkpoints_dir=self.checkpoints,
                engine=engine,
                threads=1,
                **settings,
            )
        )

    def files(self) -> dict[str, bytes]:
        folders = (self.layer, self.checkpoints)
        found = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
        return {str(path): path.read_bytes() for path in found}

    def agreement_db(self, style: str) -> float:
        """PSNR between the pictures of the two engines."""
        drawn = []
        for engine in ("onnx", "torch"):
            options = Options(style=style, format="png", post_sharpen_weight=0)
            result = self.pipeline(engine).run(photo_bytes(), options)
            drawn.append(decode_image(result.image, Settings())[0].pixels)
        return psnr_db(*drawn)


def photo_bytes() -> bytes:
    small = cv2.resize(data.chelsea(), (150, 98), interpolation=cv2.INTER_AREA)
    return cv2.imencode(".png", small[..., ::-1])[1].tobytes()


def make_bench(folder: Path) -> Bench:
    (folder / "photos").mkdir()
    for number, picture in enumerate((data.chelsea(), data.astronaut()[:300, :400])):
        small = cv2.resize(picture, (96, 66), interpolation=cv2.INTER_AREA)
        cv2.imwrite(str(folder / "photos" / f"{number}.png"), small[..., ::-1])
    return Bench(folder)
