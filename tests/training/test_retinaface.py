"""The published RetinaFace: its names and shapes, its arithmetic, its way into a layer."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from outside import TEACHERS, needs

torch = pytest.importorskip("torch", reason="torch's CPU wheel is not installed")

import onnxruntime  # noqa: E402
from checkpoints import Bench, State, make_bench  # noqa: E402
from skimage import data  # noqa: E402

from pipeline.architectures.retinaface import RetinaFace, is_retinaface  # noqa: E402
from pipeline.faces.detect import FaceDetector, priors  # noqa: E402
from pipeline.model import Model  # noqa: E402
from pipeline.weights import WeightStore  # noqa: E402
from training.published.retinaface import load_retinaface_onnx  # noqa: E402

TEACHER = TEACHERS / "retinaface_mobilenet025.onnx"


def published_shapes() -> dict[str, tuple[int, ...]]:
    """Of mobilenet0.25_Final.pth, written down apart from the module."""
    shapes: dict[str, tuple[int, ...]] = {}

    def normed(name: str, place: int, *kernel: int) -> None:
        shapes[f"{name}.{place}.weight"] = kernel
        for tensor in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"{name}.{place + 1}.{tensor}"] = kernel[:1]
        shapes[f"{name}.{place + 1}.num_batches_tracked"] = ()

    normed("body.stage1.0", 0, 8, 3, 3, 3)
    channels = {
        1: [8, 16, 32, 32, 64, 64],
        2: [64, 128, 128, 128, 128, 128, 128],
        3: [128, 256, 256],
    }
    for stage, widths in channels.items():
        for number, (inputs, outputs) in enumerate(pairwise(widths)):
            name = f"body.stage{stage}.{number + (stage == 1)}"
            normed(name, 0, inputs, 1, 3, 3)
            normed(name, 3, outputs, inputs, 1, 1)
    for level, inputs in ((1, 64), (2, 128), (3, 256)):
        normed(f"fpn.output{level}", 0, 64, inputs, 1, 1)
        normed(f"ssh{level}.conv3X3", 0, 32, 64, 3, 3)
        normed(f"ssh{level}.conv5X5_1", 0, 16, 64, 3, 3)
        for name in ("conv5X5_2", "conv7X7_2", "conv7x7_3"):
            normed(f"ssh{level}.{name}", 0, 16, 16, 3, 3)
        for head, values in (("ClassHead", 2), ("BboxHead", 4), ("LandmarkHead", 10)):
            shapes[f"{head}.{level - 1}.conv1x1.weight"] = (2 * values, 64, 1, 1)
            shapes[f"{head}.{level - 1}.conv1x1.bias"] = (2 * values,)
    for merge in (1, 2):
        normed(f"fpn.merge{merge}", 0, 64, 64, 3, 3)
    return shapes


def random_state() -> State:
    """Values under which the answers depend on the picture, and stay in a sane range."""
    torch.manual_seed(3)
    state: State = {}
    for name, shape in published_shapes().items():
        if name.endswith("num_batches_tracked"):
            state[name] = torch.tensor(7)
        elif len(shape) == 4:
            state[name] = torch.randn(shape) * (2 / np.prod(shape[1:])) ** 0.5
        elif name.endswith(("running_var", "1.weight", "4.weight")) and "conv1x1" not in name:
            state[name] = 1 + 0.2 * torch.rand(shape)
        else:
            state[name] = 0.1 * torch.randn(shape)
    state["body.stage1.0.0.weight"] /= 50  # its inputs are grey levels
    return state


def test_the_published_names_and_shapes_are_the_modules() -> None:
    own = {name: tuple(t.shape) for name, t in RetinaFace().state_dict().items()}
    assert published_shapes() == own


def test_it_answers_for_every_prior_with_a_score_of_a_face() -> None:
    net = RetinaFace().eval()
    net.load_state_dict(random_state())
    with torch.inference_mode():
        answers = net(torch.rand(2, 3, 64, 96) * 255)
    assert answers.shape == (2, len(priors(64, 96)), 15)
    score = answers[..., 4]
    assert (score >= 0).all() and (score <= 1).all() and score.std() > 0


def test_what_is_none_of_it_is_left_alone() -> None:
    assert is_retinaface(published_shapes())
    for state in ({}, {"conv_first.weight": 1}, {"ClassHead.0.conv1x1.weight": 1}):
        assert not is_retinaface(state)


def opened(bench: Bench, engine: str = "onnx") -> Model:
    models = bench.pipeline(engine).registry
    return models.model(models.store.require("detector"), "faces")


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A layer with a detector of random values, which came as from parallel training."""
    bench = make_bench(tmp_path_factory.mktemp("retinaface"))
    file = bench.save({f"module.{name}": t for name, t in random_state().items()}, "faces.pth")
    run = bench.weights("import", file, "--licence", "MIT")
    assert run.exit_code == 0, run.output
    return bench


