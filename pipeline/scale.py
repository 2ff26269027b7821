"""The scale at which a photo is drawn.

It is chosen by the largest face, by the style's size for scenes, or by hand. A generator's look
depends on how many pixels a thing has: a face 230 px wide becomes contours and flat areas, one of
1000 px a smoothed photo; and a street drawn at 500 px has lost its windows.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.domain import WeightSpec
from pipeline.settings import AUTO, Options

MIN_WORKING_PX = 448  # a picture drawn at less has lost its scene, however large the face in it
PHOTOGRAPHIC_PX = 1920  # the working side for detail 1, where the photo itself is no larger
# A panorama counts as if it were no longer than this many times its height: drawn by its longer
# side alone, it would have no more rows than a thumbnail.
MAX_ASPECT = 2.0


@dataclass(frozen=True)
class WorkingScale:
    """The scale at which a photo is drawn, and why.

    Attributes:
        scale: Drawing over photo, at most 1.
        chosen_by: "face", "scene" or "detail".
        why: In words.
        face_px: How wide the largest face is drawn, where there is one.
        warning: What the caller should know, else None.
    """

    scale: float
    chosen_by: str
    why: str
    face_px: float | None = None
    warning: str | None = None

    def size(self, width_px: int, height_px: int) -> tuple[int, int]:
        """Width and height at which a photo of that size is drawn."""
        return max(1, round(width_px * self.scale)), max(1, round(height_px * self.scale))


def choose_scale(
    size: tuple[int, int],
    style: WeightSpec,
    options: Options,
    tile_px: int,
    *,
    face_px: float | None = None,
    looked_for_faces: bool = True,
) -> WorkingScale:
    """Chooses the scale at which a photo is drawn.

    With ``detail=auto`` a face decides: it is drawn ``style.face_px`` wide, as far as that keeps
    the picture between MIN_WORKING_PX and ``style.largest_px`` on its longer side. Without a face
    that side has ``style.scene_px``. A number is ``working_scale``'s. Nothing is drawn larger
    than the photo; a style that is not tileable, no larger than ``tile_px``.

    Args:
        size: Width and height of the photo's content.
        style: The style.
        options: ``detail`` is read.
        tile_px: Limit of a style that is not tileable.
        face_px: How wide the largest face is, None without one.
        looked_for_faces: Whether faces were looked for; for the reason in words.
    """
    longer_px = max(size)
    side_px = min(longer_px, MAX_ASPECT * min(size))
    if options.detail != AUTO:
        scale = working_scale(longer_px, style.working_px, options.detail)
        chosen_by, why = "detail", f"detail {options.detail:g} was asked for"
    elif face_px is None:
        scale = min(1.0, style.scene_px / side_px)
        chosen_by = "scene"
        reason = "no face" if looked_for_faces else "no faces were looked for"
        limit = "the style's size for scenes" if scale < 1 else "the photo's own size"
        why = f"{reason}: {limit}"
    else:
        chosen_by = "face"
        scale, limit = _by_face(side_px, face_px, style)
        why = f"the largest face is {face_px:.0f} px wide: {limit}"
    warning = None
    drawn_px = round(longer_px * scale)
    if not style.tileable and drawn_px > tile_px:
        warning = (
            f"the style is drawn whole, so at {tile_px} px on the longer side instead of "
            f"{drawn_px} px: tile_px is {tile_px}"
        )
        scale = tile_px / longer_px
    return WorkingScale(
        scale, chosen_by, why, None if face_px is None else face_px * scale, warning
    )


def largest_scale(
    size: tuple[int, int], style: WeightSpec, options: Options, tile_px: int, faces: bool
) -> WorkingScale:
    """The largest scale at which such a photo may be drawn, before its faces are known.

    ``faces``: whether they will be looked for.
    """
    smallest_px = 1.0 if faces else None
    return choose_scale(size, style, options, tile_px, face_px=smallest_px)


def working_scale(longer_px: int, working_px: int, detail: float) -> float:
    """Drawing over photo, at most 1, for a ``detail`` of 0..1.

    The longer side runs from ``working_px`` to the photo's own (PHOTOGRAPHIC_PX for smaller ones)
    by equal ratios.
    """
    most_px = max(longer_px, PHOTOGRAPHIC_PX)
    return min(1.0, working_px * (most_px / working_px) ** detail / longer_px)


def _by_face(side_px: float, face_px: float, style: WeightSpec) -> tuple[float, str]:
    """The scale for a largest face of that width in a photo of that side, and what set it."""
    scale = style.face_px / face_px
    if scale * side_px > style.largest_px and style.largest_px < side_px:
        return style.largest_px / side_px, "the style's largest size"
    if scale * side_px < MIN_WORKING_PX < side_px:
        return MIN_WORKING_PX / side_px, f"the smallest size, {MIN_WORKING_PX} px"
    if scale >= 1 or side_px <= MIN_WORKING_PX:
        return 1.0, "the photo's own size"
    return scale, f"drawn {style.face_px} px wide"
