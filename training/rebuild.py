"""Makes every file of the shipped weights again, from photographs, teachers and seeds.

    make weights DATA=DIR TEACHERS=DIR            (python -m training.rebuild --help)

What was done for each network stands in training/recipes.py. Interrupted, a second run goes on
where the first stopped.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.data import parser_targets, upsampler_targets
from training.data.targets import Targets, draw_targets
from training.engine.loop import train
from training.engine.recipe import changed
from training.engine.task import Task
from training.export import colouriser as colouriser_export
from training.export import detector as detector_export
from training.export import parser as parser_export
from training.export import quality as quality_export
from training.export import restorer as restorer_export
from training.export.manifest import CHECKPOINTS, OutputDirs, shipped_checkpoint
from training.export.student import add_style
from training.export.upsampler import add_upsampler
from training.looks.styles import STUDENTS
from training.recipes import PLANS, Plan
from training.tasks import colour, detector, parser, quality, restorer, student, upsampler

SEED = 11  # of a style's windows
HELD_OUT, HELD_OUT_SEED = 48, 2  # windows, and what they are drawn with
MODULES: dict[str, Any] = {
    **dict.fromkeys(STUDENTS, student),
    "colouriser": colour,
    "upsampler": upsampler,
    "restorer": restorer,
    "quality": quality,
    "detector": detector,
    "parser": parser,
}
ILLUSTRATIONS = Path("illustrations/colour-*.jpg")  # below the folder of photographs
TAUGHT = ("detector", "parser")  # by published networks


@dataclass(frozen=True)
class Folders:
    """Where a rebuild reads and writes.

    Attributes:
        data: photographs.
        teachers: the published networks; not needed by those that have none.
        work: targets and runs.
        dirs: the weights.
    """

    data: Path
    teachers: Path | None = None
    work: Path = Path(".cache")
    dirs: OutputDirs = OutputDirs()

    def targets(self, name: str) -> tuple[Path, Path]:
        """Of a network: for training, and held out."""
        folder = self.work / "targets"
        return folder / name, folder / f"{name}-validation"

    def teacher_folder(self, name: str) -> Path:
        """The published networks.

        Raises:
            ValueError: they are needed, and not there.
        """
        if self.teachers is None:
            raise ValueError(f"{name} is taught by published networks: give --teachers")
        return self.teachers


def draw(name: str, plan: Plan, folders: Folders) -> None:
    """Makes the targets of a network, where it has any; those that are there already stay."""
    targets, validation = folders.targets(name)
    if name in STUDENTS:
        windows = Targets(name, plan.windows, SEED)
        draw_targets(windows, folders.data, folders.teachers, targets)
        windows = Targets(name, HELD_OUT, HELD_OUT_SEED, validation=True)
        draw_targets(windows, folders.data, folders.teachers, validation)
    elif name == "colouriser":
        # the cel renderer's, so that the colouriser is free of others' terms
        windows = Targets("cel", plan.windows, SEED)
        draw_targets(windows, folders.data, folders.teachers, targets)
    elif name == "upsampler":
        upsampler_targets.draw(folders.data, upsampler_targets.COUNT, targets)
        upsampler_targets.draw(folders.data, upsampler_targets.HELD_OUT, validation, True)
    elif name == "parser":
        parser_targets.draw(folders.data, folders.teacher_folder(name), targets)


def task_of(name: str, recipe: Any, plan: Plan, folders: Folders) -> Task:
    """The training of a network with a recipe."""
    targets, validation = folders.targets(name)
    match name:
        case "colouriser":
            return colour.ColourTask(recipe, folders.data / ILLUSTRATIONS, targets)
        case "upsampler":
            return upsampler.UpsamplerTask(recipe, targets, validation)
        case "restorer":
            return restorer.RestorerTask(recipe, folders.data)
        case "quality":
            return quality.QualityTask(recipe, folders.data)
        case "detector":
            return detector.DetectorTask(recipe, folders.data, folders.teacher_folder(name))
        case "parser":
            return parser.ParserTask(recipe, targets)
    start = CHECKPOINTS / plan.start if plan.start else None
    return student.StudentTask(recipe, targets, validation, name, start)


def export(name: str, checkpoint: Path, folders: Folders) -> list[Path]:
    """Writes the served files of a network; returns their paths."""
    targets, validation = folders.targets(name)
    match name:
        case "colouriser":
            return colouriser_export.export(checkpoint, folders.data / ILLUSTRATIONS, folders.dirs)
        case "upsampler":
            return add_upsampler(checkpoint, targets, validation, folders.dirs)
        case "restorer":
            return restorer_export.export(checkpoint, folders.data, folders.dirs)
        case "quality":
            return quality_export.export(checkpoint, folders.data, folders.dirs)
        case "detector":
            teachers = folders.teacher_folder(name)
            return detector_export.export(checkpoint, folders.data, teachers, folders.dirs)
        case "parser":
            return parser_export.export(checkpoint, targets, folders.dirs)
    return add_style(name, checkpoint, targets, validation, folders.dirs)


def rebuild(
    name: str, folders: Folders, plan: Plan | None = None, checkpoint: Path | None = None
) -> list[Path]:
    """Targets, training and export of one network.

    Args:
        name: of PLANS.
        folders: where it reads and writes.
        plan: instead of that of PLANS.
        checkpoint: what is exported instead of a training's.

    Returns:
        The paths of what was written.
    """
    plan = plan or PLANS[name]
    draw(name, plan, folders)
    for stage in plan.stages if checkpoint is None else ():
        recipe = changed(MODULES[name].Recipe(), stage.settings.split())
        run = folders.work / "runs" / name
        last = train(task_of(name, recipe, plan, folders), run, stage.until)
    written = export(name, checkpoint or last, folders)
    print("wrote", *written)
    return written


def main() -> None:
    """The command line of ``make weights``."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    arguments.add_argument("--data", type=Path, required=True, help="folder of photographs")
    arguments.add_argument("--teachers", type=Path, help="folder of the published networks")
    arguments.add_argument("--folder", type=Path, default=Path(".cache"), help="targets and runs")
    arguments.add_argument("--layer", type=Path, default=OutputDirs().weights)
    arguments.add_argument("--checkpoints", type=Path, default=OutputDirs().checkpoints)
    arguments.add_argument("--only", choices=PLANS, action="append", help="these networks")
    arguments.add_argument(
        "--export-only", action="store_true", help="no training: the graphs of the shipped ones"
    )
    options = arguments.parse_args()
    dirs = OutputDirs(options.layer, options.checkpoints)
    folders = Folders(options.data, options.teachers, options.folder, dirs)
    for name in options.only or PLANS:
        if name in TAUGHT and options.teachers is None:
            arguments.error(f"{name} is taught by published networks: give --teachers")
        checkpoint = None
        if options.export_only and name in TAUGHT:  # normalisation is folded into their float files
            arguments.error(f"{name} is exported from a checkpoint of its training alone")
        if options.export_only:
            checkpoint = shipped_checkpoint(name, options.folder / "runs" / f"{name}.shipped.pt")
        rebuild(name, folders, checkpoint=checkpoint)


if __name__ == "__main__":
    main()
