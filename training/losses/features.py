"""The feature net of AnimeGAN's content and style losses: VGG19, or what is at hand without it.

VGG19's weights are not part of this repository. Without them the first layers of a shipped
float student serve: trained to turn photographs into drawings, they keep where contours and
areas are and have learned to leave texture out, which is what the content loss asks of its
features. They are shallow, so what a style does at large scales is told less well than by VGG19.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import safetensors
import safetensors.torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.engine.errors import WeightsMismatch
from training.losses.vgg import load_vgg19

FEATURE_STUDENT = Path(__file__).parents[1] / "checkpoints" / "cel.safetensors"
LAYERS = ("stem", "down")


class StudentFeatures(nn.Module):
    """float32 (N, 3, H, W) RGB in [-1, 1] to features (N, C, H/4, W/4), not rectified.

    H and W are multiples of 4. ``tensors`` are weights and biases of the student's generator
    by their names (``stem.weight``).

    The scales stand in for VGG19's, by measured gradients: on a photo blurred by a pixel, the
    content term pulls about half as hard as the adversarial one, style a tenth of that.
    """

    content_scale = 630.0
    style_scale = 6.1e3

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        super().__init__()
        half, quarter = (tensors[f"{name}.weight"].shape[0] for name in ("stem", "down"))
        self.stem = nn.Conv2d(12, half, 3, padding=1)
        self.down = nn.Conv2d(half, quarter, 3, stride=2, padding=1)
        self.load_state_dict(tensors)

    def forward(self, picture: Tensor) -> Tensor:
        """Features of pictures."""
        features: Tensor = self.down(F.relu(self.stem(F.pixel_unshuffle(picture, 2))))
        return features


def load_student_features(path: Path) -> StudentFeatures:
    """The first layers of a float student. Raises WeightsMismatch for any other file."""
    names = [f"{layer}.{part}" for layer in LAYERS for part in ("weight", "bias")]
    try:
        found = safetensors.torch.load_file(path)
        tensors = {name: found[f"generator.{name}"].float() for name in names}
        net = StudentFeatures(tensors)
    except (OSError, safetensors.SafetensorError) as error:
        raise WeightsMismatch(f"{path}: cannot be opened as weights: {error}") from error
    except KeyError as error:
        raise WeightsMismatch(f"{path}: not a student: {error.args[0]} is missing") from error
    except RuntimeError as error:
        raise WeightsMismatch(f"{path}: not a student of known shape: {error}") from error
    return net.eval().requires_grad_(False)


def open_features(path: Path | None) -> tuple[nn.Module, str]:
    """The feature net and a line that says what it is.

    Its ``content_scale`` and ``style_scale`` multiply the two losses, so that the published
    weights, which were found with VGG19, hold for it.

    ``path``: a float student (.safetensors), or torchvision's VGG19; None is the shipped student.
    """
    if path is None:
        return load_student_features(FEATURE_STUDENT), (
            f"features: first layers of the shipped student {FEATURE_STUDENT.stem}, in place of "
            "VGG19 (--features)"
        )
    if path.suffix == ".safetensors":
        return load_student_features(path), f"features: first layers of the student {path}"
    return load_vgg19(path), f"features: VGG19 conv4_4 from {path}"
