"""Training on small data: losses, schedules, an exact resume, and the teacher itself."""

from __future__ import annotations

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
from skimage.color import deltaE_ciede2000, rgb2lab

torch = pytest.importorskip("torch", reason="torch's CPU wheel is not installed")

import safetensors.torch  # noqa: E402

from pipeline.architectures.animeganv2 import UPSAMPLINGS, AnimeGANv2Generator  # noqa: E402
from pipeline.architectures.student import StudentGenerator, StudentShape, ThumbnailEncoder  # noqa: E402
from pipeline.measure import psnr_db  # noqa: E402
from training.architectures.student import DILATIONS, Student  # noqa: E402
from training.data.photographs import split, windows  # noqa: E402
from training.data.tensors import to_picture, to_tensor  # noqa: E402
from training.engine.errors import NoPictures  # noqa: E402
from training.engine.recipe import InvalidSetting, changed  # noqa: E402
from training.engine.schedule import learning_rate  # noqa: E402
from training.looks.grade import Grade, grade_drawing, skin_likeness  # noqa: E402
from training.losses.pixel import contour_weight, energy_loss, gradient_loss  # noqa: E402
from training.metrics.drawing import dark_lines, drawing_metrics, edge_width_px, line_f1  # noqa: E402
from training.tasks.student import Recipe  # noqa: E402

ROOT = Path(__file__).parents[2]
TEACHER = TEACHERS / "animeganv2_hayao_int8.tflite"
needs_teacher = needs(TEACHER)


def test_the_published_generator_has_the_published_shape() -> None:
    net = AnimeGANv2Generator()
    assert sum(p.numel() for p in net.parameters()) == 2_143_552
    names = set(net.state_dict())
    assert {
        "block_a.0.1.weight",
        "block_a.0.2.bias",
        "block_c.1.layers.0.1.weight",
        "block_c.1.layers.1.1.bias",
        "block_c.1.layers.2.weight",
        "block_c.1.layers.3.weight",
        "out_layer.0.weight",
    } <= names
    with torch.inference_mode():
        assert net(torch.zeros(1, 3, 64, 96)).shape == (1, 3, 64, 96)


def test_upsampling_places_pixels_as_its_name_says() -> None:
    row = torch.tensor([0.0, 4.0, 8.0]).reshape(1, 1, 1, 3).expand(1, 1, 2, 3)

    def doubled(way: str) -> list[float]:
        wide = AnimeGANv2Generator(way)._resize(row, torch.Size((4, 6)))
        return [round(value, 3) for value in wide[0, 0, 0].tolist()]

    assert doubled("legacy") == [0, 2, 4, 6, 8, 8]
    assert doubled("half_pixel") == [0, 1, 3, 5, 7, 8]
    assert doubled("align_corners") == [0, 1.6, 3.2, 4.8, 6.4, 8]
    with pytest.raises(ValueError, match="nearest"):
        AnimeGANv2Generator("nearest")


def test_a_student_reaches_no_further_than_it_says() -> None:
    """The radius is what makes tiles exact: a change beyond it must not reach a pixel."""
    shape = StudentShape(half_channels=8, quarter_channels=8)
    torch.manual_seed(0)
    net, code = StudentGenerator(shape).eval(), torch.ones(1, shape.code_length, 1, 1)
    radius = shape.receptive_radius_px
    picture = torch.rand(1, 3, 8, 2 * radius + 40)
    changed = picture.clone()
    changed[..., :16] = -1
    with torch.inference_mode():
        moved = (net(picture, code) - net(changed, code)).abs().amax((0, 1, 2))
    assert moved[16 + radius :].max() == 0
    assert moved[:16].max() > 0


def test_the_code_of_a_fresh_student_changes_nothing() -> None:
    shape = StudentShape()
    code = ThumbnailEncoder(shape)(torch.rand(2, 3, 64, 64))
    channels = shape.quarter_channels
    gain, shift = code[0, :channels], code[0, channels : 2 * channels]
    assert torch.equal(gain, torch.ones_like(gain)) and torch.equal(shift, torch.zeros_like(shift))
    assert StudentShape.from_dict(shape.as_dict() | {"dilations": [1, 2, 4, 8, 2, 1]}) == shape


