"""Published weights and checkpoints of our own training, checked and turned into styles."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import torch
from torch import Tensor, nn

from pipeline.architectures import bisenet, build, rrdbnet
from pipeline.architectures.retinaface import is_retinaface
from pipeline.domain import RgbImage
from pipeline.faces.detect import COARSE_SIDE_PX
from training.data.calibration import halves, read_photographs
from training.engine.errors import AnotherFile, StyleRefused, UnsafeCheckpoint, WeightsMismatch
from training.export.detectors import DETECTOR, DETECTOR_ROLE, add_retinaface
from training.export.layer import INT8, Label, Place, check_label
from training.export.student import Window, add_student, load_student
from training.published.bisenet import KIND as PARSER
from training.published.bisenet import NAME as PARSER_NAME
from training.published.bisenet import add_bisenet, check_alone
from training.published.generators import MULTIPLE_OF_PX, Added, Use, add_generator

WORKING_PX = 384
MOST_NAMED = 20  # tensors that one message lists
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


def import_generator(
    file: Path,
    *,
    name: str | None,
    title: str | None,
    licence: str | None,
    upsampling: str,
    working_px: int | None,
    photos: Path,
    place: Place,
    replace: bool,
) -> Added:
    """A published state dict in the layer: of AnimeGANv2's generator, as a style; or, known by
    their keys, of ESRGAN's RRDBNet, as what doubles photographs in the classic repair, of
    RetinaFace, as the detector of faces, and BiSeNet for faces, as the parser, whose name is
    "parser" unless another is given.

    ``name``, ``title`` and ``working_px`` have defaults; ``licence`` has one for published files
    alone; ``upsampling`` and ``working_px`` are of styles. Nothing of the file is used before its
    content is checked. Raises AnotherFile, UnsafeCheckpoint, WeightsMismatch, StyleRefused; the
    layer is then as it was.
    """
    content = file.read_bytes()
    published = identify(file.name, content)
    if licence is None and published is None:
        raise StyleRefused(f"{file}: its licence is not known; state it with --licence")
    plain = re.sub(r"[^A-Za-z0-9]+", "-", file.stem).strip("-")
    label = Label(
        name or plain,
        title or (published.title if published else file.stem),
        licence or (published.licence if published else ""),
    )
    saved = open_checkpoint(file, content)
    if "architecture" in saved or "average" in saved:
        raise WeightsMismatch(f"{file}: a checkpoint of a training; see kirei weights add")
    enlarger = rrdbnet.renamed(saved)
    enlarger_shape = rrdbnet.shape_of(enlarger)
    if enlarger_shape is not None:
        check_label(label, place, replace, ESRGAN)
        return _add_esrgan(file, content, enlarger, enlarger_shape, label, photos, place)
    detector = find_state(saved, "retinaface", {}, DETECTOR_ROLE)
    if is_retinaface(detector):
        label = Label(name or DETECTOR, title or "RetinaFace, MobileNet-0.25", label.licence)
        check_label(label, place, replace, DETECTOR)
        net = fill("retinaface", {}, detector, file, DETECTOR_ROLE)
        recipe = {"imported": file.name, "git_blob": git_blob(content)}
        return add_retinaface(
            net, label, read_photographs(photos, COARSE_SIDE_PX, 32), recipe, place
        )
    parser = bisenet.renamed(saved)
    if parser:
        label = Label(name or PARSER_NAME, label.title, label.licence)
        return _add_bisenet(file, content, parser, label, photos, place, replace)
    check_label(label, place, replace)
    shape = {"upsampling": upsampling}
    net = fill("animeganv2", shape, find_state(saved, "animeganv2", shape), file)
    size = working_px or (published.working_px if published else WORKING_PX)
    recipe = {"imported": file.name, "git_blob": git_blob(content)}
    return add_generator(
        net,
        "animeganv2",
        shape,
        label,
        read_photographs(photos, size, MULTIPLE_OF_PX),
        size,
        recipe,
        place,
    )


def _add_esrgan(
    file: Path,
    content: bytes,
    state: Mapping[str, Any],
    shape: Mapping[str, int],
    label: Label,
    photos: Path,
    place: Place,
) -> Added:
    net, scale = fill("rrdbnet", shape, state, file), shape["scale"]
    multiple = 4 // scale
    use = Use(ESRGAN, scale, multiple, rrdbnet.receptive_radius_px(scale, shape["blocks"]), True)
    pictures = read_photographs(photos, ESRGAN_PX, MULTIPLE_OF_PX)
    recipe = {"imported": file.name, "git_blob": git_blob(content)}
    return add_generator(net, "rrdbnet", shape, label, pictures, 0, recipe, place, use)


def _add_bisenet(
    file: Path,
    content: bytes,
    state: Mapping[str, Any],
    label: Label,
    photos: Path,
    place: Place,
    replace: bool,
) -> Added:
    check_alone(label, place)
    check_label(label, place, replace, PARSER)
    net = fill("bisenet", {}, state, file, "regions")
    pictures = read_photographs(photos, net.side_px, MULTIPLE_OF_PX)
    recipe = {"imported": file.name, "git_blob": git_blob(content)}
    return add_bisenet(net, label, pictures, recipe, place)


def add_checkpoint(
    file: Path, *, label: Label, working_px: int, photos: Path, place: Place, replace: bool
) -> Added:
    """A checkpoint of `kirei train animegan` or of a distillation as a style of the layer.

    Raises UnsafeCheckpoint, WeightsMismatch, StyleRefused; the layer is then as it was.
    """
    check_label(label, place, replace)
    saved = open_checkpoint(file, file.read_bytes())
    pictures = read_photographs(photos, working_px, MULTIPLE_OF_PX)
    if "average" in saved and "shape" in saved:
        return _add_student(file, label, pictures, place)
    architecture = saved.get("architecture")
    if architecture not in ("animegan", "animeganv2") or "generator" not in saved:
        found = ", ".join(list(map(str, saved))[:MOST_NAMED])
        raise WeightsMismatch(f"{file}: not a checkpoint of a training that is known: {found}")
    shape = {"upsampling": saved["upsampling"]} if architecture == "animeganv2" else {}
    net = fill(architecture, shape, saved["generator"], file)
    recipe = {"history": saved["history"], "steps_done": saved["step"]}
    return add_generator(net, architecture, shape, label, pictures, working_px, recipe, place)


def _add_student(file: Path, label: Label, photos: list[RgbImage], place: Place) -> Added:
    side = load_student(file)[0].generator.shape.thumbnail_px

    def windows(pictures: list[RgbImage]) -> list[Window]:
        return [
            (photo, cv2.resize(photo, (side, side), interpolation=cv2.INTER_AREA))
            for photo in pictures
        ]

    calibration, held_out = halves(photos)
    written = add_student(
        file,
        label,
        windows(calibration),
        windows(held_out),
        [],
        {"photographs": len(photos)},
        place,
    )
    return Added(written, INT8, {})


def git_blob(content: bytes) -> str:
    """Git's id of a file: SHA-1 over "blob", its size, a zero byte and the content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def identify(name: str, content: bytes) -> Published | None:
    """Which published weights the content is, whatever its name; None for others.

    Raises AnotherFile for other content under a published name.
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

    Raises UnsafeCheckpoint for a pickle that calls anything else, and WeightsMismatch for a file
    that is no checkpoint.
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
    """The state dict in ``saved``: itself, or the value of one of its keys that shares the most
    names with the architecture, without the prefix ``module.`` of parallel training.
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

    Raises WeightsMismatch that names what is missing, left over, of another shape, no tensor
    of numbers (whole ones where the network counts), or not finite.
    """
    net: nn.Module = build(architecture, role, shape)[0]
    wanted: dict[str, Tensor] = net.state_dict()
    missing = [name for name in wanted if name not in state]
    extra = [name for name in state if name not in wanted]
    wrong, tensors = [], {}
    for name in (name for name in wanted if name in state):
        tensor = state[name]
        whole = not wanted[name].is_floating_point()
        if not isinstance(tensor, Tensor) or tensor.is_floating_point() == whole:
            wrong.append(f"{name} holds no {'whole' if whole else 'floating-point'} tensor")
        elif tensor.shape != wanted[name].shape:
            wrong.append(f"{name} is {tuple(tensor.shape)} instead of {tuple(wanted[name].shape)}")
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
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more
