"""What AnimeGAN is told and shown: losses by hand, feature nets, and the data."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from skimage import data

torch = pytest.importorskip("torch", reason="torch's CPU wheel is not installed")

from training.data.animegan import AnimeData, mean_shift, smooth_edges  # noqa: E402
from training.data.photographs import read_rgb, resize  # noqa: E402
from training.engine.errors import UnreadablePicture, WeightsMismatch  # noqa: E402
from training.losses.animegan import (  # noqa: E402
    colour_loss,
    content_loss,
    discriminator_loss,
    generator_loss,
    gram,
    grey_style_loss,
    to_yuv,
    total_variation_loss,
)
from training.losses.features import FEATURE_STUDENT, open_features  # noqa: E402
from training.losses.vgg import Vgg19Features, load_vgg19  # noqa: E402


def test_adversarial_losses_by_hand() -> None:
    anime, grey = torch.tensor([0.5, 1.0]), torch.tensor([1.0, 0.0])
    smooth, drawn = torch.tensor([2.0, 0.0]), torch.tensor([0.0, 0.6])
    # mean (0.25, 0) + mean (1, 0) + mean (0, 0.36) + a tenth of mean (4, 0)
    loss = discriminator_loss(anime, grey, smooth, drawn)
    assert loss.item() == pytest.approx(0.125 + 0.5 + 0.18 + 0.1 * 2)
    assert generator_loss(drawn).item() == pytest.approx((1 + 0.16) / 2)


def test_content_and_style_by_hand() -> None:
    one = torch.tensor([[[[1.0, 2.0]], [[3.0, 0.0]]]])  # two channels of two pixels
    other = torch.tensor([[[[1.0, 0.0]], [[0.0, 0.0]]]])
    assert content_loss(one, other).item() == pytest.approx((0 + 2 + 3 + 0) / 4)
    assert (gram(one) * 4).tolist() == [[[5, 3], [3, 9]]]
    assert (gram(other) * 4).tolist() == [[[1, 0], [0, 0]]]
    assert grey_style_loss(one, other).item() == pytest.approx((4 + 3 + 3 + 9) / 4 / 4)


def test_style_does_not_see_where_things_are() -> None:
    features = torch.rand(1, 5, 8, 12)
    moved = features.flip(3).roll(3, 2)
    assert grey_style_loss(features, moved).item() == pytest.approx(0, abs=1e-6)
    assert content_loss(features, moved).item() > 0.1


def test_colours_by_hand() -> None:
    black, white = -torch.ones(1, 3, 2, 2), torch.ones(1, 3, 2, 2)
    red = torch.tensor([1.0, -1.0, -1.0]).view(1, 3, 1, 1).expand(1, 3, 2, 2)
    assert to_yuv(white)[0, :, 0, 0].tolist() == pytest.approx([1, 0, 0], abs=1e-6)
    y, u, v = 0.299, -0.14714119, 0.61497538
    assert to_yuv(red)[0, :, 0, 0].tolist() == pytest.approx([y, u, v])
    assert colour_loss(black, white).item() == pytest.approx(1, abs=1e-5)
    # Huber under its delta of 1 is half the square
    assert colour_loss(black, red).item() == pytest.approx(y + (u * u + v * v) / 2, abs=1e-5)
    assert colour_loss(red, red).item() == 0


def test_total_variation_by_hand() -> None:
    picture = torch.zeros(1, 1, 2, 3)
    picture[0, 0, 0] = torch.tensor([0.0, 1.0, 1.0])
    # down: (0, 1, 1) squared over 3; across: one step of 1 in 4
    assert total_variation_loss(picture).item() == pytest.approx((2 / 3 + 1 / 4) / 2)


def test_vgg19_is_that_of_torchvision_up_to_conv4_4() -> None:
    net = Vgg19Features()
    shapes = {name: tuple(tensor.shape) for name, tensor in net.state_dict().items()}
    places = {0: 3, 2: 64, 5: 64, 7: 128, 10: 128, 12: 256, 14: 256, 16: 256, 19: 256}
    places |= {21: 512, 23: 512, 25: 512}  # index in torchvision's features: input channels
    assert {int(name.split(".")[1]) for name in shapes} == set(places)
    assert all(shapes[f"features.{place}.weight"][1] == inputs for place, inputs in places.items())
    assert sum(math.prod(shape) for shape in shapes.values()) == 10_585_152
    with torch.inference_mode():
        features = net(torch.zeros(1, 3, 32, 48))
    assert features.shape == (1, 512, 4, 6)
    assert features.min() < 0  # before the activation


def test_vgg19_sees_levels_less_the_mean() -> None:
    """With one tap in every layer the net gives its input back, scaled to [0, 255] less mean."""
    net = Vgg19Features()
    with torch.no_grad():
        for name, tensor in net.named_parameters():
            tensor.zero_()
            if name.endswith("weight"):
                tensor[0, 0, 1, 1] = 1
        white = net(torch.ones(1, 3, 16, 16))[0, 0, 0, 0].item()
    assert white == pytest.approx((1 - 0.485) / 0.229)
    assert white * net.content_scale == pytest.approx(255 * (1 - 0.485), rel=0.02)
    assert net.style_scale == pytest.approx(net.content_scale**2)


def test_vgg19_loads_by_path_and_names_what_does_not_fit(tmp_path: Path) -> None:
    path = tmp_path / "vgg19.pth"
    torch.manual_seed(0)
    tensors = Vgg19Features().state_dict()
    torch.save(tensors | {"classifier.0.weight": torch.zeros(3)}, path)
    net, about = open_features(path)
    assert str(path) in about and "VGG19" in about
    for name, tensor in net.state_dict().items():
        assert torch.equal(tensor, tensors[name])
    assert not any(parameter.requires_grad for parameter in net.parameters())

    damaged = {name: t for name, t in tensors.items() if name != "features.25.bias"}
    damaged["features.2.weight"] = torch.zeros(64, 3, 3, 3)
    torch.save(damaged, path)
    with pytest.raises(WeightsMismatch) as caught:
        load_vgg19(path)
    assert "features.25.bias is missing" in str(caught.value)
    assert "features.2.weight is (64, 3, 3, 3), not (64, 64, 3, 3)" in str(caught.value)


class Intruder:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (print, ("code of a pickle ran",))


def test_a_pickle_with_code_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"features.0.weight": Intruder()}, tmp_path / "evil.pth")
    with pytest.raises(WeightsMismatch, match=r"evil\.pth"):
        load_vgg19(tmp_path / "evil.pth")
    assert "ran" not in capsys.readouterr().out


def test_without_vgg19_the_students_first_layers_are_the_features(tmp_path: Path) -> None:
    net, about = open_features(None)
    assert "cel" in about and "VGG19" in about
    photo = torch.rand(1, 3, 32, 48, generator=torch.Generator().manual_seed(0)) * 2 - 1
    features = net(photo.requires_grad_())
    assert features.shape == (1, 64, 8, 12)
    features.sum().backward()
    assert photo.grad is not None and photo.grad.abs().sum() > 0
    again, _ = open_features(FEATURE_STUDENT)
    assert torch.equal(again(photo), features)
    path = tmp_path / "other.safetensors"
    path.write_bytes(b"no tensors")
    with pytest.raises(WeightsMismatch, match="other"):
        open_features(path)


def test_the_students_features_are_what_the_student_computes() -> None:
    import safetensors.torch

    from pipeline.architectures.student import StudentGenerator, StudentShape

    tensors = safetensors.torch.load_file(FEATURE_STUDENT)
    student = StudentGenerator(StudentShape())
    prefix = "generator."
    student.load_state_dict(
        {n.removeprefix(prefix): t.float() for n, t in tensors.items() if n.startswith(prefix)}
    )
    seen = []
    student.down.register_forward_hook(lambda module, inputs, output: seen.append(output))
    photo = torch.rand(1, 3, 32, 48) * 2 - 1
    with torch.inference_mode():
        student(photo, torch.ones(1, StudentShape().code_length, 1, 1))
        features = open_features(None)[0](photo)
    assert torch.allclose(features, seen[0], atol=1e-5)


def test_edge_smoothing_touches_pixels_near_edges_only() -> None:
    grey = np.full((60, 90), 90, np.uint8)
    grey[:, 45:] = 180
    noisy = grey + np.random.default_rng(0).integers(0, 6, grey.shape, np.uint8)  # under Canny's
    smooth = smooth_edges(noisy)
    columns = np.flatnonzero((smooth != noisy).any(axis=0))
    assert columns.min() >= 45 - 3 and columns.max() <= 45 + 3 and len(columns) >= 4
    steepest = [np.abs(np.diff(p[30].astype(int))).max() for p in (noisy, smooth)]
    assert steepest[1] < 0.6 * steepest[0]
    near = cv2.dilate(cv2.Canny(noisy, 100, 200), np.ones((5, 5), np.uint8)) > 0
    blurred = cv2.GaussianBlur(noisy, (5, 5), 0)
    np.testing.assert_array_equal(smooth[near], blurred[near])
    np.testing.assert_array_equal(smooth[~near], noisy[~near])


def test_the_mean_shift_makes_the_data_grey_on_average() -> None:
    pictures = [data.chelsea(), data.astronaut()[:100]]
    shift = mean_shift(pictures)
    means = np.mean([p.mean((0, 1)) for p in pictures], axis=0)
    assert np.ptp(means) > 5 and np.ptp(means + shift) < 1e-3
    assert shift.sum() == pytest.approx(0, abs=1e-3)


def test_pictures_are_resized_in_proportion() -> None:
    picture = data.chelsea()  # 451x300
    assert resize(picture, 1.0) is picture
    assert resize(picture, 0.5).shape == (150, 226, 3)
    assert resize(picture, 2.0).shape == (600, 902, 3)
    assert resize(picture, 0.5, multiple_px=8).shape == (144, 224, 3)
    assert resize(np.zeros((10, 1000, 3), np.uint8), 0.1, min_px=8).shape == (8, 100, 3)


def write_data(folder: Path) -> tuple[Path, Path]:
    photos, style = folder / "photos", folder / "style"
    (photos / "deeper").mkdir(parents=True)
    style.mkdir()
    Image.fromarray(data.astronaut()[:120, :100]).save(photos / "a.jpg", quality=95)
    Image.fromarray(data.chelsea()[:90, :140]).convert("L").save(photos / "deeper" / "b.png")
    Image.fromarray(data.chelsea()).convert("RGBA").save(style / "c.png")
    (photos / "notes.txt").write_text("not looked at")
    return photos, style


def test_batches_depend_on_seed_and_step_alone(tmp_path: Path) -> None:
    photos, style = write_data(tmp_path)
    one, other = (AnimeData(photos, style, 64, 80) for _ in range(2))
    assert len(one.photos) == 2 and {min(p.shape[:2]) for p in one.photos} == {80}
    other.batch(3, (1, 4), True)  # what was drawn before does not matter
    batches = [d.batch(3, (1, 5), True) for d in (one, other)]
    for name in ("photo", "anime", "grey", "smooth"):
        first, second = (getattr(batch, name) for batch in batches)
        assert torch.equal(first, second) and first.shape == (3, 3, 64, 64)
    assert not torch.equal(batches[0].photo, one.batch(3, (1, 6), True).photo)
    assert not torch.equal(batches[0].photo, one.batch(3, (2, 5), True).photo)


def test_grey_and_smooth_frames_are_of_the_same_crop_as_the_anime(tmp_path: Path) -> None:
    photos, style = write_data(tmp_path)
    frames = AnimeData(photos, style, 64, 80)
    batch = frames.batch(2, (7, 0), shift_colours=False)
    weights = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    wanted = (batch.anime * weights).sum(1, keepdim=True)
    assert (batch.grey - wanted).abs().max() < 1.5 / 127.5
    for plane in (1, 2):
        assert torch.equal(batch.grey[:, 0], batch.grey[:, plane])
        assert torch.equal(batch.smooth[:, 0], batch.smooth[:, plane])
    differs = batch.grey != batch.smooth
    assert 0 < differs.float().mean() < 0.9

    shifted = frames.batch(2, (7, 0), shift_colours=True)
    moved = (shifted.anime - batch.anime).amax((0, 2, 3)) * 127.5
    assert moved.numpy() == pytest.approx(frames.mean_shift, abs=1e-3)
    assert torch.equal(shifted.grey, batch.grey)


def test_a_photo_is_turned_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    Image.fromarray(data.chelsea()).save(tmp_path / "turned.jpg", exif=exif)
    assert read_rgb(tmp_path / "turned.jpg").shape == (451, 300, 3)
    with pytest.raises(UnreadablePicture, match=r"absent\.png"):
        read_rgb(tmp_path / "absent.png")
