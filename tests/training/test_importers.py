"""Published weights and checkpoints become styles, or are refused by name, the layer untouched."""

from __future__ import annotations

import json
import os
import pickle
import re
import subprocess
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from outside import TEACHERS, needs
from skimage import data

torch = pytest.importorskip("torch", reason="torch's CPU wheel is not installed")

from checkpoints import Bench, State, make_bench, photo_bytes, published_shapes, random_state  # noqa: E402

from pipeline import Options  # noqa: E402
from pipeline.architectures.animegan import AnimeGANGenerator  # noqa: E402
from pipeline.architectures.animeganv2 import UPSAMPLINGS, AnimeGANv2Generator  # noqa: E402
from pipeline.architectures.student import StudentShape  # noqa: E402
from pipeline.domain import WeightSpec  # noqa: E402
from pipeline.engines import open_engine  # noqa: E402
from pipeline.measure import psnr_db  # noqa: E402
from pipeline.weights import WeightStore  # noqa: E402
from training import weights_cli  # noqa: E402
from training.architectures.student import Student  # noqa: E402
from training.engine.errors import AnotherFile  # noqa: E402
from training.export.manifest import OutputDirs, WeightInfo, install, new_spec  # noqa: E402
from training.published.importers import PUBLISHED, Published, find_state, git_blob, identify  # noqa: E402

