"""The layer of weights: hashed before opened, opened once, errors that name the file."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from pipeline import Options, Pipeline, Settings, UnknownStyle, WeightsInvalid
from pipeline.engines import OnnxEngine, open_engine
from pipeline.weights import Layer

SAMPLE = Path(__file__).parent.parent / "samples" / "chelsea.jpg"
SHIPPED = Settings()


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SHIPPED.weights_dir, tmp_path / "weights"))


def layer(folder: Path) -> Layer:
    return Layer(folder, SHIPPED.checkpoints_dir)


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
    with pytest.raises(WeightsInvalid, match=r"hayao\.int8\.onnx") as caught:
        Pipeline(Settings(weights_dir=copy)).run(SAMPLE.read_bytes(), Options())
    assert caught.value.measured != caught.value.limit


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
    pipeline.open_ahead(Options()).join()
    for file in copy.glob("*.onnx"):
        file.unlink()
    assert pipeline.run(SAMPLE.read_bytes(), Options()).image


def test_what_cannot_be_opened_ahead_is_for_the_run_to_say(copy: Path) -> None:
    (copy / "hayao.code.onnx").unlink()
    pipeline = Pipeline(Settings(weights_dir=copy))
    pipeline.open_ahead(Options()).join()
    with pytest.raises(WeightsInvalid, match=r"hayao\.code\.onnx"):
        pipeline.run(SAMPLE.read_bytes(), Options())


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
    from pipeline.decode import decode
    from pipeline.measure import psnr_db

    pictures = [decode(result.image, SHIPPED)[0].pixels for result in results]
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
        TorchEngine(checkpoint, "student", "picture", {"quarter_channels": 64}, 1)
