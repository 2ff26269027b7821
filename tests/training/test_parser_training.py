"""The parser's training: the net, what the teacher's logits become, figures, an exact resume."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from outside import TEACHERS, needs
from skimage import data

torch = pytest.importorskip("torch", reason="torch's CPU wheel is not installed")

from pipeline.architectures import build  # noqa: E402
from pipeline.architectures.parser import Parser, ParserShape  # noqa: E402
from pipeline.faces.align import crop, estimate_similarity  # noqa: E402
from pipeline.faces.parse import REGIONS  # noqa: E402
from training.architectures.normalised import folded, normalised  # noqa: E402
from training.data.parser import (  # noqa: E402
    MIRRORED,
    crop_face,
    grid_of,
    labelled,
    sample_batch,
    sample_pose,
    sampling_weights,
    targets_of,
)
from training.data.parser_targets import (  # noqa: E402
    FACES,
    LOGIT_STEP,
    PAIRS,
    FaceCase,
    cells,
    load_cases,
    sided,
    write_case,
)
from training.engine.errors import ExportRejected, NoPictures  # noqa: E402
from training.export.manifest import OutputDirs, WeightInfo, install, new_spec  # noqa: E402
from training.export.parser import add_parser, calibration_of  # noqa: E402
from training.losses.segmentation import cross_entropy, overlap_loss  # noqa: E402
from training.metrics.segmentation import MEASURED, overlaps  # noqa: E402
from training.published.parser_teacher import ParserTeacher  # noqa: E402
from training.tasks.parser import ParserTask, Recipe  # noqa: E402

ROOT = Path(__file__).parents[2]
TEACHER = TEACHERS / "bisenetv2_celebamaskhq_448_int8.tflite"
LANDMARKS = np.array([(170, 200), (278, 200), (224, 258), (186, 310), (262, 310)], np.float64)
STILL = np.array([[1.0, 0, 0], [0, 1, 0]])


def case_of(region: int, x: int, y: int, name: str = "face-0000-0") -> FaceCase:
    """A grey face with one bright spot at a cell, which the teacher calls ``region``."""
    wide = np.full((384, 384, 3), 60, np.uint8)
    middle = (cells()[y, x] / 448 * 256 + 64 - 0.5).round().astype(int)
    cv2.circle(wide, middle.tolist(), 6, (250, 250, 250), -1)
    logits = np.full((19, 56, 56), -40, np.int8)
    logits[0] = 40
    logits[region, y - 1 : y + 2, x - 1 : x + 2] = 100
    return FaceCase(name, wide, logits, np.ones((56, 56), np.bool_))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Targets of six faces, and of two held out."""
    folder = tmp_path_factory.mktemp("targets")
    for kind, count in (
        ("plain/training", 6),
        ("plain/validation", 2),
        ("repaired/validation", 2),
    ):
        (folder / kind).mkdir(parents=True)
        for number in range(count):
            case = case_of(4 + number, 20 + number, 24, f"face-{number:04d}-0")
            write_case(case, folder / kind)
    return folder


def test_logits_are_at_a_quarter_of_the_size_and_the_net_is_small() -> None:
    net, prefix = build("parser", "regions", ParserShape().as_dict())
    assert prefix == ""
    with torch.inference_mode():
        assert net(torch.zeros(2, 3, 64, 96)).shape == (2, 19, 16, 24)
    assert sum(parameter.numel() for parameter in net.parameters()) < 930_000
    assert ParserShape.from_dict(json.loads(json.dumps(ParserShape().as_dict()))) == ParserShape()


def test_a_cell_sees_the_whole_face() -> None:
    """As far as the deepest branch, which has a cell for every 32 px."""
    torch.manual_seed(1)
    net = Parser(ParserShape()).eval().double()
    x = torch.rand(1, 3, 256, 256, dtype=torch.float64)
    changed = x.clone()
    changed[..., :8, :8] += 1
    with torch.inference_mode():
        reached = (net(x) != net(changed)).any(1)[0]
    assert reached[32, 32] and reached[48, 48]


def test_normalisation_folds_into_the_convolutions() -> None:
    torch.manual_seed(1)
    net = normalised(Parser(ParserShape((8, 8, 8, 8))))
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
    for _ in range(3):
        net(torch.rand(2, 3, 64, 64) * 2 - 1)  # means and variances of its own
    net.eval()
    plain = folded(net)
    assert {*plain.state_dict()} == {*Parser(net.shape).state_dict()}
    x = torch.rand(1, 3, 64, 64) * 2 - 1
    with torch.inference_mode():
        torch.testing.assert_close(plain(x), net(x), atol=1e-4, rtol=1e-4)