def test_a_student_with_more_blocks_begins_as_the_one_it_takes_over() -> None:
    small = Student(StudentShape(dilations=DILATIONS[:6]))
    large = Student(StudentShape(dilations=DILATIONS))
    large.begin_with(small.state_dict())
    picture, thumbnail = torch.rand(1, 3, 64, 64), torch.rand(1, 3, 64, 64)
    assert torch.equal(large(picture, thumbnail), small(picture, thumbnail))
    large(picture, thumbnail).square().mean().backward()
    assert all(block.second.weight.grad.any() for block in large.generator.blocks)
    with pytest.raises(RuntimeError, match="Unexpected key"):
        small.begin_with(large.state_dict())


def test_the_held_out_tenth_is_never_trained_on() -> None:
    files = [Path(f"photo-{n:03d}.jpg") for n in range(95)]
    train, held_out = split(files, validation=False), split(files, validation=True)
    assert len(held_out) == 10 and not set(train) & set(held_out)
    assert set(train) | set(held_out) == set(files)
    assert split([], validation=True) == []


def test_windows_are_the_same_for_the_same_seed(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for number in range(3):
        file = tmp_path / "photos" / f"scene-{number:04d}.jpg"
        cv2.imwrite(str(file), np.roll(data.chelsea(), 40 * number, axis=1))
    first, second = (list(windows(tmp_path, 4, 128, seed=5)) for _ in range(2))
    for one, other in zip(first, second, strict=True):
        assert one.name == other.name
        np.testing.assert_array_equal(one.pixels, other.pixels)
        assert all(side % 8 == 0 and side <= 128 for side in one.pixels.shape[:2])
    with pytest.raises(NoPictures):
        list(windows(tmp_path / "photos", 1, 128, seed=5))


def test_a_grade_keeps_skin_and_turns_skies() -> None:
    """A face's colours survive a grade that changes every other colour by far more."""
    from training.looks.styles import STYLES

    photo = data.astronaut()[:256, 64:384]
    skin = skin_likeness(cv2.cvtColor(photo.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)) > 0.9
    assert 0.03 < skin.mean() < 0.6
    for name in ("hayao", "shinkai", "paprika"):
        grade = STYLES[name].grade
        assert grade is not None
        graded = grade_drawing(photo, photo, grade)
        labs = [rgb2lab(picture) for picture in (photo, graded)]
        moved = deltaE_ciede2000(*labs)
        assert moved[skin].mean() < 4, name
        assert grade_drawing(photo, photo, grade).tobytes() == graded.tobytes()
    sky = np.full((64, 64, 3), (120, 160, 215), np.uint8)
    skies = [grade_drawing(sky, sky, STYLES[name].grade or Grade()) for name in STYLES]
    apart = deltaE_ciede2000(rgb2lab(skies[0]), rgb2lab(skies[1])).mean()
    assert apart > 12  # hayao's against shinkai's


def test_a_grade_takes_the_light_of_a_place_from_the_photo() -> None:
    """A hole that a teacher darkened by 60 levels is as light as the photo again."""
    photo = np.full((128, 160, 3), 150, np.uint8)
    drawing = photo.copy()
    drawing[32:96, 40:120] -= 60
    plain = Grade(photo_tones=0, photo_light=0, spared_skin=0)
    assert grade_drawing(photo, drawing, plain)[64, 80, 0] < 100
    lit = grade_drawing(photo, drawing, Grade(photo_tones=0, photo_light=1, spared_skin=0))
    assert lit[64, 80, 0] > 135


def test_lines_are_found_and_compared() -> None:
    page = np.full((60, 90, 3), 200, np.uint8)
    drawn = cv2.line(page.copy(), (5, 30), (85, 30), (20, 20, 20), 2)
    moved = np.roll(drawn, 1, axis=0)
    far = np.roll(drawn, 9, axis=0)
    assert dark_lines(page).sum() == 0 and dark_lines(drawn).sum() > 100
    assert line_f1(drawn, drawn) == 1 == line_f1(page, page)
    assert line_f1(moved, drawn) > 0.9 and line_f1(far, drawn) < 0.1
    assert drawing_metrics([drawn], [drawn])["gradient_ratio"] == pytest.approx(1)
    weight = contour_weight(to_tensor([drawn]), 2.0)[0, 0]
    assert weight[30, 45] > 2.5 and weight[10, 45] == 1


def test_an_edge_is_as_wide_as_its_ramp() -> None:
    def ramp(width: int) -> np.ndarray:
        row = np.clip((np.arange(60) - 30) * 120 / width, 0, 120).astype(np.uint8) + 60
        return np.repeat(np.tile(row, (40, 1))[..., None], 3, 2)

    assert [round(edge_width_px(ramp(width)), 1) for width in (1, 4, 8)] == [1, 4, 8]
    assert edge_width_px(ramp(4).transpose(1, 0, 2)) == pytest.approx(4)
    assert np.isnan(edge_width_px(np.full((20, 20, 3), 90, np.uint8)))


def test_the_energy_of_a_line_counts_and_its_place_hardly() -> None:
    page = np.full((64, 64, 3), 200, np.uint8)
    line = cv2.line(page.copy(), (3, 32), (60, 32), (20, 20, 20), 2)
    moved, soft = np.roll(line, 2, axis=0), cv2.GaussianBlur(line, (0, 0), 3)
    target = to_tensor([line])
    losses = {
        name: (float(energy_loss(x, target)), float(gradient_loss(x, target)))
        for name, x in (("moved", to_tensor([moved])), ("soft", to_tensor([soft])))
    }
    assert losses["moved"][0] < 0.7 * losses["soft"][0]
    assert losses["moved"][1] > 1.2 * losses["soft"][1]
    assert float(energy_loss(target, target)) == 0


def test_pictures_survive_the_way_through_tensors() -> None:
    picture = data.chelsea()
    np.testing.assert_array_equal(to_picture(to_tensor([picture])), picture)


def test_the_learning_rate_warms_up_holds_and_falls() -> None:
    recipe = Recipe(steps=1000, decay_from=600, warmup_steps=100)
    rates = [learning_rate(recipe, step) for step in (0, 99, 100, 599, 800, 1000)]
    assert rates[0] == 0.01 and rates[1:4] == [1, 1, 1]
    assert rates[4] == pytest.approx(0.5) and rates[5] == pytest.approx(0)


def test_a_recipe_takes_its_own_settings_only() -> None:
    asked = changed(Recipe(), ["steps=7", "gradient_weight=0.5"])
    assert asked == Recipe(steps=7, gradient_weight=0.5)
    for wrong, named in (("colour=red", "colour"), ("steps=many", "steps")):
        with pytest.raises(InvalidSetting, match=named):
            changed(Recipe(), [wrong])


def of_graph(path: Path, photo: np.ndarray) -> np.ndarray:
    """What a published TensorFlow Lite graph draws of a photo of the size it takes."""
    from ai_edge_litert.interpreter import Interpreter

    graph = Interpreter(model_path=str(path))
    graph.allocate_tensors()
    planes = (photo[None] / 127.5 - 1).astype(np.float32)
    graph.set_tensor(graph.get_input_details()[0]["index"], planes)
    graph.invoke()
    output = graph.get_tensor(graph.get_output_details()[0]["index"])[0]
    return np.clip((output + 1) * 127.5 + 0.5, 0, 255).astype(np.uint8)


def make_targets(folder: Path) -> None:
    folder.mkdir()
    photo = data.astronaut()[:96, :128]
    for number in range(3):
        part = np.roll(photo, 30 * number, axis=1)
        pair = np.concatenate([part, cv2.bilateralFilter(part, 9, 60, 5)], axis=1)
        cv2.imwrite(str(folder / f"{number:05d}-astronaut.png"), pair[..., ::-1])


def distil(targets: Path, out: Path, steps: int, *more: str) -> subprocess.CompletedProcess[str]:
    settings = "batch=2 crop_px=64 adversarial_from=1 warmup_steps=1"
    command = [sys.executable, "-m", "pipeline", "train", "distil", "-o", str(out)]
    command += ["--targets", str(targets), "--validation", str(targets), *more]
    for setting in [*settings.split(), f"steps={steps}", "decay_from=100"]:
        command += ["--set", setting]
    # one thread: with more, the order of sums depends on who is faster
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment)


