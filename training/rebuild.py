"""Makes every file of layers/weights again, from photographs, teachers and seeds.

    make weights DATA=DIR TEACHERS=DIR            (python -m training.rebuild --help)

What was done for each network stands in PLANS: which windows were drawn, and the stages of
its training with their settings. Interrupted, it goes on where it stopped.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from training.data import parser_targets, upsampler_targets
from training.data.targets import Targets, draw_targets
from training.engine.recipe import changed
from training.export import detector as export_detector
from training.export import parser as export_parser
from training.export import quality as export_quality
from training.export import restorer as export_restorer
from training.export import student as export
from training.export import upsampler as export_upsampler
from training.export.layer import CHECKPOINTS, Place
from training.looks.styles import STYLES
from training.tasks import detector, parser, quality, upsampler
from training.tasks import restorer as restore
from training.tasks import student as distil

HELD_OUT = 48  # windows, drawn with seed 2
HELD_OUT_SEED = 2


@dataclass(frozen=True)
class Stage:
    """NAME=VALUE settings of a recipe, and the step at which the next stage takes over."""

    settings: str
    until: int | None = None


@dataclass(frozen=True)
class Plan:
    """``windows`` targets are drawn with ``seed``; then the stages train one after the other.
    ``start``: a float student of training/checkpoints that is fine-tuned. The windows of a smaller
    plan are the first of a larger one's.
    """

    windows: int
    seed: int
    stages: tuple[Stage, ...]
    start: str | None = None


FINE = "learning_rate=0.0008"  # of a look that begins with what another has learned
PLANS = {
    "hayao": Plan(
        800, 11, (Stage("steps=7000 decay_from=4500", 5750), Stage("steps=8000 decay_from=5200"))
    ),
    "shinkai": Plan(800, 11, (Stage(f"{FINE} steps=3000 decay_from=1800"),), "hayao.safetensors"),
    # from random weights, so that it is free of all networks' terms
    "cel": Plan(500, 11, (Stage("steps=3600 decay_from=2200"),)),
    # from cel, so that its terms are CartoonGAN's alone
    "paprika": Plan(500, 11, (Stage(f"{FINE} steps=2800 decay_from=1600"),), "cel.safetensors"),
}
UPSAMPLER = (Stage("steps=2000"),)  # on drawings of its own

RESTORER = (Stage("steps=14000 decay_from=5000"),)  # on the photographs, spoilt as they are drawn
QUALITY = (Stage("steps=14000 decay_from=5000"),)
SETTLED = (  # the detector's last stages, with norms that keep what they have counted
    "decay_from=10500 batch=4 crop_px=384 apart=700 norms_until=8000 learning_rate=0.001 "
    "damaged=0.25 landmark_weight=4"
)
DETECTOR = (  # on the same, and faces
    Stage("steps=4500 batch=5 crop_px=320 apart=700", 1750),
    Stage("steps=8000 decay_from=3000 batch=5 crop_px=320 apart=700"),
    Stage(f"steps=16000 {SETTLED}", 12500),
    Stage(f"steps=20000 {SETTLED}"),
    Stage(f"steps=25000 {SETTLED} decay_from=20000 learning_rate=0.0006 score_weight=2"),
)
PARSER = (  # on the faces in the photographs, as a teacher labels them
    Stage("steps=4000", 3000),
    Stage("steps=6500 spoilt=0.1", 5750),
    Stage("steps=9500 spoilt=0.1 faces=repaired"),
    Stage(
        "steps=16000 decay_from=9500 learning_rate=0.001 overlap_weight=1 spoilt=0.1 faces=repaired"
    ),
)


def held_out(style: str, data: Path, teachers: Path | None, folder: Path) -> Path:
    """Draws the held-out windows of a style, and says where."""
    out = folder / "targets" / f"{style}-validation"
    draw_targets(Targets(style, HELD_OUT, HELD_OUT_SEED, validation=True), data, teachers, out)
    return out


def make_style(name: str, data: Path, teachers: Path | None, folder: Path, place: Place) -> None:
    """Targets, training, export of one style."""
    plan = PLANS[name]
    targets, out = folder / "targets" / name, folder / "runs" / name
    draw_targets(Targets(name, plan.windows, plan.seed), data, teachers, targets)
    validation = held_out(name, data, teachers, folder)
    start = CHECKPOINTS / plan.start if plan.start else None
    for stage in plan.stages:
        recipe = changed(distil.Recipe(), stage.settings.split())
        run = distil.Run(targets, validation, out, name, start, stage.until)
        distil.train(recipe, run)
    export.add_style(name, out / "last.pt", targets, validation, place)


def make_upsampler(data: Path, folder: Path, place: Place) -> None:
    """Targets, training and export of the upsampler."""
    targets, run = folder / "targets" / "upsampler", folder / "runs" / "upsampler"
    validation = folder / "targets" / "upsampler-validation"
    upsampler_targets.draw(data, upsampler_targets.COUNT, targets)
    upsampler_targets.draw(data, upsampler_targets.HELD_OUT, validation, validation=True)
    for stage in UPSAMPLER:
        recipe = changed(upsampler.Recipe(), stage.settings.split())
        upsampler.train(recipe, upsampler.Run(targets, validation, run, stage.until))
    export_upsampler.add_upsampler(run / "last.pt", targets, validation, place)


def make_restorer(data: Path, folder: Path, place: Place) -> None:
    """Training and export of the restorer."""
    run = folder / "runs" / "restorer"
    for stage in RESTORER:
        restore.train(changed(restore.Recipe(), stage.settings.split()), data, run)
    export_restorer.add(run / "last.pt", data, place)


def make_quality(data: Path, folder: Path, place: Place) -> None:
    """Training and export of the quality model."""
    run = folder / "runs" / "quality"
    for stage in QUALITY:
        quality.train(changed(quality.Recipe(), stage.settings.split()), data, run)
    export_quality.add(run / "last.pt", data, place)


def make_detector(data: Path, teachers: Path, folder: Path, place: Place) -> None:
    """Training and export of the detector of faces."""
    run = folder / "runs" / "detector"
    for stage in DETECTOR:
        recipe = changed(detector.Recipe(), stage.settings.split())
        detector.train(recipe, data, teachers, run, stage.until)
    export_detector.add(run / "last.pt", data, teachers, place)


def make_parser(data: Path, teachers: Path, folder: Path, place: Place) -> None:
    """Targets, training and export of the face parser."""
    targets, run = folder / "targets" / "parser", folder / "runs" / "parser"
    parser_targets.draw_all(data, teachers, targets)
    for stage in PARSER:
        recipe = changed(parser.Recipe(), stage.settings.split())
        parser.train(recipe, targets, run, stage.until)
    export_parser.add(run / "last.pt", targets, place)


MAKERS = {"upsampler": make_upsampler, "restorer": make_restorer, "quality": make_quality}
TAUGHT = {"detector": make_detector, "parser": make_parser}  # by published networks


def main() -> None:
    arguments = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    arguments.add_argument("--data", type=Path, required=True, help="folder of photographs")
    arguments.add_argument("--teachers", type=Path, help="folder of the published networks")
    arguments.add_argument("--folder", type=Path, default=Path(".cache"), help="targets and runs")
    arguments.add_argument("--layer", type=Path, default=Place().layer)
    arguments.add_argument("--checkpoints", type=Path, default=Place().checkpoints)
    names = [*MAKERS, *TAUGHT, *STYLES]
    arguments.add_argument("--only", choices=names, action="append", help="these networks")
    options = arguments.parse_args()
    place = Place(options.layer, options.checkpoints)
    for name in options.only or [*PLANS, *MAKERS, *TAUGHT]:
        if name in MAKERS:
            MAKERS[name](options.data, options.folder, place)
        elif name in TAUGHT:
            if options.teachers is None:
                arguments.error(f"{name} is taught by published networks: give --teachers")
            TAUGHT[name](options.data, options.teachers, options.folder, place)
        else:
            make_style(name, options.data, options.teachers, options.folder, place)


if __name__ == "__main__":
    main()
