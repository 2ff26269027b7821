"""The published networks that training and the comparison use: shapes, counts, first state."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="torch's CPU wheel is not installed")

from torch import nn  # noqa: E402

from pipeline.architectures.animegan import AnimeGANGenerator  # noqa: E402
from training.architectures.cartoongan import CartoonGANGenerator  # noqa: E402
from training.architectures.discriminators import AnimeDiscriminator  # noqa: E402


def parameters(net: nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())


def convolution(inputs: int, outputs: int, kernel: int = 3) -> int:
    """Weights of a convolution without bias, and gain and shift of the norm behind it."""
    return kernel * kernel * inputs * outputs + 2 * outputs


def separable(inputs: int, outputs: int) -> int:
    return 9 * inputs + inputs * outputs + 2 * outputs


def test_animegans_generator_has_the_parameters_of_its_description() -> None:
    inverted = convolution(256, 512, 1) + (9 * 512 + 2 * 512) + convolution(512, 256, 1)
    by_hand = (
        convolution(3, 64) + convolution(64, 64) + 2 * separable(64, 128)  # b1
        + convolution(128, 128) + separable(128, 128) + 2 * separable(128, 256)  # b2
        + 2 * convolution(256, 256) + 8 * inverted  # m
        + separable(256, 128) + separable(128, 128) + convolution(128, 128)  # u2
        + separable(128, 128) + convolution(128, 64) + convolution(64, 64)  # u1
        + 64 * 3  # out
    )  # fmt: skip
    assert parameters(AnimeGANGenerator()) == by_hand == 3_956_096


def test_the_discriminator_has_the_parameters_of_its_description() -> None:
    by_hand = (
        9 * 3 * 32
        + 9 * 32 * 64 + convolution(64, 128)
        + 9 * 128 * 128 + convolution(128, 256)
        + convolution(256, 256) + 9 * 256
    )  # fmt: skip
    for norm in ("instance", "layer"):
        assert parameters(AnimeDiscriminator(norm)) == by_hand == 1_128_800


def test_cartoongans_generator_has_the_parameters_of_its_description() -> None:
    by_hand = (
        convolution(3, 64, 7) + 64
        + (9 * 64 * 128 + 128) + (convolution(128, 128) + 128)
        + (9 * 128 * 256 + 256) + (convolution(256, 256) + 256)
        + 16 * (convolution(256, 256) + 256)
        + (9 * 256 * 128 + 128) + (convolution(128, 128) + 128)
        + (9 * 128 * 64 + 64) + (convolution(64, 64) + 64)
        + (49 * 64 * 3 + 3)
    )  # fmt: skip
    assert parameters(CartoonGANGenerator()) == by_hand == 11_129_667


@pytest.mark.parametrize("make", [AnimeGANGenerator, CartoonGANGenerator])
def test_a_drawing_has_the_shape_of_its_photo(make: type[nn.Module]) -> None:
    torch.manual_seed(0)
    with torch.inference_mode():
        drawing = make()(torch.rand(2, 3, 24, 40) * 2 - 1)
    assert drawing.shape == (2, 3, 24, 40)
    assert drawing.abs().max() <= 1 and drawing.std() > 0


@pytest.mark.parametrize(
    ("norm", "kind", "other"),
    [("instance", nn.InstanceNorm2d, nn.GroupNorm), ("layer", nn.GroupNorm, nn.InstanceNorm2d)],
)
def test_the_discriminator_normalises_as_it_is_told(
    norm: str, kind: type[nn.Module], other: type[nn.Module]
) -> None:
    net = AnimeDiscriminator(norm)
    assert sum(isinstance(module, kind) for module in net.modules()) == 3
    assert not any(isinstance(module, other) for module in net.modules())
    with torch.inference_mode():
        assert net(torch.zeros(1, 3, 32, 48)).shape == (1, 1, 8, 12)
    with pytest.raises(ValueError, match="batch"):
        AnimeDiscriminator("batch")


def test_every_convolution_of_the_discriminator_has_spectral_norm_one() -> None:
    torch.manual_seed(0)
    net = AnimeDiscriminator("layer", channels=8)
    with torch.no_grad():
        for _ in range(30):  # one power iteration each
            net(torch.rand(1, 3, 16, 16))
    convolutions = [module for module in net.modules() if isinstance(module, nn.Conv2d)]
    assert len(convolutions) == 7
    net.eval()
    for module in convolutions:
        norm = torch.linalg.matrix_norm(module.weight.flatten(1), 2)
        assert norm.item() == pytest.approx(1, abs=0.05)
        assert module.bias is None


def test_layer_norm_spans_the_picture_and_instance_norm_a_channel() -> None:
    """A change of scale of one channel's weights is undone by instance norm alone."""
    torch.manual_seed(0)
    picture = torch.rand(1, 3, 32, 32)
    for norm, unchanged in (("instance", True), ("layer", False)):
        net = AnimeDiscriminator(norm).eval()
        behind = net.layers[4]  # the convolution in front of the first norm
        assert isinstance(behind, nn.Conv2d)
        weight = behind.weight.detach().clone()
        nn.utils.parametrize.remove_parametrizations(behind, "weight")
        with torch.no_grad():
            behind.weight.copy_(1000 * weight)  # large: the norm's epsilon does not count
            before = net.layers[:6](picture)
            behind.weight[0] *= 3
            after = net.layers[:6](picture)
        assert torch.allclose(before, after, atol=1e-3) == unchanged
