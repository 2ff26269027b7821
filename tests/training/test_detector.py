"""The detector's net, what it learns from, its training and its way into a layer."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from skimage import data

torch = pytest.importorskip("torch", reason="torch's CPU wheel is not installed")

from test_retinaface import random_state  # noqa: E402

from pipeline import Settings  # noqa: E402
from pipeline.architectures.detector import Detector, DetectorShape, folded  # noqa: E402
from pipeline.architectures.retinaface import RetinaFace  # noqa: E402
from pipeline.engines import open_engine  # noqa: E402
from pipeline.faces.detect import Detections, priors  # noqa: E402
from pipeline.model import to_planes  # noqa: E402
from pipeline.weights import WeightStore  # noqa: E402
from training.data.detector import (  # noqa: E402
    face_photographs,
    sample_damaged,
    sample_pictures,
)
from training.data.tensors import to_tensor  # noqa: E402
from training.engine.errors import ExportRejected, NoPictures  # noqa: E402
from training.engine.loop import train  # noqa: E402
from training.export import detector as detector_export  # noqa: E402
from training.export.detector import add_detector  # noqa: E402
from training.export.manifest import OutputDirs  # noqa: E402
from training.losses.detection import answer_losses, blocks_of, face_weights  # noqa: E402
from training.metrics.detection import (  # noqa: E402
    agreement,
    count_faces,
    detection_metrics,
    held_out_pictures,
    match_boxes,
)
from training.published.retinaface import TEACHER, RetinaFaceTeacher  # noqa: E402
from training.tasks import detector as detector_task  # noqa: E402
from training.tasks.detector import DetectorTask, Recipe  # noqa: E402


def published() -> RetinaFace:
    net = RetinaFace().eval()
    net.load_state_dict(random_state())
    return net


class AsPublished(RetinaFace):
    """BGR without its mean to boxes, classes and landmarks, as the published graph has it."""

    def forward(self, x: Any) -> tuple[Any, ...]:
        answers = super().forward((x + self.mean).flip(1))
        score = answers[..., 4:5]
        return answers[..., :4], torch.cat([1 - score, score], 2), answers[..., 5:]


@pytest.fixture(scope="module")
def teachers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a graph of the published shape and of random values."""
    folder = tmp_path_factory.mktemp("teachers")
    names = [f"output{n}" for n in range(3)]
    free = {name: {0: "count", 1: "priors"} for name in names}
    free["input0"] = {0: "count", 2: "height", 3: "width"}
    net = AsPublished().eval()
    net.load_state_dict(random_state())
    with pytest.warns(DeprecationWarning):  # noqa: PT030  the exporter, of itself, each time other words
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
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eleven files of a kind, of which one is held out."""
    folder = tmp_path_factory.mktemp("data")
    kinds = {"photos": "scene", "portraits": "portrait", "faces": "face"}
    pictures = (data.coffee(), data.astronaut()[:360], data.astronaut()[50:190, 160:290])
    for (kind, name), picture in zip(kinds.items(), pictures, strict=True):
        (folder / kind).mkdir()
        for number in range(11):
            part = np.roll(picture, 3 * number, axis=1)
            cv2.imwrite(str(folder / kind / f"{name}-{number:04d}.jpg"), part[..., ::-1])
    return folder


def test_it_answers_for_every_prior() -> None:
    net = Detector(DetectorShape()).eval()
    for height, width in ((32, 32), (64, 160)):
        with torch.inference_mode():
            answers = net(torch.rand(2, 3, height, width) * 2 - 1)
        assert answers.shape == (2, len(priors(height, width)), 15)
        assert ((answers[..., 4] >= 0) & (answers[..., 4] <= 1)).all()


def test_folding_changes_nothing_but_the_tensors() -> None:
    torch.manual_seed(2)
    net = Detector(DetectorShape(), normalised=True)
    for _ in range(3):
        net(torch.rand(2, 3, 64, 64) * 2 - 1)
    net.eval()
    plain = folded(net).eval()
    assert not [name for name in plain.state_dict() if "running" in name]
    picture = torch.rand(1, 3, 64, 96) * 2 - 1
    with torch.inference_mode():
        torch.testing.assert_close(plain(picture), net(picture), atol=1e-4, rtol=1e-4)


def test_the_served_detector_is_small() -> None:
    net = Detector(DetectorShape())
    assert sum(parameter.numel() for parameter in net.parameters()) < 600_000


def test_the_teacher_tells_what_it_saw_on_its_way(teachers: Path) -> None:
    teacher, net = RetinaFaceTeacher(teachers / TEACHER), published()
    pictures = [data.chelsea()[:64, :96], data.astronaut()[:64, 200:296]]
    answers, blocks = teacher(pictures)
    planes = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float()
    with torch.inference_mode():
        wanted, first = net(planes), net.body.stage1(planes.flip(1) - net.mean)
    np.testing.assert_allclose(answers, wanted, atol=1e-3)
    np.testing.assert_allclose(blocks[0], first.clamp(min=0), atol=1e-3)
    sizes = [(8, 12), (4, 6), (2, 3)]
    widths = [64, 128, 256, 64, 64, 64]
    wanted_shapes = [(2, width, *size) for width, size in zip(widths, 2 * sizes, strict=True)]
    assert [block.shape for block in blocks] == wanted_shapes
    assert all((block >= 0).all() for block in blocks)


def test_taught_apart_a_block_is_given_what_the_teachers_made() -> None:
    torch.manual_seed(4)
    net = Detector(DetectorShape()).eval()
    picture = torch.rand(1, 3, 64, 96) * 2 - 1
    with torch.inference_mode():
        together = blocks_of(net, picture, None)
        same = blocks_of(net, picture, together)
        changed = [torch.zeros_like(block) for block in together]
        apart = blocks_of(net, picture, changed)
    for one, other in zip(together, same, strict=True):
        torch.testing.assert_close(one, other, atol=0.05, rtol=0.05)  # bfloat16
    torch.testing.assert_close(apart[0], together[0])  # the first sees the picture anyway
    assert all((one != other).any() for one, other in zip(apart[1:3], together[1:3], strict=True))


def test_pictures_are_of_their_seed_alone(folder: Path) -> None:
    files = face_photographs(folder, validation=False)
    seeds = [[(1, step, number) for number in range(3)] for step in (3, 3, 4)]
    steps = (sample_pictures(files, 96, 1.0, of_step) for of_step in seeds)
    (clean, seen), (again, _), (other, _) = steps
    assert all(one.shape == (96, 96, 3) and one.dtype == np.uint8 for one in clean + seen)
    for one, same, different in zip(clean, again, other, strict=True):
        np.testing.assert_array_equal(one, same)
        assert (one != different).any()
    assert any((one != spoilt).any() for one, spoilt in zip(clean, seen, strict=True))
    assert sample_damaged(clean[0], 0.0, (1, 2)) is clean[0]
    with pytest.raises(NoPictures, match="nowhere"):
        face_photographs(Path("nowhere"), validation=False)


def test_held_out_pictures_are_those_of_the_split(folder: Path) -> None:
    pictures = held_out_pictures(folder, scenes=2)
    assert {kind: len(ones) for kind, ones in pictures.items()} == {"photographs": 3, "scenes": 2}
    for picture in (one for ones in pictures.values() for one in ones):
        assert picture.shape[0] % 32 == 0 and picture.shape[1] % 32 == 0


def test_the_losses_of_what_agrees_are_nothing() -> None:
    torch.manual_seed(1)
    wanted = torch.randn(2, 40, 15)
    wanted[..., 4] = (torch.rand(2, 40) > 0.7).float()
    made = wanted.clone()
    assert all(loss < 1e-6 for loss in answer_losses(made, wanted))
    sure = wanted[..., 4] == 1
    made[~sure] = made[~sure] + torch.tensor([5.0] * 4 + [0] + [5] * 10)  # of no face: no matter
    assert all(loss < 1e-6 for loss in answer_losses(made, wanted))
    made = wanted.clone()
    made[sure, 7] += 1
    made[..., 4] = 0.5
    score, box, landmarks = answer_losses(made, wanted)
    assert score > 0 and box == 0 and landmarks > 0.05


def test_places_with_a_face_count_more() -> None:
    score = torch.zeros(1, 2 * (4 * 6 + 2 * 3))
    score[0, 2 * (1 * 6 + 2) + 1] = 0.5  # the second prior of the third place of the second row
    score[0, 2 * 24] = 1.0
    fine, coarse = face_weights(score, [torch.Size((1, 64, 4, 6)), torch.Size((1, 64, 2, 3))], 10)
    assert fine[0, 0, 1, 2] == 6 and fine.sum() == 24 + 5
    assert coarse[0, 0, 0, 0] == 11 and coarse.sum() == 6 + 10


def found(*faces: tuple[float, float, float, float, float]) -> Detections:
    """Of left, top, side, score and a shift of the landmarks to the right."""
    rows = np.array(faces, np.float32).reshape(-1, 5)
    left, top, side, score, shift = rows.T
    boxes = np.stack([left, top, left + side, top + side], 1)
    places = np.array([(0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.4, 0.8), (0.6, 0.8)])
    points = boxes[:, None, :2] + places * side[:, None, None]
    points[..., 0] += shift[:, None]
    return Detections(boxes, score, points.astype(np.float32))


def test_the_figures_by_hand() -> None:
    wanted = [
        # found, a little off; missed; too small to count; too unsure to be one
        found((0, 0, 50, 0.9, 0), (100, 0, 40, 0.6, 0), (200, 0, 20, 0.9, 0), (300, 0, 50, 0.4, 0)),
        found(),
    ]
    made = [
        found((2, 0, 50, 0.8, -1), (103, 0, 40, 0.45, 0), (300, 0, 50, 0.7, 0)),
        found((0, 0, 30, 0.9, 0)),  # false, and too small to count
    ]
    measured = detection_metrics(wanted, made)
    assert measured["recall"] == measured["precision"] == 0.5
    assert measured["landmark_error_percent"] == pytest.approx(100 * 1 / 20)
    assert count_faces(wanted) == 2
    perfect = agreement(
        {"photographs": wanted, "scenes": wanted}, {"photographs": wanted, "scenes": wanted}
    )
    assert perfect["recall"] == perfect["scenes_precision"] == 1
    assert perfect["scenes_landmark_error_percent"] == 0


def test_each_face_is_matched_once() -> None:
    ones = found((0, 0, 40, 1, 0), (10, 0, 40, 1, 0)).boxes
    others = found((9, 0, 40, 1, 0), (300, 0, 40, 1, 0)).boxes
    assert match_boxes(ones, others) == [(1, 0)]
    assert match_boxes(ones, others[:0]) == []


@pytest.fixture(scope="module")
def trained(folder: Path, teachers: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four steps at once, and two and two more."""
    out = tmp_path_factory.mktemp("runs")

    def run(name: str, steps: int) -> None:
        recipe = Recipe(steps=steps, batch=2, crop_px=64, held_out_scenes=1, apart=1)
        train(DetectorTask(recipe, folder, teachers), out / name)

    before = torch.get_num_threads()
    torch.set_num_threads(1)  # with more, the order of sums depends on who is faster
    run("whole", 4)
    run("halves", 2)
    run("halves", 4)
    torch.set_num_threads(before)
    return out