TEACHER = TEACHERS / "animeganv2_hayao_int8.tflite"


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return make_bench(tmp_path)


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A layer with one imported style, "face-paint-like"."""
    bench = make_bench(tmp_path_factory.mktemp("imported"))
    wrapped = {"state_dict": {f"module.{name}": t for name, t in random_state().items()}}
    run = bench.weights("import", bench.save(wrapped), "--licence", "MIT")
    assert run.exit_code == 0, run.output
    return bench


def test_the_published_names_and_shapes_are_the_modules() -> None:
    own = {name: tuple(t.shape) for name, t in AnimeGANv2Generator().state_dict().items()}
    assert published_shapes() == own


def test_an_imported_style_is_drawn_alike_by_both_engines(imported: Bench) -> None:
    assert imported.agreement_db("face-paint-like") > 40
    used = imported.pipeline("torch").run(photo_bytes(), Options(style="face-paint-like"))
    assert [use.name for use in used.sidecar.weights] == ["face-paint-like.safetensors"]


def test_the_manifest_tells_where_an_imported_style_came_from(imported: Bench) -> None:
    entry, upsampler = json.loads((imported.layer / "manifest.json").read_text())["weights"]
    assert upsampler["kind"] == "upsampler"  # a layer needs one to enlarge its drawings
    assert entry["architecture"] == "animeganv2" and entry["licence"] == "MIT"
    assert entry["tileable"] is False and entry["multiple_of_px"] == 4
    assert entry["shape"] == {"upsampling": "half_pixel"} and set(entry["files"]) == {
        "picture",
        "float",
    }
    assert entry["recipe"]["imported"] == "face_paint_like.pt"
    content = (imported.folder / "face_paint_like.pt").read_bytes()
    assert entry["recipe"]["git_blob"] == git_blob(content)
    assert entry["figures"]["parity_psnr_db"] >= 40
    assert entry["files"]["picture"]["bytes"] < 5_000_000
    verified = [(spec.name, role) for spec, role, _ in imported.pipeline().verify()]
    assert verified == [("face-paint-like", "picture"), ("upsampler", "picture")]


def test_a_style_that_cannot_be_tiled_is_drawn_whole_and_says_so(imported: Bench) -> None:
    wide = np.tile(cv2.resize(data.chelsea(), (200, 30)), (1, 2, 1))
    photo = cv2.imencode(".png", wide)[1].tobytes()
    options = Options(style="face-paint-like", detail=1, upscale="off")
    limited = imported.pipeline(tile_px=256).run(photo, options).sidecar
    assert (limited.drawing.working_width_px, limited.drawing.tiles) == (256, 1)
    assert limited.output.width_px == 400
    assert [text for text in limited.warnings if "tile_px is 256" in text]
    free = imported.pipeline().run(photo, options).sidecar
    assert (free.drawing.working_width_px, free.drawing.tiles) == (400, 1)
    assert not free.warnings


@pytest.mark.parametrize("size", [(1, 1), (3, 50), (9, 7)])
def test_an_imported_style_takes_tiny_photos(imported: Bench, size: tuple[int, int]) -> None:
    photo = cv2.imencode(".png", np.full((*size, 3), 90, np.uint8))[1].tobytes()
    for engine in ("onnx", "torch"):
        options = Options(style="face-paint-like", upscale="off")
        drawn = imported.pipeline(engine).run(photo, options)
        assert (drawn.sidecar.output.height_px, drawn.sidecar.output.width_px) == size


def test_a_style_is_replaced_only_on_demand(imported: Bench) -> None:
    before = imported.files()
    run = imported.weights("import", imported.folder / "face_paint_like.pt", "--licence", "MIT")
    assert run.exit_code == 1 and "--replace" in run.output
    assert imported.files() == before


def test_a_state_dict_is_found_with_and_without_wrapping() -> None:
    state = random_state()
    prefixed = {f"module.{name}": tensor for name, tensor in state.items()}
    for saved in (state, prefixed, {"epoch": 3, "g": prefixed, "d": {"conv": state}}):
        assert list(find_state(saved, "animeganv2", {})) == list(state)


def broken(kind: str) -> State:
    state = random_state()
    if kind == "missing":
        del state["block_b.1.1.weight"], state["out_layer.0.weight"]
    elif kind == "left over":
        state["block_f.0.weight"] = torch.zeros(3)
    elif kind == "misshapen":
        state["block_e.2.1.weight"] = torch.zeros(32, 64, 3, 3)
    elif kind == "not finite":
        state["block_a.0.2.bias"][3] = torch.nan
    elif kind == "whole numbers":
        state["block_a.0.2.bias"] = torch.zeros(32, dtype=torch.int64)
    return state


@pytest.mark.parametrize(
    ("kind", "named"),
    [
        ("missing", r"missing: block_b\.1\.1\.weight, out_layer\.0\.weight$"),
        ("left over", r"left over: block_f\.0\.weight$"),
        ("misshapen", r"block_e\.2\.1\.weight is \(32, 64, 3, 3\) instead of \(32, 64, 7, 7\)$"),
        ("not finite", r"block_a\.0\.2\.bias holds values that are not finite$"),
        ("whole numbers", r"block_a\.0\.2\.bias holds no floating-point tensor$"),
    ],
)
def test_a_tensor_that_does_not_fit_is_named(bench: Bench, kind: str, named: str) -> None:
    run = bench.weights("import", bench.save(broken(kind)), "--licence", "MIT")
    assert run.exit_code == 1 and re.search(named, run.output.strip())
    assert bench.files() == {}


def test_weights_of_another_network_are_refused_with_some_of_the_names(bench: Bench) -> None:
    file = bench.save(AnimeGANGenerator().state_dict())
    run = bench.weights("import", file, "--licence", "MIT")
    assert run.exit_code == 1 and "not a generator of animeganv2" in run.output
    assert "missing: block_a.0.1.weight" in run.output and "more" in run.output
    assert bench.files() == {}


class Harmful:
    """Opening its pickle makes a folder."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.trace),)


