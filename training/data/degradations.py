"""What spoils photographs, made on purpose: blur, resizing, darkness, noise, JPEG; twice over.

After X. Wang et al., "Real-ESRGAN", ICCVW 2021 (second-order degradation) and K. Zhang et al.,
"Designing a practical degradation model", ICCV 2021. What was done comes back in the units that
the restorer is told and the quality model predicts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.domain import RgbImage
from pipeline.light import brighten, to_linear, to_srgb

FloatPicture = NDArray[np.float32]
KINDS = ("clean", "blur", "resize", "noise", "jpeg", "dark", "mixed")
SHARES = (0.14, 0.14, 0.06, 0.14, 0.10, 0.10, 0.32)  # how often each is sampled
MIN_SIDE_PX = 8

# A picture reduced f times and enlarged again is nearest (in L1, over six portraits and all
# pairs of ways) to one blurred by a Gaussian of 0.45 sqrt(f^2 - 1) px.
RESIZE_BLUR = 0.45


@dataclass(frozen=True)
class Damage:
    """What a photo suffers from, in all.

    Attributes:
        blur_px: sigma of the Gaussian with the same spread.
        noise: standard deviation in grey levels, as it stands in the result.
        jpeg_quality: the lowest that it went through; 100 is none.
        exposure_stops: how much too bright it is, negative for a dark one.
    """

    blur_px: float = 0.0
    noise: float = 0.0
    jpeg_quality: float = 100.0
    exposure_stops: float = 0.0


@dataclass
class Film:
    """A picture on its way, and the noise that is in it, float32 (H, W, 3) of 0..255.

    The noise goes the same way, so that its strength is known at the end.
    """

    picture: FloatPicture
    noise: FloatPicture
    blur_variance_px2: float = 0.0
    jpeg_quality: float = 100.0
    exposure_stops: float = 0.0

    @property
    def damage(self) -> Damage:
        """What was done to it so far."""
        noise = float(self.noise.std()) if self.noise.any() else 0.0
        blur = math.sqrt(self.blur_variance_px2)
        return Damage(blur, noise, self.jpeg_quality, self.exposure_stops)


class Step(Protocol):
    """One thing that happens to a picture, in place."""

    def apply(self, film: Film, random: np.random.Generator) -> None:
        """Does it to the film, in place."""


@dataclass(frozen=True)
class Blur:
    """A blur of the spread of a Gaussian of ``sigma_px``.

    ``kind``: gaussian, motion (an even line at ``angle`` in degrees) or defocus (an even disc).
    """

    sigma_px: float
    kind: str = "gaussian"
    angle: float = 0.0

    def apply(self, film: Film, random: np.random.Generator) -> None:
        """Does it to the film, in place."""
        kernel = self.kernel()
        for plane in (film.picture, film.noise):
            plane[:] = cv2.filter2D(plane, -1, kernel, borderType=cv2.BORDER_REFLECT_101)
        film.blur_variance_px2 += self.sigma_px**2

    def kernel(self) -> FloatPicture:
        """(K, K), sums to 1; smooth at any size, so that small blurs differ, too."""
        if self.kind == "gaussian":
            line = cv2.getGaussianKernel(2 * math.ceil(3 * self.sigma_px) + 1, self.sigma_px)
            return (line @ line.T).astype(np.float32)
        # what falls on a pixel is spread over it already: a variance of 1/12
        sigma = math.sqrt(max(0.01, self.sigma_px**2 - 1 / 12))
        # the mean of a line's variances along and across it, and a disc's along any axis
        length, radius = math.sqrt(24) * sigma, 2 * sigma
        reach = math.ceil(max(length / 2, radius)) + 1
        fine = (np.arange(-reach * 5 - 2, reach * 5 + 3) / 5).astype(np.float32)
        x, y = np.meshgrid(fine, fine)
        if self.kind == "defocus":
            inside = x * x + y * y <= radius * radius
        else:
            cosine, sine = math.cos(math.radians(self.angle)), math.sin(math.radians(self.angle))
            along, across = x * cosine + y * sine, y * cosine - x * sine
            inside = (np.abs(along) <= length / 2) & (np.abs(across) <= 0.3)
        side = 2 * reach + 1
        kernel = inside.astype(np.float32).reshape(side, 5, side, 5).mean((1, 3))
        return kernel / kernel.sum()


@dataclass(frozen=True)
class Resize:
    """Down to ``1 / factor`` of the size and up again, by two ways of OpenCV's."""

    factor: float
    down: int = cv2.INTER_AREA
    up: int = cv2.INTER_CUBIC

    def apply(self, film: Film, random: np.random.Generator) -> None:
        """Does it to the film, in place."""
        height, width = film.picture.shape[:2]
        small = [max(MIN_SIDE_PX, round(side / self.factor)) for side in (width, height)]
        for plane in (film.picture, film.noise):
            reduced = cv2.resize(plane, small, interpolation=self.down)
            plane[:] = cv2.resize(reduced, (width, height), interpolation=self.up)
        film.blur_variance_px2 += RESIZE_BLUR**2 * max(0.0, self.factor**2 - 1)