def test_four_steps_are_two_and_two_more(trained: Path) -> None:
    whole, halves = (
        torch.load(trained / name / "last.pt", weights_only=True) for name in ("whole", "halves")
    )
    assert whole["step"] == halves["step"] == 4
    row = json.loads((trained / "halves" / "log.jsonl").read_text().splitlines()[1])
    assert {"recall", "scenes_precision", "landmark_error_percent"} < set(row)
    for part in ("net", "average"):
        for name, tensor in whole[part].items():
            assert torch.equal(tensor, halves[part][name]), f"{part} {name}"


def test_a_checkpoint_becomes_the_layers_detector(
    trained: Path, folder: Path, tmp_path: Path
) -> None:
    dirs = OutputDirs(tmp_path / "weights", tmp_path / "checkpoints")
    files = face_photographs(folder, validation=False)
    calibration = sample_pictures(files, 96, 0.4, [(1, 0, 0), (1, 0, 1)])[1]
    held_out = held_out_pictures(folder, scenes=1)
    # of an untrained detector int8 is no worse than float only where there is nothing to find
    wanted = {kind: [found()] * len(ones) for kind, ones in held_out.items()}
    checkpoint = trained / "whole" / "last.pt"
    add_detector(checkpoint, calibration, (held_out, wanted), 3, dirs)
    layer = WeightStore(dirs.weights, dirs.checkpoints)
    spec = layer.require("detector")
    assert spec.architecture == "detector" and spec.recipe["photographs"] == 3
    assert "WIDER FACE" in spec.licence and spec.files["faces"].bytes < 1_000_000
    planes = to_planes(calibration[0], spec.input_range)
    settings = Settings(weights_dir=dirs.weights, checkpoints_dir=dirs.checkpoints, threads=1)
    in_int8 = open_engine(layer, spec, "faces", settings).run({"picture": planes})
    as_torch = Settings(**{**vars(settings), "engine": "torch"})
    in_float = open_engine(layer, spec, "faces", as_torch).run({"picture": planes})
    assert in_int8.shape == in_float.shape == (1, len(priors(96, 96)), 15)
    # of random weights behind batch normalisation whose statistics are four steps old
    assert np.abs(in_int8 - in_float).mean() < 0.15 * np.abs(in_float).mean()


