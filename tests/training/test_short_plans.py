"""A short plan of each task runs to the end: targets, training in two stages, export."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from skimage import data

torch = pytest.importorskip("torch", reason="torch's CPU wheel is not installed")

from test_detector import AsPublished  # noqa: E402
from test_parser_training import case_of  # noqa: E402
from test_retinaface import random_state  # noqa: E402

from pipeline.weights import WeightStore  # noqa: E402
from training import rebuild  # noqa: E402
from training.data import parser_targets, upsampler_targets  # noqa: E402
from training.data import quality as quality_data  # noqa: E402
from training.data import restorer as restorer_data  # noqa: E402
from training.export import colouriser as colouriser_export  # noqa: E402
from training.export import detector as detector_export  # noqa: E402
from training.export import parser as parser_export  # noqa: E402
from training.export import quality as quality_export  # noqa: E402
from training.export import restorer as restorer_export  # noqa: E402
from training.export.manifest import OutputDirs  # noqa: E402
from training.looks.styles import STUDENTS, STYLES  # noqa: E402
from training.metrics import detection as detection_metrics  # noqa: E402
from training.published.retinaface import TEACHER  # noqa: E402
from training.recipes import PLANS, Plan, Stage  # noqa: E402

TINY = {
    "hayao": "batch=1 crop_px=64 adversarial_from=2",
    "portrait": "batch=1 crop_px=64",
    "colouriser": "batch=1 crop_px=64",
    "upsampler": "batch=2 crop_px=32",
    "restorer": "doubled=1 same_size=1 crop_px=32",
    "quality": "batch=2",
    "detector": "batch=1 crop_px=64 apart=1 held_out_scenes=1",
    "parser": "batch=2",
}


def write_photographs(folder: Path) -> None:
    """Eleven files of a kind, of which one is held out."""
    pictures = {
        "photos/scene": data.coffee()[:144, :176],
        "illustrations/colour": data.coffee()[100:260, 200:344],
        "portraits/portrait": data.astronaut()[:144, 150:310],
        "faces/face": data.astronaut()[50:150, 160:270],
        "faces256/face2": cv2.resize(data.astronaut()[10:220, 120:330], (256, 256)),
    }
    for name, picture in pictures.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        for number in range(11):
            part = np.roll(picture, 9 * number, axis=1)
            cv2.imwrite(str(folder / f"{name}-{number:04d}.jpg"), part[..., ::-1])


def write_teachers(folder: Path) -> None:
    """Of a look, what gives the photo back; of the detector, one of random values."""
    folder.mkdir()
    shape = [1, "height", "width", 3]
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("in", "out")
    ]
    node = helper.make_node("Identity", ["in"], ["out"])
    graph = helper.make_graph([node], "same", values[:1], values[1:])
    opsets = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    for style in ("hayao", "portrait"):
        onnx.save(model, folder / str(STYLES[style].file))
    net = AsPublished().eval()
    net.load_state_dict(random_state())
    names = [f"output{n}" for n in range(3)]
    free = {name: {0: "count", 1: "priors"} for name in names}
    free["input0"] = {0: "count", 2: "height", 3: "width"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's, about itself
        torch.onnx.export(
            net,
            (torch.zeros(1, 3, 64, 64),),
            folder / TEACHER,
            input_names=["input0"],
            output_names=names,
            dynamic_axes=free,
            opset_version=17,
            dynamo=False,
        )


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> rebuild.Folders:
    folder = tmp_path_factory.mktemp("rebuild")
    write_photographs(folder / "data")
    write_teachers(folder / "teachers")
    dirs = OutputDirs(folder / "weights", folder / "checkpoints")
    return rebuild.Folders(folder / "data", folder / "teachers", folder / "work", dirs)


@pytest.fixture
def little(monkeypatch: pytest.MonkeyPatch) -> None:
    """As little of everything as will do; and untrained networks may be measured."""
    for module, name, value in (
        (rebuild, "HELD_OUT", 2),
        (colouriser_export, "CALIBRATION_CROPS", 2),
        (colouriser_export, "CALIBRATION_PX", 64),
        (colouriser_export, "MEASURED_PX", 96),
        (upsampler_targets, "COUNT", 3),
        (upsampler_targets, "HELD_OUT", 3),
        (upsampler_targets, "SIDE_PX", 96),
        (restorer_data, "HELD_OUT_PHOTOS", 1),
        (restorer_data, "HELD_OUT_PX", 32),
        (restorer_export, "CALIBRATION_PAIRS", 4),
        (quality_data, "HELD_OUT_PHOTOS", 1),
        (quality_data, "SIDES_PX", (70, 100)),
        (quality_export, "CALIBRATION_CASES", 8),
        (quality_export, "MAX_STRAY", dict.fromkeys(quality_export.MAX_STRAY, 1000.0)),
        (detector_export, "CALIBRATION_PICTURES", 2),
        (detection_metrics, "SCENE_SIZE", (64, 96)),
        (detector_export, "MAX_LOST", 1.0),
        (parser_export, "CALIBRATION_BATCH", 4),
        (parser_export, "MIN_AGREEMENT", 0.0),
    ):
        monkeypatch.setattr(module, name, value)

    def draw_cases(photos: Path, teachers: Path, output: Path) -> None:
        """The parser's teacher cannot be distributed."""
        assert photos.is_dir() and teachers.is_dir()
        for faces in parser_targets.FACES:
            for part, count in (("training", 3), ("validation", 2)):
                (output / faces / part).mkdir(parents=True, exist_ok=True)
                for number in range(count):
                    case = case_of(4 + number, 20 + number, 24, f"face-{number:04d}-0")
                    parser_targets.write_case(case, output / faces / part)

    monkeypatch.setattr(parser_targets, "draw", draw_cases)


@pytest.mark.parametrize("name", sorted(TINY))
@pytest.mark.usefixtures("little")
def test_a_short_plan_runs_from_photographs_to_served_files(
    name: str, folders: rebuild.Folders
) -> None:
    stages = (Stage(f"steps=3 {TINY[name]}", 2), Stage(f"steps=3 {TINY[name]} seed=2"))
    plan = Plan(stages, windows=3, start="cel.safetensors" if name in STUDENTS else None)
    written = rebuild.rebuild(name, folders, plan)
    assert all(path.exists() for path in written)
    spec = WeightStore(folders.dirs.weights, folders.dirs.checkpoints).specs[name]
    assert spec.architecture == ("student" if name in STUDENTS else name)
    history = list(spec.recipe["history"])  # type: ignore[call-overload]
    assert [entry["from_step"] for entry in history] == [0, 2]
    assert spec.recipe["steps_done"] == 3 and spec.figures
    log = (folders.work / "runs" / name / "log.jsonl").read_text().splitlines()
    assert [json.loads(row)["step"] for row in log] == [2, 3]


def test_every_task_that_ships_has_a_short_plan() -> None:
    kinds = {"student" if name in STUDENTS else name for name in PLANS}
    assert {"student" if name in STUDENTS else name for name in TINY} == kinds