@pytest.mark.parametrize("command", ["import", "add"])
def test_a_pickle_with_code_is_refused_and_not_run(bench: Bench, command: str) -> None:
    trace = bench.folder / "trace"
    plain = bench.folder / "plain.pt"
    plain.write_bytes(pickle.dumps({"generator": Harmful(trace)}, protocol=2))
    zipped = bench.save(random_state() | {"note": Harmful(trace)}, "zipped.pt")
    for file in (plain, zipped):
        asked: list[Any] = [file, "--licence", "MIT", "--name", "n", "--title", "t"]
        run = bench.weights(command, *asked)
        assert run.exit_code == 1 and "would run code (posix.mkdir)" in run.output
        assert not trace.exists() and bench.files() == {}
    pickle.loads(plain.read_bytes())  # it would have
    assert trace.exists()


@pytest.mark.parametrize("content", [b"", b"GIF89a", b"PK\x03\x04 no archive", b"\x80\x02]q\x00."])
def test_a_file_that_is_no_checkpoint_is_refused(bench: Bench, content: bytes) -> None:
    file = bench.folder / "some.pt"
    file.write_bytes(content)
    run = bench.weights("import", file, "--licence", "MIT")
    assert run.exit_code == 1 and re.match(r"kirei: \S+some\.pt: (not|holds) ", run.output)
    assert bench.files() == {}


def test_gits_blob_ids_are_computed_as_git_does(tmp_path: Path) -> None:
    assert git_blob(b"") == "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
    file = tmp_path / "file"
    file.write_bytes(bytes(range(256)) * 9)
    git = subprocess.run(["git", "hash-object", file], capture_output=True, text=True, check=True)
    assert git_blob(file.read_bytes()) == git.stdout.strip()


@pytest.mark.parametrize("name", list(PUBLISHED))
def test_a_published_name_with_other_content_is_refused(bench: Bench, name: str) -> None:
    file = bench.save({}, name)
    run = bench.weights("import", file, "--licence", "MIT")
    assert run.exit_code == 1 and bench.files() == {}
    assert PUBLISHED[name].blob in run.output and git_blob(file.read_bytes()) in run.output
    assert "under another file name" in run.output


def test_published_content_is_known_under_any_name(monkeypatch: pytest.MonkeyPatch) -> None:
    content = b"a published file"
    known = Published(git_blob(content), "Known", "MIT")
    monkeypatch.setitem(PUBLISHED, "known.pt", known)
    assert identify("known.pt", content) is identify("renamed.pt", content) is known
    assert identify("renamed.pt", content + b".") is None
    with pytest.raises(AnotherFile):
        identify("known.pt", content + b".")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--licence", "MIT", "--name", "../up"], "'../up'"),
        (["--licence", "MIT", "--name", "a b"], "'a b'"),
        (["--licence", " "], "licence"),
        ([], "--licence"),
    ],
)
def test_a_name_or_a_licence_that_will_not_do(bench: Bench, options: list[str], said: str) -> None:
    file = bench.save({"nothing": torch.zeros(1)}, "x.pt")
    run = bench.weights("import", file, *options)
    assert run.exit_code == 1 and said in run.output and bench.files() == {}


def test_a_folder_without_photographs_is_said(bench: Bench) -> None:
    for path in (bench.folder / "photos").iterdir():
        path.unlink()
    run = bench.weights("import", bench.save(random_state()), "--licence", "MIT")
    assert run.exit_code == 1 and "no photograph" in run.output and bench.files() == {}


def test_a_write_that_fails_leaves_the_layer_as_it_was(bench: Bench) -> None:
    dirs = OutputDirs(bench.layer, bench.checkpoints)

    def spec(name: str) -> WeightSpec:
        return new_spec(WeightInfo(name, "A", "MIT"), "style", "animegan", "none", working_px=64)

    install(dirs, spec("a"), {"picture": ("a.int8.onnx", b"1"), "float": ("a.safetensors", b"2")})
    before = bench.files()
    (bench.checkpoints / ".b.safetensors.part").mkdir()  # in the way of what is written
    for name in ("a", "b"):
        files = {"picture": (f"{name}.fp16.onnx", b"3"), "float": ("b.safetensors", b"4")}
        with pytest.raises(IsADirectoryError):
            install(dirs, spec(name), files)
        assert bench.files() == before
    (bench.checkpoints / ".b.safetensors.part").rmdir()
    install(dirs, spec("a"), {"picture": ("a.fp16.onnx", b"3"), "float": ("a.safetensors", b"4")})
    assert {Path(name).name for name in bench.files()} == {
        "manifest.json",
        "a.fp16.onnx",
        "a.safetensors",
        "upsampler.int8.onnx",
        "upsampler.safetensors",
    }