def test_an_imported_detector_answers_alike_in_both_engines(bench: Bench) -> None:
    planes = np.random.default_rng(1).uniform(0, 255, (1, 3, 96, 160)).astype(np.float32)
    made = []
    for name in ("onnx", "torch"):
        model = opened(bench, name)
        made.append(model.run({"picture": planes}))
    spec = model.spec
    np.testing.assert_allclose(made[0], made[1], atol=2e-4, rtol=1e-4)
    assert (spec.name, spec.kind, spec.architecture) == ("detector", "detector", "retinaface")
    assert spec.input_range == (0.0, 255.0) and spec.recipe["imported"] == "faces.pth"
    assert spec.licence == "MIT" and spec.multiple_of_px == 32


def test_a_second_detector_takes_the_place_of_the_first_on_demand(bench: Bench) -> None:
    before = bench.files()
    file = bench.save(random_state(), "again.pth")
    run = bench.weights("import", file, "--licence", "MIT")
    assert run.exit_code == 1 and "--replace" in run.output and bench.files() == before
    run = bench.weights("import", file, "--licence", "MIT", "--name", "hayao")
    assert run.exit_code == 0 and len(WeightStore(bench.layer, bench.checkpoints).specs) == 2


@pytest.mark.parametrize(
    ("name", "value", "named"),
    [
        ("ssh2.conv7x7_3.1.bias", None, "missing: ssh2.conv7x7_3.1.bias"),
        ("fpn.merge3.0.weight", torch.zeros(1), "left over: fpn.merge3.0.weight"),
        ("fpn.output1.0.weight", torch.zeros(64, 32, 1, 1), "(64, 32, 1, 1) instead of"),
        ("BboxHead.1.conv1x1.bias", torch.full((8,), torch.nan), "values that are not finite"),
        ("body.stage1.0.1.num_batches_tracked", torch.tensor(0.5), "no whole tensor"),
        ("body.stage1.0.1.bias", torch.zeros(8, dtype=torch.int32), "no floating-point tensor"),
    ],
)
def test_a_tensor_that_does_not_fit_is_named(
    tmp_path: Path, name: str, value: Any | None, named: str
) -> None:
    bench = make_bench(tmp_path)
    state = random_state() | {name: value}
    if value is None:
        del state[name]
    run = bench.weights("import", bench.save(state, "faces.pth"), "--licence", "MIT")
    assert run.exit_code == 1 and named in run.output and "not retinaface" in run.output
    assert bench.files() == {}


@needs(TEACHER)
def test_the_published_weights_answer_as_published(tmp_path: Path) -> None:
    state = load_retinaface_onnx(TEACHER).state_dict()
    bench = make_bench(tmp_path)
    file = bench.save(dict(state), "mobilenet0.25_Final.pth")
    run = bench.weights("import", file, "--licence", "MIT")
    assert run.exit_code == 0, run.output
    photo = data.astronaut()[:352, 32:480]
    planes = photo.transpose(2, 0, 1)[None].astype(np.float32)
    bgr = planes[:, ::-1] - np.array([104, 117, 123], np.float32).reshape(1, 3, 1, 1)
    teacher = onnxruntime.InferenceSession(TEACHER, providers=["CPUExecutionProvider"])
    boxes, scores, landmarks = teacher.run(None, {"input0": np.ascontiguousarray(bgr)})
    model = opened(bench)
    made = model.run({"picture": planes})
    wanted = np.concatenate([boxes, scores[..., 1:], landmarks], 2)
    np.testing.assert_allclose(made, wanted, atol=1e-3)
    assert (made[..., 4] > 0.9).sum() > 5  # there is a face in it
    (face,) = FaceDetector(model).detect(photo)
    left, top, right, bottom = face.box
    assert left < 192 < right and top < 115 < bottom and face.score > 0.99


def test_a_graph_that_is_no_retinaface_is_refused(bench: Bench) -> None:
    with pytest.raises(ValueError, match="not a RetinaFace"):
        load_retinaface_onnx(Path("layers/weights/cel.code.onnx"))