def test_the_members_of_a_pair_are_told_apart_by_the_landmarks() -> None:
    """However the teacher names them; nothing of what it says of the pair is lost."""
    random = np.random.default_rng(1)
    logits = random.normal(0, 2, (19, 56, 56)).astype(np.float32)
    swapped = logits.copy()
    for left, right in PAIRS:
        swapped[[left, right]] = logits[[right, left]]
    found = sided(logits, LANDMARKS)
    np.testing.assert_allclose(found, sided(swapped, LANDMARKS), atol=1e-6)
    for left, right in PAIRS:
        joined = np.logaddexp(logits[left], logits[right])
        np.testing.assert_allclose(found[[left, right]].max(0), joined, atol=1e-6)
        assert (found[left, :, 40:] > -16).all()  # the person's own left is right as seen
        assert (found[right, :, :16] > -16).all()
    others = [n for n in range(19) if n not in {n for pair in PAIRS for n in pair}]
    assert np.array_equal(found[others], logits[others])


def test_targets_lie_where_the_picture_has_what_they_say() -> None:
    """Through turns, shifts, scales and mirrors, with the pairs changing places in a mirror."""
    random = np.random.default_rng(5)
    mirrors = set()
    for number in range(12):
        region, x, y = 4, 14 + number * 2, 22
        case = case_of(region, x, y)
        pose, mirror = sample_pose(random)
        mirrors.add(mirror)
        picture = crop_face(case, pose, cv2.BORDER_REPLICATE)
        wanted, counts = targets_of([case], [grid_of(pose, 64, 4)], [mirror])
        named = MIRRORED[region] if mirror else region
        share = wanted[0, named].numpy() - 0.01  # the rest of the face, a little of each
        assert share.max() > 0.9
        share = share.clip(0)
        ys, xs = np.mgrid[:64, :64] * 4 + 2
        said = np.array([(xs * share).sum(), (ys * share).sum()]) / share.sum()
        bright = picture[..., 0] > 160
        seen = np.argwhere(bright).mean(0)[::-1] + 0.5
        assert np.abs(said - seen).max() < 1.5, (number, said, seen)
        torch.testing.assert_close(wanted.sum(1), torch.ones(1, 64, 64))
        assert counts.shape == (1, 1, 64, 64)
    assert mirrors == {True, False}


def test_what_is_beyond_the_photograph_or_the_square_does_not_count() -> None:
    case = case_of(10, 28, 28)
    case.inside[:, :14] = False
    everything = targets_of([case], [grid_of(STILL, 64, 4)], [False])[1][0, 0]
    assert not everything[:, :15].any() and everything[:, 17:].all()
    shifted = STILL + np.array([[0, 0, 128], [0, 0, 0]])  # half of it is not in the square
    counts = targets_of([case], [grid_of(shifted, 64, 4)], [False])[1][0, 0]
    assert counts[:, :32].all() and not counts[:, 33:].any()


def test_a_batch_is_of_its_seed_alone(folder: Path) -> None:
    faces = load_cases(folder / "plain" / "training")
    weights = sampling_weights(faces)
    first, again, other = (sample_batch(faces, weights, 3, 0.5, (1, step)) for step in (3, 3, 4))
    for one, same in zip(first, again, strict=True):
        assert torch.equal(one, same)
    assert not torch.equal(first[0], other[0])
    assert first[0].shape == (3, 3, 256, 256) and first[1].shape == (3, 19, 64, 64)


def test_faces_with_glasses_are_drawn_more_often() -> None:
    plain, glasses = case_of(10, 28, 28), case_of(6, 28, 28)
    glasses.logits[6, 20:30, 10:46] = 100
    sharp = case_of(10, 28, 28, "portrait-0001-0")
    assert np.allclose(sampling_weights([plain, glasses, sharp]), np.array([1, 4, 2]) / 7)


def test_the_loss_is_least_for_what_is_wanted_and_blind_elsewhere() -> None:
    torch.manual_seed(1)
    wanted = torch.randn(2, 19, 8, 8).mul(100).softmax(1)
    counts = torch.ones(2, 1, 8, 8)
    counts[..., 4:] = 0
    right, wrong = wanted.clamp_min(1e-6).log(), torch.randn(2, 19, 8, 8)

    def loss_of(logits: Any) -> Any:
        overlap = overlap_loss(logits, wanted, counts)
        return cross_entropy(logits, wanted, counts) + 0.5 * overlap

    assert loss_of(right) < 0.2 < 1 < loss_of(wrong)
    elsewhere = right.clone()
    elsewhere[..., 4:] = wrong[..., 4:]
    torch.testing.assert_close(loss_of(elsewhere), loss_of(right))