@dataclass(frozen=True)
class Noise:
    """Gaussian noise of ``sigma`` grey levels.

    With ``poisson`` the noise of counted photons, of ``sigma`` at white and less in the dark;
    with ``grey`` the same in all three colours.
    """

    sigma: float
    poisson: bool = False
    grey: bool = False

    def apply(self, film: Film, random: np.random.Generator) -> None:
        """Does it to the film, in place."""
        noisy = np.clip(film.picture + film.noise, 0, 255)
        grain = random.standard_normal(noisy.shape, dtype=np.float32)
        if self.grey:
            grain[:] = grain[..., :1]
        if self.poisson:
            photons = (255 / self.sigma) ** 2  # at white
            light = noisy.mean(2, keepdims=True) if self.grey else noisy
            if photons > 1000:  # the normal law is near enough, and fast
                grain *= self.sigma * np.sqrt(light / 255)
            else:
                counted = random.poisson(light / 255 * photons).astype(np.float32)
                grain[:] = counted * (255 / photons) - light
        else:
            grain *= self.sigma
        film.noise += grain


@dataclass(frozen=True)
class Jpeg:
    """Through a JPEG file of that quality; artefacts count as part of the picture."""

    quality: int

    def apply(self, film: Film, random: np.random.Generator) -> None:
        """Does it to the film, in place."""
        pixels = develop(film)[..., ::-1]
        _, content = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, self.quality])
        decoded: Any = cv2.imdecode(content, cv2.IMREAD_COLOR)
        film.picture[:] = decoded[..., ::-1].astype(np.float32) - film.noise
        film.jpeg_quality = min(film.jpeg_quality, float(self.quality))


@dataclass(frozen=True)
class Darken:
    """Less light by ``stops``, in linear light."""

    stops: float

    def apply(self, film: Film, random: np.random.Generator) -> None:
        """Does it to the film, in place."""

        def dark(pixels: FloatPicture) -> FloatPicture:
            return to_srgb(to_linear(pixels) * np.float32(2**-self.stops))

        _through(film, dark)
        film.exposure_stops -= self.stops


@dataclass(frozen=True)
class Brighten:
    """What the pipeline does to a dark photo: its noise grows with it."""

    stops: float

    def apply(self, film: Film, random: np.random.Generator) -> None:
        """Does it to the film, in place."""

        def bright(pixels: FloatPicture) -> FloatPicture:
            whole = np.clip(pixels + 0.5, 0, 255).astype(np.uint8)
            return brighten(whole, self.stops).astype(np.float32)

        _through(film, bright)
        film.exposure_stops += self.stops


def _through(film: Film, tone: Callable[[FloatPicture], FloatPicture]) -> None:
    """A change of tone, under which the noise is the difference with and without."""
    noisy, plain = (tone(np.clip(p, 0, 255)) for p in (film.picture + film.noise, film.picture))
    film.picture[:], film.noise[:] = plain, noisy - plain


def develop(film: Film) -> RgbImage:
    """uint8 (H, W, 3)."""
    return np.clip(film.picture + film.noise + 0.5, 0, 255).astype(np.uint8)


