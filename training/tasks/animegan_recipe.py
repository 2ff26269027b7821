"""The settings of AnimeGAN's training, and those that were published."""

from __future__ import annotations

from dataclasses import dataclass, replace

ARCHITECTURES = {"v1": "animegan", "v2": "animeganv2"}
PRECISIONS = ("bfloat16", "float32")


@dataclass(frozen=True)
class Recipe:
    """The settings of a run, kept in its checkpoint. Defaults are AnimeGANv2's for Hayao."""

    version: str = "v2"
    upsampling: str = "half_pixel"  # of v2's generator; see its docstring
    steps: int = 56_000  # about 100 epochs of the published 6,656 photographs
    initialisation_steps: int = 5_500
    batch: int = 12
    crop_px: int = 256
    side_px: int = 320  # the shorter side of pictures in memory: a crop sees most of one
    initialisation_rate: float = 2e-4
    generator_rate: float = 2e-5
    discriminator_rate: float = 4e-5
    adversarial_weight: float = 300.0
    content_weight: float = 1.5
    style_weight: float = 2.5
    colour_weight: float = 15.0
    variation_weight: float = 1.0
    precision: str = "bfloat16"  # of convolutions; losses and weights are float32
    log_every: int = 25
    sheet_every: int = 500
    seed: int = 1

    def __post_init__(self) -> None:
        """Checks the settings.

        Raises:
            ValueError: it names a setting that cannot be.
        """
        for name, allowed in (("version", ARCHITECTURES), ("precision", PRECISIONS)):
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} is {getattr(self, name)!r}; it is {' or '.join(allowed)}")
        for name in ("steps", "batch", "log_every", "sheet_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it is at least 1")
        if self.crop_px < 32 or self.crop_px % 8:
            raise ValueError(f"crop_px is {self.crop_px}; it is a multiple of 8, at least 32")
        if self.side_px < self.crop_px:
            raise ValueError(f"side_px is {self.side_px}, less than crop_px, {self.crop_px}")


# the published weights of the losses: content, style, colour, total variation
PRESETS = {
    ("v1", "hayao"): (1.5, 3.0, 10.0, 0.0),
    ("v1", "paprika"): (1.5, 3.0, 10.0, 0.0),
    ("v1", "shinkai"): (1.1, 3.0, 10.0, 0.0),
    ("v2", "hayao"): (1.5, 2.5, 15.0, 1.0),
    ("v2", "paprika"): (2.0, 0.6, 50.0, 0.1),
    ("v2", "shinkai"): (1.2, 2.0, 10.0, 1.0),
}


def published(version: str, preset: str) -> Recipe:
    """The published settings of a version for one of its three styles."""
    content, style, colour, variation = PRESETS[version, preset]
    recipe = Recipe(
        version=version,
        content_weight=content,
        style_weight=style,
        colour_weight=colour,
        variation_weight=variation,
    )
    if version == "v2":
        return recipe
    return replace(
        recipe,
        steps=111_000,
        batch=6,
        initialisation_rate=1e-4,
        generator_rate=8e-5,
        discriminator_rate=1.6e-4,
    )