def test_overlaps_by_hand() -> None:
    wanted = np.array([[1, 1, 17, 17], [1, 255, 17, 0]], np.uint8)
    said = np.array([[1, 17, 17, 17], [1, 3, 17, 10]], np.uint8)
    found = overlaps([said], [wanted])
    assert found["skin_iou"] == pytest.approx(2 / 3) and found["hair_iou"] == pytest.approx(3 / 4)
    assert found["nose_iou"] == 0 and found["background_iou"] == 0
    assert "right_brow_iou" not in found  # only where it does not count
    assert found["mean_iou"] == pytest.approx((2 / 3 + 3 / 4 + 0) / 3)
    names = {REGIONS[n] for n in MEASURED}
    assert {"skin", "glasses", "neck", "hair"} < names and "cloth" not in names


def test_held_out_faces_are_measured_at_full_size(folder: Path) -> None:
    (picture, labels), *_ = labelled(load_cases(folder / "plain" / "validation"))
    assert picture.shape == (256, 256, 3) and labels.shape == (256, 256)
    y, x = np.argwhere(labels == 4).mean(0)
    seen_y, seen_x = np.argwhere(picture[..., 0] > 160).mean(0)
    assert abs(x - seen_x) < 1.5 and abs(y - seen_y) < 1.5
    with pytest.raises(NoPictures, match="parser_targets"):
        load_cases(folder)


def test_four_steps_are_two_and_two_more_and_are_exported(folder: Path, tmp_path: Path) -> None:
    def run(out: str, steps: int) -> dict[str, Any]:
        command = [sys.executable, "-m", "pipeline", "train", "parser", "--targets", str(folder)]
        command += ["--output", str(tmp_path / out), "--set", f"steps={steps}", "--set", "batch=2"]
        # one thread: with more, the order of sums depends on who is faster
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True, env=environment)
        return torch.load(tmp_path / out / "last.pt", weights_only=True)

    whole = run("whole", 4)
    run("halves", 2)
    halves = run("halves", 4)
    assert whole["step"] == halves["step"] == 4
    row = json.loads((tmp_path / "halves" / "log.jsonl").read_text().splitlines()[1])
    assert {"step", "mean_iou", "right_eye_iou"} <= set(row)
    for part in ("net", "average"):
        for name, tensor in whole[part].items():
            assert torch.equal(tensor, halves[part][name]), f"{part} {name}"

    dirs = OutputDirs(tmp_path / "layer", tmp_path / "checkpoints")
    faces = load_cases(folder / "plain" / "training")
    held_out = {name: labelled(load_cases(folder / name / "validation")) for name in FACES}
    checkpoint = tmp_path / "whole" / "last.pt"
    calibration = calibration_of(faces)[:4]
    written = add_parser(checkpoint, calibration, held_out, len(faces), dirs)
    entry = json.loads((dirs.weights / "manifest.json").read_text())["weights"][0]
    assert entry["kind"] == entry["name"] == "parser" and entry["recipe"]["faces"] == 6
    assert entry["files"]["regions"]["bytes"] == written[0].stat().st_size < 1_000_000
    another = new_spec(WeightInfo("another", "A", "MIT"), "parser", "parser", "none")
    install(dirs, another, {})
    with pytest.raises(ExportRejected, match="another"):
        add_parser(checkpoint, calibration, held_out, len(faces), dirs)


def test_a_run_without_targets_says_so(tmp_path: Path) -> None:
    with pytest.raises(NoPictures, match="parser_targets"):
        ParserTask(Recipe(steps=1), tmp_path)


@needs(TEACHER)
def test_the_teacher_in_float_labels_as_its_int8_graph() -> None:
    from ai_edge_litert.interpreter import Interpreter

    landmarks = ((206, 101), (248, 105), (226, 128), (205, 140), (243, 143))
    picture = crop(data.astronaut(), estimate_similarity(landmarks, 448), 448)
    graph = Interpreter(model_path=str(TEACHER))
    graph.allocate_tensors()
    graph.set_tensor(graph.get_input_details()[0]["index"], (picture / 127.5 - 1)[None].astype("f"))
    graph.invoke()
    published = graph.get_tensor(graph.get_output_details()[0]["index"])
    teacher = ParserTeacher(TEACHER)
    assert teacher.logits([picture]).shape == (1, 19, 56, 56)
    assert (teacher.labels(picture) == published).mean() > 0.97
    assert np.abs(teacher.logits([picture])).max() < LOGIT_STEP * 127