def distilled(targets: Path, out: Path, steps: int, *more: str) -> dict[str, Any]:
    run = distil(targets, out, steps, *more)
    assert run.returncode == 0, run.stderr
    saved: dict[str, Any] = torch.load(out / "last.pt", weights_only=True)
    return saved


def test_four_steps_are_two_and_two_more(tmp_path: Path) -> None:
    targets = tmp_path / "targets"
    make_targets(targets)
    whole = distilled(targets, tmp_path / "whole", 4, "--style", "hayao")
    distilled(targets, tmp_path / "halves", 2, "--style", "hayao")
    halves = distilled(targets, tmp_path / "halves", 4, "--style", "hayao")
    assert whole["step"] == halves["step"] == 4
    assert [entry["from_step"] for entry in halves["history"]] == [0, 2]
    for part in ("net", "average", "discriminator"):
        for name, tensor in whole[part].items():
            assert torch.equal(tensor, halves[part][name]), f"{part} {name}"


def test_a_student_can_be_fine_tuned_without_any_teacher(tmp_path: Path) -> None:
    targets = tmp_path / "targets"
    make_targets(targets)
    start = ROOT / "training" / "checkpoints" / "hayao.safetensors"
    saved = distilled(targets, tmp_path / "out", 1, "--from", str(start), "--style", "cel")
    given = safetensors.torch.load_file(start)
    for name in ("generator.stem.weight", "encoder.to_code.weight"):
        assert torch.allclose(saved["net"][name], given[name].float(), atol=2e-3)
        assert not torch.equal(saved["net"][name], given[name].float())


