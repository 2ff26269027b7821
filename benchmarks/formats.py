"""Every format, depth, layout and colour that other programs write, drawn and compared.

    python -m benchmarks.formats            # writes docs/formats.md; needs the programs
    python -m benchmarks.formats --keep DIR # and leaves the files there

The files are written anew each time (see ``benchmarks.format_files``); a program that is not
installed leaves its rows out, and says so.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from benchmarks.format_files import RECIPES, Recipe
from pipeline import KireiError, Options, Pipeline, Settings
from pipeline.formats import primaries, transfer
from pipeline.formats.primaries import Primaries
from pipeline.formats.transfer import Values

ROOT = Path(__file__).parent.parent
TABLE = ROOT / "docs" / "formats.md"
WIDTH, HEIGHT = 480, 320
AS_IT_IS = Options(strength=0, detail=1, enhance="off", faces="off", format="png")
HLG_WHITE = 0.75  # the signal of diffuse white: BT.2408, table 1


@dataclass(frozen=True)
class Row:
    """What came of one file: ``difference`` in levels, in the mean over all pixels and channels."""

    recipe: Recipe
    given: str
    came: str
    difference: float | None
    warnings: tuple[str, ...]
    fault: str | None


def main() -> None:
    """Writes the files of other programs, draws them and writes docs/formats.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", type=Path, help="folder for the files")
    keep = parser.parse_args().keep
    with tempfile.TemporaryDirectory() as temporary:
        folder = keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        write_sources(folder)
        pipeline = Pipeline(Settings())
        rows, absent = [], []
        for recipe in RECIPES:
            if not made(recipe, folder):
                absent.append(recipe)
                continue
            rows.append(judged(recipe, folder, pipeline))
            print(line(rows[-1]), flush=True)
    TABLE.write_text(table(rows, absent))
    bad = [row.recipe.name for row in rows if row.fault]
    print(f"{len(rows)} files, {len(bad)} wrong {bad}, {len(absent)} could not be made")
    sys.exit(1 if bad else 0)


# --- the pictures that the programs are given -------------------------------------------------


def write_sources(folder: Path) -> None:
    """The true picture, and the same in other colours, for those that only carry what they get."""
    with Image.open(ROOT / "samples" / "coffee.jpg") as photo:
        picture = photo.convert("RGB").resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)
    picture.save(folder / "true.png")
    picture.save(folder / "true.jpg", quality=97, subsampling=0)
    picture.convert("L").save(folder / "grey.png")
    turned = picture.transpose(Image.Transpose.ROTATE_270)
    turned.save(folder / "turned.jpg", quality=97, subsampling=0)
    picture.transpose(Image.Transpose.ROTATE_90).save(folder / "turned.png")
    ramp = np.tile(np.linspace(40, 255, WIDTH), (HEIGHT, 1)).astype(np.uint8)
    cut = picture.copy()
    cut.putalpha(Image.fromarray(ramp))
    cut.save(folder / "cut.png")
    Image.new("RGBA", (WIDTH, HEIGHT)).save(folder / "empty.png")
    picture.resize((96, 64)).save(folder / "reduced.tif", tiffinfo={254: 1})
    light = transfer.srgb_to_linear(np.asarray(picture) / 255)
    _save16(folder / "true16.png", np.asarray(picture) / 255)
    _save16(folder / "linear.png", light)
    _save16(folder / "p3.png", transfer.linear_to_srgb(_in(primaries.DISPLAY_P3, light)))
    _save16(folder / "p3-gamma.png", _in(primaries.DISPLAY_P3, light) ** (1 / 2.2))
    wide = _in(primaries.BT2020, light)
    _save16(folder / "bt2020.png", _inverse(transfer.BT709, wide))
    _save16(folder / "pq.png", _inverse(transfer.PQ, wide))
    _save16(folder / "hlg.png", _hlg(wide))
    adobe = _in(primaries.ADOBE_RGB, light) ** (256 / 563)
    Image.fromarray(np.rint(adobe * 255).astype(np.uint8)).save(
        folder / "adobe.jpg", quality=97, subsampling=0
    )
    for command in (
        "convert true16.png -depth 16 -compress none true16.tif",
        "convert true.png -depth 8 -compress none true8.tif",
        "convert true.png -monochrome bits.png",
    ):
        subprocess.run(shlex.split(command), cwd=folder, check=False)


def _in(space: Primaries, light: Values) -> Values:
    """Light of sRGB's primaries in other ones."""
    return np.asarray((light @ np.linalg.inv(primaries.to_srgb(space)).T).clip(0, 1))


def _inverse(curve: transfer.Transfer, light: Values) -> Values:
    """Light to coded values, by a table of the curve itself."""
    grid = np.linspace(0, 1, 1 << 18)
    return np.interp(light, curve.linear(grid), grid)


