"""The looks that are shipped: who teaches each, and in what colours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.looks.cel import render
from training.looks.grade import Grade, HueGrade
from training.published.readers import open_animeganv3, open_cartoongan

Draw = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]


@dataclass(frozen=True)
class Heads:
    """How the heads are that a network is taught on.

    Attributes:
        photo_share: Share of the photo in the low frequencies of the target, see
            ``training.looks.skin``.
        sides_px: Sides of the windows.
    """

    photo_share: float
    sides_px: tuple[int, ...] = (416, 432, 448, 464, 480)  # what the teachers draw well


@dataclass(frozen=True)
class Style:
    """A look: its teacher, its colours, and at which size it is drawn.

    ``open`` opens the teacher's network out of ``file``; without them the teacher is the renderer
    of training/looks/cel.py, which needs no file and whose colours stand as they are.
    """

    title: str
    description: str  # one line for people
    licence: str
    scene_px: int = 896  # the longer side of a picture without a face
    face_px: int = 230  # how wide the largest face is drawn
    largest_px: int = 896  # the longer side that this may lead to
    faces_default: str = "on"  # whether faces are cared for where the caller leaves it open
    file: str | None = None
    open: Callable[[Path], Draw] | None = None
    grade: Grade | None = None
    heads: Heads | None = None  # of a network that sees heads alone
    around: str = ""  # the style that draws the rest of the picture


STYLES = {
    # warm light, lush greens, pale skies of a clear blue
    "hayao": Style(
        title="Hayao",
        description="Everything: warm light, thin contours, painted foliage and skies",
        file="animeganv3_hayao.onnx",
        open=open_animeganv3,
        grade=Grade(
            photo_tones=0.3,
            teacher_chroma=0.7,
            chroma=1.06,
            lightness=7,
            contrast=-0.04,
            shadows=(2, 4),
            middles=(-1, 4),
            highlights=(-1, 4),
            hues=(
                HueGrade(125, 45, turn_deg=3, gain=1.06, lightness=2),
                HueGrade(255, 60, turn_deg=-22, gain=1.15, lightness=6),
            ),
        ),
        licence="non-commercial: distilled from AnimeGANv3's Hayao weights, whose terms say so; "
        "see MODEL_CARD.md",
    ),
    # deep skies, crisp contrast, blue shadows
    "shinkai": Style(
        title="Shinkai",
        description="Skies and cities: crisp light, deep blues, strong contrast",
        file="animeganv3_shinkai.onnx",
        open=open_animeganv3,
        grade=Grade(
            photo_tones=0.2,
            teacher_chroma=0.7,
            chroma=1.3,
            lightness=-3,
            contrast=0.16,
            shadows=(3, -9),
            middles=(2, -5),
            highlights=(1, 1),
            hues=(
                HueGrade(125, 50, turn_deg=16, gain=0.95, lightness=-3),
                HueGrade(262, 60, turn_deg=10, gain=1.6, lightness=-5),
                HueGrade(30, 40, gain=1.15),
            ),
        ),
        licence="non-commercial: distilled from AnimeGANv3's Shinkai weights, whose terms say "
        "so; see MODEL_CARD.md",
    ),
    # black lines, cream light, saturated reds and teals
    "paprika": Style(
        title="Paprika",
        description="Streets and food: bold black lines, cream light, strong reds and teals",
        scene_px=720,
        file="cartoongan_paprika_int8.npz",
        open=open_cartoongan,
        grade=Grade(
            photo_tones=0.0,
            photo_light=0.9,
            teacher_chroma=0.3,
            chroma=1.35,
            lightness=-2,
            contrast=0.16,
            shadows=(-5, 0),
            middles=(-4, 5),
            highlights=(-3, 12),
            hues=(
                HueGrade(30, 45, turn_deg=-4, gain=1.4),
                HueGrade(255, 60, turn_deg=-5, gain=1.3, lightness=-8),
                HueGrade(120, 45, turn_deg=12, gain=0.85, lightness=-4),
            ),
            spared_skin=0.9,
            smoothing=16.0,
        ),
        licence="MIT (the published CartoonGAN weights that it is distilled from); see "
        "MODEL_CARD.md",
    ),
    "cel": Style(
        title="Cel",
        description="Business, too: flat areas in few shades, bold ink",
        scene_px=640,  # bold: larger, a photo's texture comes through
        faces_default="off",  # so that its pictures are free of the face networks' terms
        licence="Apache-2.0: distilled from this repository's own renderer; see MODEL_CARD.md",
    ),
    "portrait": Style(
        title="Portrait",
        description="Faces: clear anime eyes, clean lines, your own skin; around them as hayao",
        file="animeganv3_jp_face.onnx",
        open=open_animeganv3,
        heads=Heads(photo_share=0.85),
        around="hayao",
        licence="non-commercial: distilled from AnimeGANv3's JP_face weights, whose terms say so; "
        "see MODEL_CARD.md",
    ),
    "cute": Style(
        title="Cute",
        description="Faces: as in a rendered film, large eyes, clear skin; around them as hayao",
        file="animeganv3_tiny_cute.onnx",
        open=open_animeganv3,
        heads=Heads(photo_share=0.5),
        around="hayao",
        licence="non-commercial: distilled from AnimeGANv3's tiny_Cute weights, whose terms say "
        "so; see MODEL_CARD.md",
    ),
}
FACE_RESTORER = Style(
    title="Face restorer",
    description="",
    heads=Heads(photo_share=0.0, sides_px=(256,)),  # its targets are the photos
    licence="non-commercial: fine-tuned from the weights of cute; see MODEL_CARD.md",
)
# what students are trained on: the looks, and what restores a face before it is drawn
STUDENTS = {**STYLES, "face_restorer": FACE_RESTORER}


def open_teacher(name: str, teachers: Path | None) -> Draw:
    """What draws in a style, in the teacher's own colours.

    Args:
        name: of STUDENTS.
        teachers: the folder with the published networks.

    Returns:
        A function from uint8 (H, W, 3) RGB, sides multiples of 8, to a drawing of the same size.

    Raises:
        ValueError: there is no such style, or it needs the folder.
        FileNotFoundError: the folder lacks the network.
    """
    if name not in STUDENTS:
        raise ValueError(f"no style {name!r}; there are {', '.join(STUDENTS)}")
    style = STUDENTS[name]
    if style is FACE_RESTORER:
        return np.copy
    if style.file is None or style.open is None:
        return render
    if teachers is None:
        raise ValueError(f"{name} is taught by {style.file}: give the folder that holds it")
    if not (teachers / style.file).exists():
        raise FileNotFoundError(teachers / style.file)
    return style.open(teachers / style.file)
