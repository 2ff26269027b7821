"""ESRGAN's generator: the published names and shapes under all three schemes, and the import."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch's CPU wheel is not installed")

from checkpoints import Bench, State, make_bench, photo_bytes  # noqa: E402

from pipeline import Options  # noqa: E402
from pipeline.architectures.rrdbnet import RRDBNet, receptive_radius_px, renamed, shape_of  # noqa: E402

PUBLISHED = {"features": 64, "blocks": 23, "growth": 32}
SMALL = {"features": 8, "blocks": 2, "growth": 4}
INPUTS = {1: 48, 2: 12, 4: 3}


def published_shapes(
    scale: int, blocks: int, features: int, growth: int
) -> dict[str, tuple[int, ...]]:
    """Of ESRGAN's file, with its names, written down apart from the module."""
    shapes: dict[str, tuple[int, ...]] = {}

    def convolution(name: str, inputs: int, outputs: int) -> None:
        shapes[f"{name}.weight"] = (outputs, inputs, 3, 3)
        shapes[f"{name}.bias"] = (outputs,)

    convolution("conv_first", INPUTS[scale], features)
    for block in range(blocks):
        for dense in (1, 2, 3):
            for number in (1, 2, 3, 4, 5):
                outputs = growth if number < 5 else features
                name = f"RRDB_trunk.{block}.RDB{dense}.conv{number}"
                convolution(name, features + (number - 1) * growth, outputs)
    for name in ("trunk_conv", "upconv1", "upconv2", "HRconv"):
        convolution(name, features, features)
    convolution("conv_last", features, 3)
    return shapes


def random_state(scale: int, **sizes: int) -> State:
    torch.manual_seed(scale)
    return {
        name: 0.3 * torch.randn(shape) / np.prod(shape[1:]) ** 0.5
        for name, shape in published_shapes(scale, **sizes).items()
    }


def as_basicsr(state: State) -> State:
    """The names of BasicSR and Real-ESRGAN."""
    names = {"RRDB_trunk": "body", "RDB": "rdb", "trunk_conv": "conv_body", "HRconv": "conv_hr"}
    names |= {"upconv": "conv_up"}
    renamed_state = {}
    for name, tensor in state.items():
        for old, new in names.items():
            name = name.replace(old, new)
        renamed_state[name] = tensor
    return renamed_state


def as_the_oldest(state: State, blocks: int) -> State:
    """Numbered layers."""
    places = {"conv_first": "model.0", "trunk_conv": f"model.1.sub.{blocks}", "upconv1": "model.3"}
    places |= {"upconv2": "model.6", "HRconv": "model.8", "conv_last": "model.10"}
    renamed_state = {}
    for name, tensor in state.items():
        stem, _, kind = name.rpartition(".")
        if stem.startswith("RRDB_trunk"):
            stem = stem.replace("RRDB_trunk", "model.1.sub") + ".0"
        renamed_state[f"{places.get(stem, stem)}.{kind}"] = tensor
    return renamed_state


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_the_published_shapes_are_the_modules_under_every_scheme(scale: int) -> None:
    """Of the published size, with values that cost no memory: names and shapes are the matter."""
    shapes = published_shapes(scale, **PUBLISHED)
    state = {name: torch.zeros(1).expand(shape) for name, shape in shapes.items()}
    with torch.device("meta"):
        own = RRDBNet(scale).state_dict()
    for scheme in (state, as_basicsr(state), as_the_oldest(state, 23)):
        for wrapped in (scheme, {"params_ema": scheme}, {"params": scheme}):
            found = renamed(wrapped)
            assert {name: t.shape for name, t in found.items()} == {
                name: t.shape for name, t in own.items()
            }
            assert shape_of(found) == {"scale": scale, **PUBLISHED}
    count = sum(t.numel() for t in own.values())
    assert count == {1: 16_723_907, 2: 16_703_171, 4: 16_697_987}[scale]


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_every_tensor_of_the_three_schemes_comes_to_its_place(scale: int) -> None:
    state = random_state(scale, **SMALL)
    x = torch.rand(1, 3, 16, 24) * 2 - 1
    made = []
    for scheme in (state, as_basicsr(state), as_the_oldest(state, SMALL["blocks"])):
        net = RRDBNet(scale, **SMALL).eval()
        net.load_state_dict(renamed(scheme))
        with torch.inference_mode():
            made.append(net(x))
    assert made[0].shape == (1, 3, 16 * scale, 24 * scale)
    assert torch.equal(made[0], made[1]) and torch.equal(made[0], made[2])


