"""BiSeNet for faces: the published names and shapes, the import as the layer's parser, refusals."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from skimage import data

torch = pytest.importorskip("torch", reason="torch's CPU wheel is not installed")

from checkpoints import Bench, State, make_bench  # noqa: E402

from pipeline.architectures import build  # noqa: E402
from pipeline.architectures.bisenet import BiSeNet, renamed  # noqa: E402
from pipeline.faces.parse import FaceParser, label_map  # noqa: E402
from training.engine.errors import WeightsMismatch  # noqa: E402
from training.published.importers import fill  # noqa: E402


def published_shapes() -> dict[str, tuple[int, ...]]:
    """Names and shapes of 79999_iter.pth, written down apart from the module."""
    shapes: dict[str, tuple[int, ...]] = {}

    def norm(name: str, width: int) -> None:
        for kind in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"{name}.{kind}"] = (width,)
        shapes[f"{name}.num_batches_tracked"] = ()

    def convolution(name: str, inputs: int, outputs: int, kernel: int = 3) -> None:
        shapes[f"{name}.conv.weight"] = (outputs, inputs, kernel, kernel)
        norm(f"{name}.bn", outputs)

    shapes["cp.resnet.conv1.weight"] = (64, 3, 7, 7)
    norm("cp.resnet.bn1", 64)
    for layer, inputs, outputs in ((1, 64, 64), (2, 64, 128), (3, 128, 256), (4, 256, 512)):
        for block in (0, 1):
            prefix = f"cp.resnet.layer{layer}.{block}"
            shapes[f"{prefix}.conv1.weight"] = (outputs, outputs if block else inputs, 3, 3)
            shapes[f"{prefix}.conv2.weight"] = (outputs, outputs, 3, 3)
            norm(f"{prefix}.bn1", outputs)
            norm(f"{prefix}.bn2", outputs)
        if layer > 1:
            shapes[f"cp.resnet.layer{layer}.0.downsample.0.weight"] = (outputs, inputs, 1, 1)
            norm(f"cp.resnet.layer{layer}.0.downsample.1", outputs)
    for name, inputs in (("arm16", 256), ("arm32", 512)):
        convolution(f"cp.{name}.conv", inputs, 128)
        shapes[f"cp.{name}.conv_atten.weight"] = (128, 128, 1, 1)
        norm(f"cp.{name}.bn_atten", 128)
    convolution("cp.conv_head32", 128, 128)
    convolution("cp.conv_head16", 128, 128)
    convolution("cp.conv_avg", 512, 128, 1)
    convolution("ffm.convblk", 256, 256, 1)
    shapes["ffm.conv1.weight"] = (64, 256, 1, 1)
    shapes["ffm.conv2.weight"] = (256, 64, 1, 1)
    for name, inputs, middle in (
        ("conv_out", 256, 256),
        ("conv_out16", 128, 64),
        ("conv_out32", 128, 64),
    ):
        convolution(f"{name}.conv", inputs, middle)
        shapes[f"{name}.conv_out.weight"] = (19, middle, 1, 1)
    return shapes


@cache
def random_state() -> State:
    """Kernels that keep the scale of what passes, and statistics that are possible."""
    torch.manual_seed(3)
    state: State = {}
    for name, shape in published_shapes().items():
        if name.endswith("num_batches_tracked"):
            state[name] = torch.tensor(79999)
        elif len(shape) > 1:
            state[name] = torch.randn(shape) * (2 / np.prod(shape[1:])) ** 0.5
        else:
            positive = name.endswith(("running_var", "weight"))
            state[name] = 0.1 * torch.randn(shape) + float(positive)
    return state


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A layer with the random BiSeNet as its parser, from a file of parallel training."""
    bench = make_bench(tmp_path_factory.mktemp("bisenet"))
    wrapped = {"state_dict": {f"module.{name}": t for name, t in random_state().items()}}
    file = bench.save(wrapped, "79999_iter.pth")
    run = bench.weights("import", file, "--licence", "non-commercial research")
    assert run.exit_code == 0, run.output
    return bench


def test_the_published_names_and_shapes_are_the_modules() -> None:
    own = {name: tuple(t.shape) for name, t in BiSeNet().state_dict().items()}
    assert published_shapes() == own


def test_it_is_known_by_its_keys() -> None:
    state = random_state()
    for wrapped in (state, {"model": state}, {f"module.{name}": t for name, t in state.items()}):
        assert renamed(wrapped).keys() == state.keys()
    for other in ({}, {"conv_first.weight": torch.zeros(1)}, {"conv_out.weight": torch.zeros(1)}):
        assert renamed(other) == {}