def test_checkpoints_of_both_trainings_become_styles(bench: Bench) -> None:
    torch.manual_seed(1)
    history = [{"from_step": 0, "recipe": {"steps": 3}}]
    common = {"step": 3, "history": history}
    generator = AnimeGANGenerator().state_dict()
    student = Student(StudentShape(half_channels=8, quarter_channels=8))
    about = {"shape": student.generator.shape.as_dict(), "average": student.state_dict()}
    files = {
        "v1": bench.save(
            {"architecture": "animegan", "generator": generator} | common, "animegan.pt"
        ),
        "small": bench.save(about | {"student": student.state_dict()} | common, "student.pt"),
    }
    for name, file in files.items():
        asked = ["--name", name, "--title", name, "--licence", "our own", "--working-px", "64"]
        run = bench.weights("add", file, *asked)
        assert run.exit_code == 0, run.output
        assert bench.agreement_db(name) > 35
    specs = WeightStore(bench.layer, bench.checkpoints).specs
    assert specs["v1"].architecture == "animegan" and not specs["v1"].tileable
    assert specs["small"].architecture == "student" and specs["small"].tileable
    for spec in (specs["v1"], specs["small"]):
        assert spec.recipe["history"] == history and spec.recipe["steps_done"] == 3

    before = bench.files()
    strange = bench.save({"architecture": "rembrandt", "generator": {}}, "strange.pt")
    run = bench.weights("add", strange, "--name", "s", "--title", "s", "--licence", "s")
    assert run.exit_code == 1 and "not a checkpoint of a training" in run.output
    run = bench.weights("import", files["v1"], "--licence", "s")
    assert run.exit_code == 1 and "weights add" in run.output
    assert bench.files() == before


@needs(TEACHER)
def test_real_weights_come_through_the_import(bench: Bench) -> None:
    """The published graph has int8 activations: they set how close the float import comes."""
    from ai_edge_litert.interpreter import Interpreter

    from training.published.readers import load_animeganv2_tflite

    file = bench.save(load_animeganv2_tflite(TEACHER).state_dict(), "hayao_full.pt")
    asked = ["--licence", "non-commercial", "--upsampling", "legacy"]
    run = bench.weights("import", file, *asked)
    assert run.exit_code == 0, run.output

    photo = cv2.resize(data.astronaut(), (256, 256), interpolation=cv2.INTER_AREA)
    scaled = (photo[None] / 127.5 - 1).astype(np.float32)
    graph = Interpreter(model_path=str(TEACHER))
    graph.allocate_tensors()
    graph.set_tensor(graph.get_input_details()[0]["index"], scaled)
    graph.invoke()
    published = graph.get_tensor(graph.get_output_details()[0]["index"])[0]

    pipeline = bench.pipeline()
    layer = WeightStore(bench.layer, bench.checkpoints)
    engine = open_engine(layer, layer.style("hayao-full"), "picture", pipeline.settings)
    drawn = engine.run({"picture": scaled.transpose(0, 3, 1, 2).copy()})[0].transpose(1, 2, 0)
    pictures = [np.clip((p + 1) * 127.5 + 0.5, 0, 255).astype(np.uint8) for p in (drawn, published)]
    assert psnr_db(*pictures) > 23.5  # 24.3 measured
    assert bench.agreement_db("hayao-full") > 40


def test_the_upsamplings_of_the_command_are_the_networks() -> None:
    assert weights_cli.UPSAMPLINGS == UPSAMPLINGS
