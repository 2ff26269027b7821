"""Published weights and checkpoints of our own training, checked and turned into styles."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.architectures import bisenet, build, rrdbnet
from pipeline.architectures.retinaface import is_retinaface
from pipeline.faces.detect import COARSE_SIDE_PX
from training.data.photographs import halves, read_photographs
from training.engine.errors import AnotherFile, ExportRejected, UnsafeCheckpoint, WeightsMismatch
from training.export.detector import KIND as DETECTOR
from training.export.detector import ROLE as DETECTOR_ROLE
from training.export.detector import add_retinaface
from training.export.manifest import Exported, OutputDirs, WeightInfo, check_info
from training.export.onnx import INTEGERS
from training.export.student import add_student, windows_of
from training.published.exporters import MULTIPLE_OF_PX, Import, add_bisenet, add_generator

WORKING_PX = 384
MAX_NAMED = 20  # tensors that one message lists
PARSER = "parser"  # its kind, and its name unless another is given
ESRGAN, ESRGAN_PX = "esrgan", 128  # its kind; on larger photographs it takes minutes
MIT = "MIT: weights of github.com/bryandlee/animegan2-pytorch"


@dataclass(frozen=True)
class Published:
    """Weights that are known by their content: git's blob id, as the repository has it."""

    blob: str
    title: str
    licence: str
    working_px: int = WORKING_PX


PUBLISHED = {
    "face_paint_512_v2.pt": Published(
        "d75102f8f201ddaf8dbe6b913b1a97585b55f838", "Face paint 512, version 2", MIT, 512
    ),
    "face_paint_512_v1.pt": Published(
        "19c1a1da4d9580186109a2b055d91044e5127de6", "Face paint 512, version 1", MIT, 512
    ),
    "celeba_distill.pt": Published(
        "3b7ea61b02254980831cc3bc77af30666dbc999c", "CelebA distilled", MIT
    ),
    "paprika.pt": Published("58086c9db9fc7a9e5c2876ca31b8079599352643", "Paprika", MIT),
}


@dataclass(frozen=True)
class Request:
    """What a person asks of an import; None where there is a default.

    Attributes:
        name: of the weights.
        title: for people.
        licence: known for published files alone.
        upsampling: of a style, how the network doubles sides.
        working_px: of a style, the longer side to draw at.
        photos: a folder of photographs that calibrate and measure.
        replace: whether weights of that name and kind may be replaced.
    """

    name: str | None = None
    title: str | None = None
    licence: str | None = None
    upsampling: str = "half_pixel"
    working_px: int | None = None
    photos: Path = Path("samples")
    replace: bool = False


def import_weights(file: Path, request: Request, dirs: OutputDirs) -> Exported:
    """Adds a published state dict to the weights.

    AnimeGANv2's generator becomes a style. Known by their keys, ESRGAN's RRDBNet becomes what
    doubles photographs in the classic repair, RetinaFace the detector of faces and BiSeNet for
    faces the parser. Nothing of the file is used before its content is checked.

    Raises:
        AnotherFile: it has the name of published weights, but not their content.
        UnsafeCheckpoint: opening it would run code.
        WeightsMismatch: it is not of a network that is known.
        ExportRejected: the name, the licence or the parity.
    """
    content = file.read_bytes()
    published = identify(file.name, content)
    if request.licence is None and published is None:
        raise ExportRejected(f"{file}: its licence is not known; state it with --licence")
    licence = request.licence or (published.licence if published else "")
    title = request.title or (published.title if published else file.stem)
    plain = re.sub(r"[^A-Za-z0-9]+", "-", file.stem).strip("-")
    recipe = {"imported": file.name, "git_blob": git_blob(content)}
    saved = open_checkpoint(file, content)
    if "architecture" in saved or "average" in saved:
        raise WeightsMismatch(f"{file}: a checkpoint of a training; see kirei weights add")

    def checked(kind: str, name: str = plain, default_title: str = title) -> WeightInfo:
        info = WeightInfo(request.name or name, request.title or default_title, licence)
        check_info(info, kind, dirs, request.replace)
        return info

    state = rrdbnet.renamed(saved)
    shape = rrdbnet.shape_of(state)
    if shape is not None:
        info, scale = checked(ESRGAN), shape["scale"]
        net = fill("rrdbnet", shape, state, file)
        photos = read_photographs(request.photos, ESRGAN_PX, MULTIPLE_OF_PX)
        use = {
            "scale": scale,
            "multiple_of_px": 4 // scale,
            "overlap_px": rrdbnet.receptive_radius_px(scale, shape["blocks"]),
            "tileable": True,
        }
        imported = Import(net, info, "rrdbnet", shape, recipe)
        return add_generator(imported, photos, dirs, ESRGAN, **use)
    state = find_state(saved, "retinaface", {}, DETECTOR_ROLE)
    if is_retinaface(state):
        info = checked(DETECTOR, DETECTOR, "RetinaFace, MobileNet-0.25")
        net = fill("retinaface", {}, state, file, DETECTOR_ROLE)
        photos = read_photographs(request.photos, COARSE_SIDE_PX, 32)
        return add_retinaface(net, info, photos, recipe, dirs)
    state = bisenet.renamed(saved)
    if state:
        info = checked(PARSER, PARSER)
        net = fill("bisenet", {}, state, file, "regions")
        photos = read_photographs(request.photos, net.side_px, MULTIPLE_OF_PX)
        shape = {"side_px": net.side_px}
        return add_bisenet(Import(net, info, "bisenet", shape, recipe), photos, dirs)
    info, style = checked("style"), {"upsampling": request.upsampling}
    net = fill("animeganv2", style, find_state(saved, "animeganv2", style), file)
    working_px = request.working_px or (published.working_px if published else WORKING_PX)
    photos = read_photographs(request.photos, working_px, MULTIPLE_OF_PX)
    imported = Import(net, info, "animeganv2", style, recipe)
    return add_generator(imported, photos, dirs, working_px=working_px)