def test_logits_are_of_the_whole_size_and_of_conv_out_alone() -> None:
    net, kind = build("bisenet", "regions", {"side_px": 512})
    assert kind == "" and isinstance(net, BiSeNet)
    net.load_state_dict(random_state())
    net.eval()
    x = torch.rand(1, 3, 64, 96) * 2 - 1
    with torch.inference_mode():
        logits = net(x)
        for head in (net.conv_out16, net.conv_out32):
            torch.nn.init.zeros_(head.conv_out.weight)
        again = net(x)
        torch.nn.init.zeros_(net.conv_out.conv_out.weight)
        silent = net(x)
    assert logits.shape == (1, 19, 64, 96) and logits.dtype == torch.float32
    assert torch.equal(logits, again) and not silent.any()


def test_colours_are_normalised_as_imagenets() -> None:
    """Grey 128/255 in [-1, 1] reaches the first convolution as the published code has it."""
    net = BiSeNet().eval()
    seen: list[Any] = []
    net.cp.resnet.conv1.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    with torch.inference_mode():
        net(torch.full((1, 3, 32, 32), 2 * 128 / 255 - 1))
    found = seen[0][0, :, 0, 0].tolist()
    published = [
        (128 / 255 - mean) / deviation
        for mean, deviation in ((0.485, 0.229), (0.456, 0.224), (0.406, 0.225))
    ]
    assert found == pytest.approx(published, abs=1e-5)


def test_an_imported_parser_answers_alike_in_both_engines(imported: Bench) -> None:
    registries = [imported.pipeline(engine).registry for engine in ("onnx", "torch")]
    spec = registries[0].store.require("parser")
    assert spec.name == "parser" and spec.architecture == "bisenet"
    assert spec.shape == {"side_px": 512} and set(spec.files) == {"regions", "float"}
    assert spec.recipe["imported"] == "79999_iter.pth"
    crop = data.astronaut()[:200, 120:320]
    found = [FaceParser(each.model(spec, "regions")).parse(crop) for each in registries]
    assert found[0].shape == (19, 200, 200)
    np.testing.assert_allclose(found[0].sum(0), 1, atol=1e-4)
    agreement = (label_map(found[0]) == label_map(found[1])).mean()
    assert agreement > 0.9 and spec.figures["label_agreement"] >= 0.97


def test_a_second_parser_is_refused_unless_it_replaces(imported: Bench) -> None:
    before = imported.files()
    file = imported.save(random_state(), "again.pth")
    run = imported.weights("import", file, "--licence", "MIT")
    assert run.exit_code == 1 and "--replace" in run.output
    run = imported.weights("import", file, "--licence", "MIT", "--name", "other")
    assert run.exit_code == 1 and "--name parser --replace" in run.output
    run = imported.weights("import", file)
    assert run.exit_code == 1 and "--licence" in run.output
    after = {path: content for path, content in imported.files().items() if path in before}
    assert after == before


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        ({"ffm.conv2.weight": None}, "missing: ffm.conv2.weight"),
        ({"conv_out.conv_out.weight": torch.zeros(11, 256, 1, 1)}, "instead of (19, 256, 1, 1)"),
        ({"sp.conv1.conv.weight": torch.zeros(64, 3, 7, 7)}, "left over: sp.conv1.conv.weight"),
        ({"cp.conv_avg.bn.bias": torch.full((128,), torch.nan)}, "not finite"),
        ({"cp.resnet.bn1.weight": "words"}, "no floating-point tensor"),
    ],
)
def test_a_state_dict_that_does_not_fit_is_refused_by_name(
    damage: dict[str, object], named: str
) -> None:
    state = {name: t for name, t in (random_state() | damage).items() if t is not None}
    with pytest.raises(WeightsMismatch, match="not bisenet") as caught:
        fill("bisenet", {}, state, Path("79999_iter.pth"), "regions")
    assert named in str(caught.value)


def test_a_file_with_some_of_its_keys_is_refused_and_nothing_written(tmp_path: Path) -> None:
    bench = make_bench(tmp_path)
    file = bench.save({"ffm.convblk.conv.weight": torch.zeros(256, 256, 1, 1)}, "part.pth")
    run = bench.weights("import", file, "--licence", "MIT")
    assert run.exit_code == 1 and "missing: cp.resnet.conv1.weight" in run.output
    assert bench.files() == {}
