"""How each shipped network was trained: the stages of its training with their settings.

Settings that a stage does not name are the defaults of the task's Recipe. The manifest's histories
are compared with these plans in a test.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Stage:
    """NAME=VALUE settings of a recipe, and the step at which the next stage takes over."""

    settings: str
    until: int | None = None


@dataclass(frozen=True)
class Plan:
    """The stages of a training, one after the other.

    Attributes:
        stages: in order.
        windows: of a style or of the colouriser, how many targets are drawn; those of a smaller
            plan are the first of a larger one's.
        start: of a style, a float student of training/checkpoints that is fine-tuned.
    """

    stages: tuple[Stage, ...]
    windows: int = 0
    start: str | None = None


FINE = "learning_rate=0.0008"  # of a look that begins with what another has learned
HEADS = "learning_rate=0.0007 noise_share=0.1"
WIDE_HEADS = f"{HEADS} crop_px=320 batch=3 blocks=9"  # six underfit: train and held out alike
THINGS = "crop_px=384 batch=4 bin_weight=1 hint_share=0.35"  # of the colouriser
# the detector's last stages, with norms that keep what they have counted
SETTLED = (
    "decay_from=10500 batch=4 crop_px=384 apart=700 norms_until=8000 learning_rate=0.001 "
    "damaged=0.25 landmark_weight=4"
)
PLANS = {
    "hayao": Plan(
        (Stage("steps=7000 decay_from=4500", 5750), Stage("steps=8000 decay_from=5200")), 800
    ),
    "shinkai": Plan((Stage(f"{FINE} steps=3000 decay_from=1800"),), 800, "hayao.safetensors"),
    # from random weights, so that it is free of all networks' terms
    "cel": Plan((Stage("steps=3600 decay_from=2200"),), 500),
    # from cel, so that its terms are CartoonGAN's alone
    "paprika": Plan((Stage(f"{FINE} steps=2800 decay_from=1600"),), 500, "cel.safetensors"),
    # portrait-start is hayao, taught as portrait for 5,000 steps:
    # HEADS crop_px=320 steps=5000 decay_from=3000 adversarial_from=2800 batch=3
    "portrait": Plan(
        (Stage(f"{WIDE_HEADS} steps=4200 decay_from=1800 adversarial_from=2900"),),
        start="portrait-start.safetensors",
    ),
    # cute-start is portrait-start, taught as cute for 2,600 steps:
    # HEADS crop_px=320 steps=2600 decay_from=1400 batch=3
    "cute": Plan(
        (Stage(f"{WIDE_HEADS} steps=5000 decay_from=2200 adversarial_from=3400"),),
        start="cute-start.safetensors",
    ),
    "face_restorer": Plan(
        (Stage(f"{HEADS} steps=3600 decay_from=2200 adversarial_from=1400 batch=4"),),
        start="cute-start.safetensors",
    ),
    "colouriser": Plan(
        (
            Stage("steps=10500 decay_from=7000", 6000),
            # larger, for the size at which it is served, and more about what a thing may be
            Stage(f"steps=12500 decay_from=8500 {THINGS}", 6_544),
            Stage(f"steps=10500 decay_from=7500 {THINGS}"),
        ),
        windows=900,
    ),
    "upsampler": Plan((Stage("steps=2000"),)),
    "restorer": Plan((Stage("steps=14000 decay_from=5000"),)),
    "quality": Plan((Stage("steps=14000 decay_from=5000"),)),
    "detector": Plan(
        (
            Stage("steps=4500 batch=5 crop_px=320 apart=700", 1750),
            Stage("steps=8000 decay_from=3000 batch=5 crop_px=320 apart=700"),
            Stage(f"steps=16000 {SETTLED}", 12500),
            Stage(f"steps=20000 {SETTLED}"),
            Stage(f"steps=25000 {SETTLED} decay_from=20000 learning_rate=0.0006 score_weight=2"),
        )
    ),
    "parser": Plan(
        (
            Stage("steps=4000", 3000),
            Stage("steps=6500 spoilt=0.1", 5750),
            Stage("steps=9500 spoilt=0.1 faces=repaired"),
            Stage(
                "steps=16000 decay_from=9500 learning_rate=0.001 overlap_weight=1 spoilt=0.1 "
                "faces=repaired"
            ),
        )
    ),
}