def test_bad_calls_of_distil_are_said_in_one_line(tmp_path: Path) -> None:
    targets = tmp_path / "targets"
    make_targets(targets)
    for more, named in (
        (("--style", "rembrandt"), "rembrandt"),
        (("--set", "colour=red"), "colour"),
    ):
        run = distil(targets, tmp_path / "out", 1, *more)
        assert run.returncode == 2 and named in run.stderr and "Traceback" not in run.stderr
    run = distil(tmp_path, tmp_path / "out", 1)
    assert run.returncode == 1 and "no targets" in run.stderr and "Traceback" not in run.stderr


@needs_teacher
def test_the_dequantised_teacher_draws_what_its_graph_draws() -> None:
    """Real weights prove the architecture; the graph's int8 activations set how close it gets."""
    from training.published.readers import draw_with, load_animeganv2_tflite

    photo = cv2.resize(data.astronaut(), (256, 256), interpolation=cv2.INTER_AREA)
    published = of_graph(TEACHER, photo)
    agreement = {
        way: psnr_db(draw_with(load_animeganv2_tflite(TEACHER, way), photo), published)
        for way in UPSAMPLINGS
    }
    assert agreement["legacy"] > 23
    # the other two ways shift the drawing against the photo
    assert agreement["legacy"] > 3 + max(agreement["half_pixel"], agreement["align_corners"])
    stranger = draw_with(AnimeGANv2Generator().eval(), photo)
    assert agreement["legacy"] > 10 + psnr_db(stranger, published)


@needs_teacher
def test_white_box_cartoongan_draws_what_its_graph_draws() -> None:
    """No int8 here, so the two agree to the rounding of half precision."""
    from training.published.readers import load_whitebox_tflite

    path = TEACHERS / "whitebox_cartoongan_fp16.tflite"
    photo = cv2.resize(data.astronaut(), (224, 224), interpolation=cv2.INTER_AREA)
    with torch.inference_mode():
        drawn = to_picture(load_whitebox_tflite(path)(to_tensor([photo])))
    assert psnr_db(drawn, of_graph(path, photo)) > 60
    with pytest.raises(ValueError, match="White-box"):
        load_whitebox_tflite(TEACHER)


@needs_teacher
def test_cartoongan_is_read_in_its_order(tmp_path: Path) -> None:
    """Every kernel fits by shape in other orders, too; only in the right one it draws."""
    from training.published.readers import open_cartoongan

    photo = cv2.resize(data.astronaut(), (256, 256), interpolation=cv2.INTER_AREA)
    drawn = open_cartoongan(TEACHERS / "cartoongan_paprika_int8.npz")(photo)
    greys = [cv2.cvtColor(p, cv2.COLOR_RGB2GRAY).astype(float) for p in (photo, drawn)]
    assert np.corrcoef(greys[0].ravel(), greys[1].ravel())[0, 1] > 0.9
    np.savez(tmp_path / "other.npz", nothing=np.zeros(1))
    with pytest.raises(ValueError, match="CartoonGAN"):
        open_cartoongan(tmp_path / "other.npz")
