"""The gate that finds what is wrong, and the repair by the restorer, on a layer that has both.

The networks are small and of random values: what they say is not tested here, but that they are
asked, told, opened and named as they should be.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from models import STORE, closed_model
from skimage import data

torch = pytest.importorskip("torch", reason="torch's CPU wheel is not installed")

from pipeline import InvalidOption, Options, Pipeline, Settings, WeightsInvalid  # noqa: E402
from pipeline.architectures.quality import QualityModel, QualityShape, in_units, normalise  # noqa: E402
from pipeline.architectures.restorer import Restorer, RestorerShape  # noqa: E402
from pipeline.domain import Photo, QualityEstimate  # noqa: E402
from pipeline.enhance import STEPS, enhance  # noqa: E402
from pipeline.enhance.gate import by_estimate  # noqa: E402
from pipeline.enhance.learned import MIN_LEVELS, levels_to_repair  # noqa: E402
from pipeline.light import brighten, headroom_stops  # noqa: E402
from pipeline.quality import assess  # noqa: E402
from pipeline.quality_model import (  # noqa: E402
    LIGHTS,
    QualityEstimator,
    faults,
    light_levels,
    model_inputs,
)
from training.data.degradations import KINDS, Blur, Darken, Jpeg, Noise, degrade  # noqa: E402
from training.data.photographs import halve, read_rgb  # noqa: E402
from training.data.quality import CLEARLY, Case, target_of  # noqa: E402
from training.data.restorer import Pair  # noqa: E402
from training.export.manifest import OutputDirs  # noqa: E402
from training.export.quality import add_quality  # noqa: E402
from training.export.restorer import add_restorer  # noqa: E402

SHIPPED = Settings()
PHOTO = data.chelsea()  # 300x451
THRESHOLDS = {"blur_px": 0.6, "noise": 4.0, "artefacts": 30.0, "darkness": 0.6}
SPEC = STORE.require("quality")
GOOD = QualityEstimate(0.2, 1.0, 95.0, 0.1, 0.98)


def encoded(pixels: np.ndarray) -> bytes:
    return cv2.imencode(".png", pixels[..., ::-1])[1].tobytes()


def damaged_pairs() -> dict[str, list[Pair]]:
    pairs = []
    spoilt: list[list[Any]] = [[Noise(12.0)], [Blur(1.2), Jpeg(50)]]
    for number, steps in enumerate(spoilt):
        large = np.ascontiguousarray(data.astronaut()[60 * number :, :][:128, 100:260])
        wanted = halve(large)
        pairs.append(Pair(*degrade(wanted, steps, number), wanted, large))
    return {"mixed": pairs}


def add_random_restorer(place: OutputDirs) -> None:
    shape = RestorerShape(16, 1, 16)
    torch.manual_seed(5)
    net = Restorer(shape)
    for head in (net.head, net.doubling_head):
        torch.nn.init.normal_(head.weight, std=0.01)
    checkpoint = place.checkpoints.parent / "restorer.pt"
    about = {"step": 7, "history": [], "shape": shape.as_dict()}
    torch.save({"average": net.state_dict(), **about}, checkpoint)
    pairs = damaged_pairs()
    add_restorer(checkpoint, pairs["mixed"], pairs, 2, place)


def add_random_quality(place: OutputDirs) -> None:
    shape = QualityShape((16, 16, 16), 8)
    torch.manual_seed(5)
    model = QualityModel(shape)
    torch.nn.init.normal_(model.out.weight, std=0.05)
    checkpoint = place.checkpoints.parent / "quality.pt"
    about = {"step": 7, "history": [], "shape": shape.as_dict()}
    torch.save({"average": model.state_dict(), **about}, checkpoint)
    photo = PHOTO[:200, :260]
    held_out = {}
    for kind in KINDS:
        worse, damage = degrade(photo, [Noise(30.0), Blur(2.0)], 1)
        held_out[kind] = [Case(worse, target_of(damage))]
    held_out["clean"] = [Case(photo, target_of(degrade(photo, [], 1)[1]))]
    add_quality(checkpoint, ([photo], [photo]), held_out, 1, place)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> OutputDirs:
    """The shipped layer with a restorer and a quality model."""
    folder = tmp_path_factory.mktemp("layer")
    place = OutputDirs(folder / "weights", folder / "checkpoints")
    shutil.copytree(SHIPPED.weights_dir, place.weights)
    shutil.copytree(SHIPPED.checkpoints_dir, place.checkpoints)
    document = json.loads((place.weights / "manifest.json").read_text())
    others = [e for e in document["weights"] if e["kind"] not in ("restorer", "quality")]
    (place.weights / "manifest.json").write_text(json.dumps(document | {"weights": others}))
    add_random_restorer(place)
    add_random_quality(place)
    return place


@pytest.fixture
def without(whole: OutputDirs, tmp_path: Path) -> Any:
    """A copy of that layer without the networks of some kinds."""

    def make(*kinds: str) -> Path:
        layer = Path(shutil.copytree(whole.weights, tmp_path / "weights"))
        document = json.loads((layer / "manifest.json").read_text())
        document["weights"] = [e for e in document["weights"] if e["kind"] not in kinds]
        (layer / "manifest.json").write_text(json.dumps(document))
        return layer

    return make


def pipeline_of(place: OutputDirs, engine: str = "onnx") -> Pipeline:
    return Pipeline(
        Settings(
            weights_dir=place.weights, checkpoints_dir=place.checkpoints, engine=engine, threads=1
        )
    )


def found(estimate: QualityEstimate, side_px: int = 600) -> dict[str, bool]:
    return {step: by_estimate(step, side_px, estimate, THRESHOLDS).needed for step in STEPS}


NOTHING = dict.fromkeys(STEPS, False)


@pytest.mark.parametrize(
    ("estimate", "side_px", "step"),
    [
        (GOOD, 600, None),
        (replace(GOOD, noise=9.0), 600, "denoise"),
        (replace(GOOD, jpeg_quality=40.0), 600, "denoise"),
        (replace(GOOD, blur_px=1.5), 600, "sharpen"),
        (replace(GOOD, exposure_stops=-1.5), 600, "clahe"),
        (replace(GOOD, exposure_stops=1.5), 600, None),
        (GOOD, 200, "upscale"),
    ],
)
def test_each_fault_has_its_step(estimate: QualityEstimate, side_px: int, step: str | None) -> None:
    assert found(estimate, side_px) == NOTHING | ({step: True} if step else {})


def test_the_net_is_told_what_is_to_be_mended_and_no_more() -> None:
    bad = faults(QualityEstimate(2.0, 20.0, 90.0, 0.0, 0.5))
    assert levels_to_repair(bad, {"denoise"}, THRESHOLDS) == {
        "blur_px": 0,
        "noise": 20,
        "artefacts": 0,
    }
    assert levels_to_repair(bad, {"sharpen"}, THRESHOLDS) == {
        "blur_px": 2,
        "noise": 0,
        "artefacts": 0,
    }
    asked = levels_to_repair(faults(GOOD), {"denoise", "sharpen"}, THRESHOLDS)
    assert asked == {name: MIN_LEVELS[name] for name in ("blur_px", "noise", "artefacts")}


def test_brightening_stops_at_the_highlights() -> None:
    dark = cv2.LUT(PHOTO, (np.arange(256) * 0.25).astype(np.uint8))
    room = headroom_stops(dark)
    assert 1 < room < 6
    bright = brighten(dark, room)
    assert bright.mean() > 2 * dark.mean()
    assert (bright.max(2) == 255).mean() < 0.02
    assert headroom_stops(np.full((4, 5, 3), 255, np.uint8)) == 0
    assert headroom_stops(np.zeros((4, 5, 3), np.uint8)) > 0


def test_what_the_quality_model_is_shown() -> None:
    photo = np.full((200, 330, 3), 90, np.uint8)
    photo[64:128, 128:192] = np.random.default_rng(1).integers(0, 255, (64, 64, 3))
    photo[0:64, 0:64, 0] += 20 * np.eye(64, dtype=np.uint8)
    thumbnail, patches, light = model_inputs(photo, 48, 64, 8)
    assert light.shape == (LIGHTS,)
    assert thumbnail.shape == (48, 48, 3) and len(patches) == 8
    np.testing.assert_array_equal(patches[0], photo[64:128, 128:192])
    np.testing.assert_array_equal(patches[1], photo[0:64, 0:64])
    assert all((patch == 90).all() for patch in patches[4:])  # the usual contrast: none
    for size in ((1, 1), (3, 2000), (63, 65), (500, 40)):
        tiny = np.full((*size, 3), 7, np.uint8)
        _, patches, light = model_inputs(tiny, 48, 64, 8)
        assert len(patches) == 8 and {patch.shape for patch in patches} == {(64, 64, 3)}
        np.testing.assert_array_equal(light, light_levels(tiny[:1, :1]))


def test_light_is_told_in_stops_below_white() -> None:
    assert light_levels(np.full((5, 9, 3), 255, np.uint8)).tolist() == [0] * LIGHTS
    assert light_levels(np.zeros((5, 9, 3), np.uint8)).max() < -11
    half, whole = light_levels(brighten(PHOTO, -1.0)), light_levels(PHOTO)
    bright = whole > -4  # the darkest are rounded to one of few levels
    np.testing.assert_allclose(half[bright], whole[bright] - 1, atol=0.15)
    brightest, grey, darkest = whole.reshape(3, -1)
    assert (brightest >= grey).all() and (grey >= darkest).all() and (np.diff(grey) >= 0).all()
    lamp = np.full((400, 1200, 3), 20, np.uint8)
    lamp[200:260, 500:560] = 255, 200, 90  # under a hundredth of the picture
    light = model_inputs(lamp, 48, 64, 8)[2]
    assert light[LIGHTS // 3 - 1] == 0 and light[0] < -6


@pytest.mark.parametrize("sample", ["astronaut", "chelsea", "coffee", "rocket"])
def test_the_shipped_model_tells_darkness_from_night(sample: str) -> None:
    file = Path(__file__).parents[2] / "samples" / f"{sample}.jpg"
    clean, pipeline = read_rgb(file), Pipeline(SHIPPED)
    estimator = pipeline.registry.restoration(Options(enhance="auto")).estimator

    def darkness(pixels: np.ndarray) -> float:
        return faults(estimator.estimate(pixels))["darkness"]

    limit = estimator.thresholds["darkness"]
    assert darkness(clean) < limit  # the rocket's is a night scene
    dark, _ = degrade(clean, [Darken(2.0), Noise(3.0)], 1)
    assert darkness(dark) > limit and darkness(dark) == pytest.approx(2, abs=1)  # to a stop


@pytest.mark.parametrize(
    ("damage", "most"), [(Noise(20.0), 0.6), (Blur(1.6), 0.95), (Jpeg(20), 0.96)]
)
def test_the_shipped_restorer_is_told_of_each_fault_and_lessens_it(
    damage: Noise | Blur | Jpeg, most: float
) -> None:
    bad, _ = degrade(PHOTO, [damage], 1)
    models = Pipeline(SHIPPED).registry.restoration(Options())
    photo = Photo(bad)
    report = replace(assess(photo, SHIPPED), estimate=models.estimator.estimate(bad))
    repaired, _ = enhance(photo, report, Options(upscale="off"), models)
    before, after = ((p.astype(float) - PHOTO).std() for p in (bad, repaired.pixels))
    assert after < most * before


def test_measures_go_to_the_losses_scale_and_back() -> None:
    measures = torch.tensor([[1.5, 12.0, 60.0, -1.2, 0.8], [0, 0, 100, 0, 1]])
    torch.testing.assert_close(in_units(normalise(measures)), measures, atol=1e-3, rtol=1e-4)
    assert set(THRESHOLDS) == set(CLEARLY) == set(faults(GOOD))


def test_a_layer_with_the_nets_repairs_by_them_without_being_asked(whole: OutputDirs) -> None:
    pipeline = pipeline_of(whole)
    options = Options(denoise="on", sharpen="on", upscale="off", clahe="off", format="png")
    pipeline.check(options)
    result = pipeline.run(encoded(PHOTO[:200, :260]), options).sidecar
    assert result.quality.estimate is not None
    ran = {one.step: one.ran for one in result.decisions}
    assert ran["denoise"] and ran["sharpen"] and not ran["upscale"] and not ran["clahe"]
    names = [use.name for use in result.weights]
    assert names[:2] == ["quality.int8.onnx", "restorer.picture.int8.onnx"]
    doubled = pipeline.run(encoded(PHOTO[:200, :260]), replace(options, upscale="on")).sidecar
    assert (doubled.output.width_px, doubled.output.height_px) == (520, 400)
    assert "restorer.double.int8.onnx" in [use.name for use in doubled.weights]


def test_both_engines_repair_alike(whole: OutputDirs) -> None:
    from pipeline.measure import psnr_db

    photo = Photo(degrade(PHOTO[:200, :260], [Noise(20.0)], 3)[0])
    options = Options(denoise="on", sharpen="on", upscale="on", clahe="off")
    repaired = []
    for engine in ("onnx", "torch"):
        pipeline = pipeline_of(whole, engine)
        models = pipeline.registry.restoration(options)
        report = replace(assess(photo, SHIPPED), estimate=GOOD)
        repaired.append(enhance(photo, report, options, models)[0].pixels)
    assert repaired[0].shape == (400, 520, 3) and psnr_db(*repaired) > 40


def test_tiles_are_repaired_as_the_whole_is(whole: OutputDirs) -> None:
    photo = Photo(PHOTO)
    options = Options(denoise="on", sharpen="on", upscale="on", clahe="off")
    report = replace(assess(photo, SHIPPED), estimate=replace(GOOD, noise=20.0))
    made = []
    for tile_px in (96, 1024):
        models = pipeline_of(whole, "torch").registry.restoration(options)
        assert models.doubler is not None
        models.doubler.tile_px = tile_px
        made.append(enhance(photo, report, options, models)[0].pixels)
    assert np.abs(made[0].astype(int) - made[1]).max() <= 1


@pytest.mark.parametrize("size", [(1, 1), (3, 2000), (2, 3)])
def test_tiny_and_thin_photos_pass_through(whole: OutputDirs, size: tuple[int, int]) -> None:
    options = Options(denoise="on", sharpen="on", clahe="on", max_side_px=8192)
    for value in (0, 128, 255):
        photo = np.full((*size, 3), value, np.uint8)
        pipeline = Pipeline(Settings(weights_dir=whole.weights, max_aspect=5000))
        result = pipeline.run(encoded(photo), replace(options, upscale="on"))
        assert result.sidecar.output.width_px == 2 * size[1]


def test_a_photo_too_large_for_doubling_is_restored_at_its_size(whole: OutputDirs) -> None:
    options = Options(denoise="on", upscale="on", max_side_px=300)
    sidecar = pipeline_of(whole).run(encoded(PHOTO[:200, :260]), options).sidecar
    told = {one.step: one for one in sidecar.decisions}
    assert told["denoise"].ran and not told["upscale"].ran
    assert told["upscale"].why == "twice the size would exceed max_side_px"
    assert (sidecar.output.width_px, sidecar.output.height_px) == (260, 200)


def test_a_photo_that_lacks_nothing_is_the_same_object(whole: OutputDirs) -> None:
    photo = Photo(PHOTO)
    quality = QualityEstimator(closed_model(replace(SPEC, thresholds=THRESHOLDS)))
    models = replace(pipeline_of(whole).registry.restoration(Options()), quality=quality)
    report = replace(assess(photo, SHIPPED), estimate=GOOD)
    repaired, decisions = enhance(photo, report, Options(), models)
    assert repaired is photo and not any(one.ran for one in decisions)
    assert {one.why for one in decisions} == {
        "large enough",
        "clean",
        "bright enough",
        "sharp enough",
    }


def test_without_the_nets_the_default_is_classic_and_auto_is_refused(without: Any) -> None:
    pipeline = Pipeline(Settings(weights_dir=without("restorer", "quality"), threads=1))
    pipeline.check(Options())
    sidecar = pipeline.run(encoded(PHOTO[:200, :260]), Options()).sidecar
    assert sidecar.quality.estimate is None
    for asked, named in (
        (Options(enhance="auto"), "enhance=auto: .* restorer"),
        (Options(gate="learned"), "gate=learned: .* quality"),
    ):
        for refused in (
            lambda asked=asked: pipeline.check(asked),
            lambda asked=asked: pipeline.run(encoded(PHOTO), asked),
        ):
            with pytest.raises(InvalidOption, match=named):
                refused()


@pytest.mark.parametrize("kind", ["restorer", "quality"])
def test_half_of_the_nets_is_an_error_and_no_fall_back(without: Any, kind: str) -> None:
    pipeline = Pipeline(Settings(weights_dir=without(kind), threads=1))
    with pytest.raises(WeightsInvalid, match=kind):
        pipeline.check(Options())
    pipeline.check(Options(enhance="off"))
    pipeline.check(Options(enhance="classic"))


@pytest.mark.parametrize("file", ["restorer.picture.int8.onnx", "quality.int8.onnx"])
def test_a_damaged_net_is_an_error_at_the_start(without: Any, file: str) -> None:
    layer = without()
    content = bytearray((layer / file).read_bytes())
    content[len(content) // 2] ^= 1
    (layer / file).write_bytes(content)
    with pytest.raises(WeightsInvalid, match=file):
        Pipeline(Settings(weights_dir=layer, threads=1)).check(Options())


def test_the_published_gate_decides_for_the_restorer_when_asked(whole: OutputDirs) -> None:
    blurred = cv2.GaussianBlur(PHOTO, (0, 0), 3)
    options = Options(gate="laplacian", max_side_px=300)
    for photo, acts in ((blurred, True), (PHOTO[:, :260], False)):
        sidecar = pipeline_of(whole).run(encoded(photo), options).sidecar
        told = {one.step: one for one in sidecar.decisions}
        assert told["sharpen"].ran == told["denoise"].ran == acts
        assert told["sharpen"].threshold == 100