def test_what_is_added_to_what() -> None:
    """With all but one path silent, the published arithmetic is seen: 0.2 and 0.2 again."""
    net = RRDBNet(4, features=4, blocks=1, growth=2)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.zero_()
        block = net.body[0]
        x = torch.rand(1, 4, 6, 5)
        block.rdb3.conv5.bias.fill_(1.0)
        torch.testing.assert_close(block(x), 1.2 * x + 0.04, atol=1e-6, rtol=0)


def test_an_output_depends_on_inputs_within_the_stated_radius() -> None:
    net = RRDBNet(2, features=8, blocks=1, growth=4).eval()
    net.load_state_dict(renamed(random_state(2, features=8, blocks=1, growth=4)))
    net = net.double()
    radius = receptive_radius_px(2, 1)
    x = torch.rand(1, 3, 2 * radius + 16, 2 * radius + 20, dtype=torch.float64)
    changed = x.clone()
    row, column = radius + 7, radius + 10
    changed[..., row, column] += 10
    with torch.inference_mode():
        reached = (net(x) != net(changed)).any(1)[0].nonzero()
    distance = (reached / 2 - torch.tensor([row, column])).abs().max().item()
    assert radius / 2 < distance <= radius


def test_what_is_none_of_it_is_left_alone() -> None:
    for state in (
        {},
        {"conv_first.weight": torch.zeros(4)},
        {"block_a.0.1.weight": torch.zeros(1)},
    ):
        assert shape_of(renamed(state)) is None
    with pytest.raises(ValueError, match="scale 3"):
        RRDBNet(3)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """The shipped layer with an imported ESRGAN, a small one under the oldest names."""
    import shutil

    from pipeline import Settings

    bench = make_bench(tmp_path_factory.mktemp("esrgan"))
    shutil.copytree(Settings().weights_dir, bench.layer)
    state = as_the_oldest(random_state(2, **SMALL), SMALL["blocks"])
    file = bench.save(state, "RRDB_x2.pth")
    run = bench.weights("import", file, "--licence", "Apache-2.0", "--name", "esrgan")
    assert run.exit_code == 0, run.output
    return bench


def test_the_classic_repair_doubles_by_imported_weights(bench: Bench) -> None:
    options = Options(enhance="classic", upscale="on", denoise="off", sharpen="off", clahe="off")
    sidecar = bench.pipeline().run(photo_bytes(), options).sidecar
    assert (sidecar.output.width_px, sidecar.output.height_px) == (300, 196)
    assert any(use.name.startswith("esrgan.") for use in sidecar.weights)
    names = {style.name for style in bench.pipeline().styles()}
    assert "esrgan" not in names  # it is none


def test_a_damaged_state_dict_is_refused_and_the_layer_stays(bench: Bench) -> None:
    before = bench.files()
    state = renamed(random_state(4, **SMALL))
    short = {name: t for name, t in state.items() if name != "conv_hr.bias"}
    wrong = state | {"conv_body.weight": torch.zeros(8, 8, 1, 1)}
    for broken, named in ((short, "conv_hr.bias"), (wrong, "conv_body.weight")):
        run = bench.weights("import", bench.save(broken, "x4.pth"), "--licence", "MIT")
        assert run.exit_code == 1 and named in run.output
    assert bench.files().items() >= before.items()


def test_a_style_and_esrgan_do_not_take_each_others_names(bench: Bench) -> None:
    file = bench.save(random_state(2, **SMALL), "again.pth")
    taken = bench.weights("import", file, "--licence", "MIT", "--name", "hayao", "--replace")
    assert taken.exit_code == 1 and "not as esrgan" in taken.output
    twice = bench.weights("import", file, "--licence", "MIT", "--name", "esrgan")
    assert twice.exit_code == 1 and "--replace" in twice.output


def test_the_file_is_kept_for_the_torch_engine(bench: Bench) -> None:
    from pipeline.engines import open_engine
    from pipeline.weights import WeightStore

    layer = WeightStore(bench.layer, bench.checkpoints)
    spec = layer.require("esrgan")
    planes = np.random.default_rng(1).uniform(-1, 1, (1, 3, 32, 48)).astype(np.float32)
    made = [
        open_engine(layer, spec, "picture", bench.pipeline(engine).settings).run(
            {"picture": planes}
        )
        for engine in ("onnx", "torch")
    ]
    assert made[0].shape == (1, 3, 64, 96) and Path(bench.checkpoints).exists()
    assert np.abs(made[0] - made[1]).mean() < 0.02
