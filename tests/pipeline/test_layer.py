"""The layer of weights: hashed before opened, opened once, errors that name the file."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from shipped import another_style

from pipeline import InvalidOption, Options, Pipeline, Settings, UnknownStyle, WeightsInvalid
from pipeline.engines import OnnxEngine, open_engine
from pipeline.weights import WeightStore

SAMPLE = Path(__file__).parents[2] / "samples" / "chelsea.jpg"
SHIPPED = Settings()


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SHIPPED.weights_dir, tmp_path / "weights"))


def layer(folder: Path) -> WeightStore:
    return WeightStore(folder, SHIPPED.checkpoints_dir)


def test_every_file_of_the_layer_is_as_listed() -> None:
    checked = layer(SHIPPED.weights_dir).verify()
    assert {"picture", "code"} <= {role for _, role, _ in checked}
    for spec, role, file in checked:
        assert file.bytes == (SHIPPED.weights_dir / file.file).stat().st_size < 3_000_000
        assert spec.files[role].sha256 == file.sha256
    listed = {file.file for _, _, file in checked} | {"manifest.json", "MODEL_CARD.md"}
    assert {path.name for path in SHIPPED.weights_dir.iterdir()} == listed


def test_the_float_students_are_as_listed() -> None:
    whole = layer(SHIPPED.weights_dir)
    for spec in whole.specs.values():
        assert len(whole.read(spec, "float")) == spec.files["float"].bytes < 3_000_000


def test_one_changed_byte_is_refused(copy: Path) -> None:
    file = copy / "hayao.int8.onnx"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(InvalidOption, match=r"hayao\.int8\.onnx") as caught:
        Pipeline(Settings(weights_dir=copy)).run(SAMPLE.read_bytes(), Options())
    assert caught.value.measured != caught.value.limit
    with pytest.raises(WeightsInvalid, match=r"hayao\.int8\.onnx"):
        layer(copy).verify()


@pytest.mark.parametrize("name", ["hayao.code.onnx", "manifest.json"])
def test_an_absent_file_is_named(copy: Path, name: str) -> None:
    (copy / name).unlink()
    with pytest.raises(WeightsInvalid, match=name):
        layer(copy).verify()


@pytest.mark.parametrize("text", ["", "[]", '{"manifest_version": 99, "weights": []}', "{"])
def test_a_manifest_that_cannot_be_read_is_said(copy: Path, text: str) -> None:
    (copy / "manifest.json").write_text(text)
    with pytest.raises(WeightsInvalid, match="manifest"):
        _ = layer(copy).specs


def test_an_entry_with_an_unknown_field_is_said(copy: Path) -> None:
    document = json.loads((copy / "manifest.json").read_text())
    document["weights"][0]["colour"] = "red"
    (copy / "manifest.json").write_text(json.dumps(document))
    with pytest.raises(WeightsInvalid, match="colour"):
        _ = layer(copy).specs


def test_bytes_that_are_no_graph_are_refused() -> None:
    with pytest.raises(WeightsInvalid, match="cannot open"):
        OnnxEngine(b"not a graph", 1)


def test_an_unknown_style_lists_the_known() -> None:
    with pytest.raises(UnknownStyle, match="hayao"):
        layer(SHIPPED.weights_dir).style("rembrandt")


def test_networks_are_read_when_needed_and_once(copy: Path) -> None:
    """Proved on the files: the pipeline is made before they exist, and runs on after they go."""
    hidden = copy.with_name("hidden")
    copy.rename(hidden)
    pipeline = Pipeline(Settings(weights_dir=copy))
    hidden.rename(copy)
    first = pipeline.run(SAMPLE.read_bytes(), Options())
    shutil.rmtree(copy)
    second = pipeline.run(SAMPLE.read_bytes(), Options())
    assert first.image == second.image


def test_networks_are_opened_ahead_and_once(copy: Path) -> None:
    pipeline = Pipeline(Settings(weights_dir=copy))
    pipeline.preload(Options()).join()
    for file in copy.glob("*.onnx"):
        file.unlink()
    assert pipeline.run(SAMPLE.read_bytes(), Options()).image


def test_what_cannot_be_opened_ahead_is_for_the_run_to_say(copy: Path) -> None:
    (copy / "hayao.code.onnx").unlink()
    pipeline = Pipeline(Settings(weights_dir=copy))
    pipeline.preload(Options()).join()
    with pytest.raises(InvalidOption, match=r"hayao\.code\.onnx"):
        pipeline.run(SAMPLE.read_bytes(), Options())


def without_file(folder: Path, file: str) -> None:
    (folder / file).unlink()


def with_another_file(folder: Path, file: str) -> None:
    """That of another style, which would draw."""
    other = file.replace(Options().style, another_style())
    shutil.copy(folder / other, folder / file)


def without_entry(folder: Path, file: str) -> None:
    """The manifest says nothing of the file."""
    document = json.loads((folder / "manifest.json").read_text())
    for entry in document["weights"]:
        entry["files"] = {
            role: listed for role, listed in entry["files"].items() if listed["file"] != file
        }
    (folder / "manifest.json").write_text(json.dumps(document))


@pytest.mark.parametrize("role", ["picture", "code"])
@pytest.mark.parametrize("spoil", [without_file, with_another_file, without_entry])
def test_a_style_that_is_not_whole_is_refused_by_name(
    copy: Path, spoil: Callable[[Path, str], None], role: str
) -> None:
    """No other style is drawn in its place, and the others are drawn as ever."""
    style = layer(copy).style(Options().style)
    if role not in style.files:
        pytest.skip(f"{style.name} has no code")
    file = style.files[role].file
    spoil(copy, file)
    pipeline = Pipeline(Settings(weights_dir=copy))
    for attempt in (
        lambda: pipeline.run(SAMPLE.read_bytes(), Options()),
        lambda: pipeline.check(Options()),
    ):
        with pytest.raises(InvalidOption, match=f"style {style.name} is not whole") as caught:
            attempt()
        assert file in caught.value.message or f"no {role} file" in caught.value.message
        assert caught.value.code == "invalid_option" and caught.value.measured
    assert pipeline.run(SAMPLE.read_bytes(), Options(style=another_style())).image


@pytest.mark.parametrize(
    ("field", "value"), [("scene_px", 0), ("face_px", -1), ("largest_px", 0), ("faces_default", 1)]
)
def test_a_style_of_impossible_figures_is_said(copy: Path, field: str, value: int) -> None:
    document = json.loads((copy / "manifest.json").read_text())
    document["weights"][0][field] = value
    (copy / "manifest.json").write_text(json.dumps(document))
    with pytest.raises(WeightsInvalid, match=field):
        _ = layer(copy).specs


def test_a_style_that_says_nothing_of_its_scales_has_usual_ones(copy: Path) -> None:
    """As imported ones do."""
    document = json.loads((copy / "manifest.json").read_text())
    for entry in document["weights"]:
        for name in ("description", "scene_px", "face_px", "largest_px", "faces_default"):
            entry.pop(name, None)
    (copy / "manifest.json").write_text(json.dumps(document))
    style = layer(copy).style(Options().style)
    assert (style.scene_px, style.face_px, style.largest_px) == (896, 230, 1024)
    assert (style.faces_default, style.description) == ("on", "")


def test_torch_and_onnx_agree() -> None:
    pytest.importorskip("torch", reason="torch's CPU wheel is not installed")
    whole = layer(SHIPPED.weights_dir)
    style = whole.style("hayao")
    random = np.random.default_rng(3)
    thumbnail = random.uniform(-1, 1, (1, 3, 64, 64)).astype(np.float32)
    codes = [
        open_engine(whole, style, "code", Settings(engine=engine)).run({"thumbnail": thumbnail})
        for engine in ("onnx", "torch")
    ]
    np.testing.assert_allclose(codes[0], codes[1], atol=1e-4)

    results = [
        Pipeline(Settings(engine=engine)).run(SAMPLE.read_bytes(), Options(format="png"))
        for engine in ("onnx", "torch")
    ]
    from pipeline.decode import decode_image
    from pipeline.measure import psnr_db

    pictures = [decode_image(result.image, SHIPPED)[0].pixels for result in results]
    # int8 against float, through enlargement and sharpening, which amplifies the difference
    assert psnr_db(*pictures) > 40
    assert results[1].sidecar.engine == "torch"
    assert [use.name for use in results[1].sidecar.weights] == [
        "quality.safetensors",
        "hayao.safetensors",
        "detector.safetensors",
    ]


def test_a_float_student_of_another_shape_is_refused() -> None:
    pytest.importorskip("torch", reason="torch's CPU wheel is not installed")
    from pipeline.engines import TorchEngine

    whole = layer(SHIPPED.weights_dir)
    checkpoint = whole.read(whole.style("hayao"), "float")
    with pytest.raises(WeightsInvalid, match="size mismatch"):
        TorchEngine(checkpoint, "student", "picture", {"quarter_channels": 48}, 1)