def add_checkpoint(
    file: Path, info: WeightInfo, working_px: int, request: Request, dirs: OutputDirs
) -> Exported:
    """Adds a checkpoint of `kirei train animegan` or `kirei train distil` as a style.

    Raises:
        UnsafeCheckpoint: opening it would run code.
        WeightsMismatch: it is of no training that is known.
        ExportRejected: the name, the licence or the parity.
    """
    check_info(info, "style", dirs, request.replace)
    saved = open_checkpoint(file, file.read_bytes())
    photos = read_photographs(request.photos, working_px, MULTIPLE_OF_PX)
    if "average" in saved and "shape" in saved:
        calibration, held_out = map(windows_of, halves(photos))
        recipe = {"photographs": len(photos)}
        written = add_student(file, info, (calibration, held_out), dirs, recipe=recipe)
        return Exported(written, INTEGERS, {})
    architecture = saved.get("architecture")
    if architecture not in ("animegan", "animeganv2") or "generator" not in saved:
        keys = ", ".join(list(map(str, saved))[:MAX_NAMED])
        raise WeightsMismatch(f"{file}: not a checkpoint of a training that is known: {keys}")
    shape = {"upsampling": saved["upsampling"]} if architecture == "animeganv2" else {}
    net = fill(architecture, shape, saved["generator"], file)
    recipe = {"history": saved["history"], "steps_done": saved["step"]}
    imported = Import(net, info, architecture, shape, recipe)
    return add_generator(imported, photos, dirs, working_px=working_px)


def git_blob(content: bytes) -> str:
    """Git's id of a file: SHA-1 over "blob", its size, a zero byte and the content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def identify(name: str, content: bytes) -> Published | None:
    """Which published weights the content is, whatever its name; None for others.

    Raises:
        AnotherFile: it is other content under a published name.
    """
    blob = git_blob(content)
    for published in PUBLISHED.values():
        if published.blob == blob:
            return published
    if name in PUBLISHED:
        raise AnotherFile(
            f"{name} is not the published file: its git blob id is {blob}, that of the published "
            f"one {PUBLISHED[name].blob}. It may be damaged or changed; under another file name "
            "it is imported as unknown weights"
        )
    return None


def open_checkpoint(file: Path, content: bytes) -> dict[Any, Any]:
    """What torch saved, by torch's unpickler for tensors and plain values alone.

    Raises:
        UnsafeCheckpoint: the pickle calls anything else.
        WeightsMismatch: the file is no checkpoint.
    """
    try:
        saved = torch.load(io.BytesIO(content), weights_only=True, map_location="cpu")
    except Exception as error:  # of any kind: the bytes lead the unpickler where they will
        forbidden = re.search(r"GLOBAL (\S+)", str(error))
        if forbidden:
            raise UnsafeCheckpoint(
                f"{file}: opening it would run code ({forbidden[1]}): refused"
            ) from error
        raise WeightsMismatch(f"{file}: not a checkpoint that torch can open") from error
    if not isinstance(saved, dict):
        raise WeightsMismatch(f"{file}: holds a {type(saved).__name__}, not named tensors")
    return saved


def find_state(
    saved: Mapping[Any, Any], architecture: str, shape: Mapping[str, Any], role: str = "picture"
) -> Any:
    """The state dict in what was saved: itself, or the value of one of its keys.

    The one that shares the most names with the architecture, without the prefix ``module.`` of
    parallel training.
    """
    names = set(build(architecture, role, shape)[0].state_dict())
    candidates = [saved, *(value for value in saved.values() if isinstance(value, Mapping))]
    plain = [
        {str(name).removeprefix("module."): tensor for name, tensor in candidate.items()}
        for candidate in candidates
    ]
    return max(plain, key=lambda candidate: len(names & set(candidate)))


def fill(
    architecture: str, shape: Mapping[str, Any], state: Any, file: Path, role: str = "picture"
) -> nn.Module:
    """The architecture's network with the tensors of ``state``.

    Raises:
        WeightsMismatch: it names what is missing, left over, of another shape, no tensor of
            numbers (whole ones where the network counts), or not finite.
    """
    net: nn.Module = build(architecture, role, shape)[0]
    expected: dict[str, Tensor] = net.state_dict()
    missing = [name for name in expected if name not in state]
    extra = [name for name in state if name not in expected]
    wrong, tensors = [], {}
    for name in (name for name in expected if name in state):
        tensor = state[name]
        whole = not expected[name].is_floating_point()
        if not isinstance(tensor, Tensor) or tensor.is_floating_point() == whole:
            wrong.append(f"{name} holds no {'whole' if whole else 'floating-point'} tensor")
        elif tensor.shape != expected[name].shape:
            wrong.append(
                f"{name} is {tuple(tensor.shape)} instead of {tuple(expected[name].shape)}"
            )
        elif not tensor.isfinite().all():
            wrong.append(f"{name} holds values that are not finite")
        else:
            tensors[name] = tensor if whole else tensor.float()
    problems = [
        f"{what} {_listed(names)}"
        for what, names in (("missing:", missing), ("left over:", extra), ("unfit:", wrong))
        if names
    ]
    if problems:
        what = "a generator of " if role == "picture" else ""
        raise WeightsMismatch(f"{file}: not {what}{architecture}; {'; '.join(problems)}")
    net.load_state_dict(tensors)
    return net


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return ", ".join(names[:MAX_NAMED]) + more