def _hlg(light: Values) -> Values:
    """Light of the display, 1 at diffuse white, to HLG's signal (BT.2100: inverse OOTF, OETF)."""
    luminance = primaries.BT2020.luminance()
    shown = light * (transfer.REFERENCE_WHITE_NITS / transfer.HLG_PEAK_NITS)
    bright = np.maximum(shown @ luminance, 1e-9)[..., None]
    scene = shown * bright ** (1 / transfer.HLG_SYSTEM_GAMMA - 1)
    return _inverse(transfer.HLG, scene)


def _save16(path: Path, coded: Values) -> None:
    values = np.rint(coded.clip(0, 1) * 65535).astype(np.uint16)
    cv2.imwrite(str(path), np.ascontiguousarray(values[..., ::-1]))


# --- one file ---------------------------------------------------------------------------------


def made(recipe: Recipe, folder: Path) -> bool:
    """Whether its program is there and has written it."""
    words = shlex.split(recipe.command)
    if shutil.which(words[0]) is None:
        return False
    path = _path(recipe, folder)
    path.unlink(missing_ok=True)
    run = subprocess.run(words, cwd=folder, capture_output=True, env={**os.environ, "LC_ALL": "C"})
    if run.returncode or not path.exists():
        print(f"{recipe.name}: {run.stderr.decode(errors='replace')[-300:]}", file=sys.stderr)
    return path.exists()


def _path(recipe: Recipe, folder: Path) -> Path:
    return folder / recipe.name.partition("[")[0]


def judged(recipe: Recipe, folder: Path, pipeline: Pipeline) -> Row:
    """Draws a file as it is and says whether that is right."""
    data = _path(recipe, folder).read_bytes()
    try:
        result = pipeline.run(data, AS_IT_IS)
    except KireiError as error:
        fault = None if error.code == recipe.code else f"{error.code}: {error.message[:80]}"
        return Row(recipe, "", error.code, None, (error.message,), fault)
    sidecar = result.sidecar
    source, warnings = sidecar.source, sidecar.warnings
    given = f"{source.format} {source.mode} {source.width_px}x{source.height_px}"
    came = source.colour_source
    if source.profile_converted:
        came += f": {source.profile_converted}"
    difference = _difference(result.image, folder / recipe.true)
    fault = None
    if recipe.code:
        fault = f"drawn, where {recipe.code} is right"
    elif difference is None:
        fault = "another size"
    elif difference > recipe.most:
        fault = f"{difference:.2f} levels, more than {recipe.most:g}"
    elif recipe.warns and not any(recipe.warns in warning for warning in warnings):
        fault = f"no warning of {recipe.warns}"
    elif source.orientation_applied != recipe.turned:
        fault = f"orientation {source.orientation_applied}"
    return Row(recipe, given, came, difference, warnings, fault)


def _difference(image: bytes, true: Path) -> float | None:
    with Image.open(BytesIO(image)) as drawn, Image.open(true) as wanted:
        # an alpha of less weighs colours less: where little is seen, little is right
        pixels = np.asarray(drawn.convert("RGBA"), np.float64)
        right = np.asarray(wanted.convert("RGBA"), np.float64)
    if pixels.shape != right.shape:
        return None
    apart = np.abs(pixels - right)
    weight = right[..., 3:] / 255
    colours = float((apart[..., :3] * weight).mean() / weight.mean())
    return max(colours, float(apart[..., 3].mean()))


def line(row: Row) -> str:
    """One row for the terminal."""
    difference = "" if row.difference is None else f"{row.difference:.2f}"
    return f"{row.recipe.name:34} {row.given:28} {difference:6} {row.came:40} {row.fault or 'ok'}"


def table(rows: list[Row], absent: list[Recipe]) -> str:
    """The page, in Markdown."""
    right = sum(row.fault is None for row in rows)
    lines = [
        "# Files of other programs",
        "",
        f"{right} of {len(rows)} come out right. Each was written by the program that it is named",
        "after (benchmarks/format_files.py has the commands) and drawn with strength 0 and without",
        "repair; the difference to the true picture is the mean over all pixels and channels, in",
        "levels of 255. `make corpus-formats` draws this table anew.",
        "",
        "| file | given | colours by | difference | at most | warnings or error | verdict |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        difference = "" if row.difference is None else f"{row.difference:.2f}"
        most = row.recipe.code or f"{row.recipe.most:g}"
        told = "; ".join(row.warnings).replace("|", "\\|")
        cells = (_path(row.recipe, Path()).name, row.given, row.came, difference, most, told)
        lines.append(f"| {' | '.join(cells)} | {row.fault or 'right'} |")
    if absent:
        names = ", ".join(recipe.name.partition("[")[0] for recipe in absent)
        lines += ["", f"Not made here: {names}."]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