def degrade(
    photo: RgbImage, steps: Sequence[Step], seed: int | tuple[int, ...]
) -> tuple[RgbImage, Damage]:
    """Does steps to a photo, the same for the same seed.

    Args:
        photo: uint8 (H, W, 3) RGB.
        steps: what happens to it, in order; none gives the photo itself.
        seed: of the noise.

    Returns:
        A photo of the same size, and its damage.
    """
    random = np.random.default_rng(seed)
    film = Film(photo.astype(np.float32), np.zeros(photo.shape, np.float32))
    for step in steps:
        step.apply(film, random)
    return develop(film), film.damage


def sample_kind(random: np.random.Generator) -> str:
    """One of KINDS, as often as SHARES say."""
    return KINDS[random.choice(len(KINDS), p=SHARES)]


def sample_steps(kind: str, random: np.random.Generator) -> list[Step]:
    """Steps of one kind: none, one of its name, or for "mixed" a chain of two rounds.

    Of the chain each thing may be left out.

    Raises:
        KeyError: the kind is not of KINDS.
    """
    match kind:
        case "clean":
            return []
        case "blur":
            return [_blur(random, 0.5, 4.0)]
        case "resize":
            return [_resize(random, 4.0)]
        case "noise":
            return [_noise(random, 2, 40)]
        case "jpeg":
            return [_jpeg(random)]
        case "dark":
            steps: list[Step] = [Darken(float(random.uniform(1.0, 3.5))), _noise(random, 1, 8)]
            return [*steps, _jpeg(random)] if random.random() < 0.5 else steps
        case "mixed":
            return _chain(random)
    raise KeyError(kind)


def brightening(steps: Sequence[Step]) -> list[Step]:
    """What the pipeline does to a photo that steps have darkened: one step, or none."""
    stops = sum(step.stops for step in steps if isinstance(step, Darken))
    return [Brighten(stops)] if stops else []


def _chain(random: np.random.Generator) -> list[Step]:
    chance = random.random(9)
    steps: list[Step] = []
    if chance[0] < 0.75:
        steps.append(_blur(random, 0.4, 3.0))
    if chance[1] < 0.15:
        steps += [Darken(float(random.uniform(0.7, 2.5))), _noise(random, 1, 8)]
    if chance[2] < 0.35:
        steps.append(_resize(random, 3.0))
    if chance[3] < 0.7:
        steps.append(_noise(random, 1, 25))
    if chance[4] < 0.5:
        steps.append(_jpeg(random))
    if chance[5] < 0.5:  # the second round, weaker
        if chance[6] < 0.4:
            steps.append(_blur(random, 0.3, 1.2))
        if chance[7] < 0.3:
            steps.append(_resize(random, 2.0))
        if chance[8] < 0.4:
            steps.append(_noise(random, 1, 10))
        steps.append(_jpeg(random))
    return steps


def log_uniform(random: np.random.Generator, least: float, most: float) -> float:
    """A number whose logarithm is as often anywhere between the limits'."""
    return float(np.exp(random.uniform(np.log(least), np.log(most))))


def _blur(random: np.random.Generator, least_px: float, most_px: float) -> Blur:
    kind = ("gaussian", "motion", "defocus")[random.choice(3, p=(0.6, 0.2, 0.2))]
    return Blur(log_uniform(random, least_px, most_px), kind, float(random.uniform(0, 180)))


def _resize(random: np.random.Generator, most: float) -> Resize:
    down = (cv2.INTER_AREA, cv2.INTER_LINEAR, cv2.INTER_CUBIC)[random.integers(3)]
    up = (cv2.INTER_LINEAR, cv2.INTER_CUBIC)[random.integers(2)]
    return Resize(float(random.uniform(1.2, most)), down, up)


def _noise(random: np.random.Generator, least: float, most: float) -> Noise:
    sigma = log_uniform(random, least, most)
    return Noise(sigma, bool(random.random() < 0.4), bool(random.random() < 0.3))


def _jpeg(random: np.random.Generator) -> Jpeg:
    return Jpeg(int(random.integers(25, 91)))