def test_statistics_are_counted_anew_over_many_batches_and_then_stay(
    folder: Path, teachers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detector_task, "RECALIBRATION_BATCHES", 2)
    recipe = Recipe(batch=2, crop_px=64, held_out_scenes=1, norms_until=5)
    task = DetectorTask(recipe, folder, teachers)
    layer, average = task.net.front[0], deepcopy(task.net)
    norm = layer.norm
    norm.running_mean.fill_(1e3)  # of no use
    task.before_step(4, average)
    assert norm.training and norm.running_mean[0] == 1e3
    task.before_step(5, average)
    seen = [p for step in (5, 6) for p in task.pictures(step)[1]]
    with torch.inference_mode():
        first = torch.nn.functional.conv2d(to_tensor(seen), layer.weight, layer.bias, 4)
    torch.testing.assert_close(norm.running_mean, first.mean((0, 2, 3)), atol=1e-4, rtol=1e-3)
    assert not norm.training


def test_a_detector_that_int8_spoils_is_refused(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = np.zeros((64, 64, 3), np.uint8)
    wanted = {"photographs": [found((5, 5, 40, 0.9, 0))]}
    monkeypatch.setattr(detector_export, "detect_all", lambda detect, pictures: wanted)
    nothing = {"photographs": [found()]}
    monkeypatch.setattr(detector_export, "detect_with_graph", lambda graph, pictures: nothing)
    dirs = OutputDirs(tmp_path / "weights", tmp_path / "checkpoints")
    with pytest.raises(ExportRejected, match=r"recall falls from 1\.000 to 0\.000"):
        add_detector(
            trained / "whole" / "last.pt", [picture], ({"photographs": [picture]}, wanted), 1, dirs
        )
    assert not dirs.weights.exists()
