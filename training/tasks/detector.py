"""Trains the face detector on what RetinaFace answers for every prior of a picture.

    python -m training.tasks.detector --data ../shared/data --teachers ../shared/teachers \\
        --output .cache/runs/detector --set steps=5000

The teacher sees each picture clean, the student sometimes blurred, noisy or dark. It starts from
random weights. At first each of its blocks learns by itself, from what the teacher's block was
given, to make what that made (so each is a shallow net, which learns quickly); then all of it
together. Learned are the outputs of the blocks and the answers: the score of every prior, boxes
and landmarks where the teacher sees a face. Run again with the same --output, it continues from
the last checkpoint and ends where one run would have; the random numbers of a step depend on the
seed and the step alone.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy, smooth_l1_loss

from pipeline.architectures.detector import Detector, DetectorShape
from pipeline.architectures.retinaface import MEAN, PRIORS
from pipeline.domain import RgbImage
from training.data.detector import draw_damaged, draw_picture, face_photographs
from training.data.tensors import to_tensor
from training.engine.checkpoint import follow, resume, save, twin
from training.engine.errors import LossNotFinite
from training.engine.recipe import changed
from training.metrics.detection import Found, agreement, found_in, held_out_pictures
from training.published.readers import retinaface_nodes
from training.tasks.student import learning_rate

TEACHER = "retinaface_mobilenet025.onnx"
SETTLED_ON = 100  # batches
SCALED_ON = 3000  # the step whose pictures, and those of some after it, set the scales
Array = NDArray[np.float32]
Pictures = Mapping[str, Sequence[RgbImage]]  # by kind


@dataclass(frozen=True)
class Recipe:
    """The settings of a run, kept in its checkpoint."""

    steps: int = 5000
    batch: int = 6
    crop_px: int = 448
    learning_rate: float = 2e-3
    warmup_steps: int = 100
    decay_from: int = 1500  # constant learning rate before, cosine to zero after
    average_decay: float = 0.998  # of the exponential moving average that is exported
    damaged: float = 0.4  # share of the pictures that the student sees spoilt
    norms_until: int = 1_000_000  # step from which the norms keep what they have counted
    apart: int = 800  # steps in which the blocks learn each by itself
    stage_weight: float = 1.0  # of the outputs of the three stages
    feature_weight: float = 1.0
    face_emphasis: float = 20.0  # how much more a place with a face counts among the features
    score_weight: float = 1.0
    box_weight: float = 1.0
    landmark_weight: float = 2.0
    held_out_scenes: int = 80
    seed: int = 1


class Teacher:
    """The published RetinaFace, as an ONNX graph that also tells what it saw on its way."""

    def __init__(self, path: Path) -> None:
        model = onnx.load(path)
        nodes = retinaface_nodes(model.graph)
        readers = [f"fpn.output{level}.0" for level in (1, 2, 3)]
        readers += [f"BboxHead.{level}.conv1x1" for level in range(3)]
        on_the_way = [nodes[name].input[0] for name in readers]
        self.outputs = [output.name for output in model.graph.output] + on_the_way
        for name in on_the_way:
            model.graph.output.append(onnx.ValueInfoProto(name=name))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        self._input = self._session.get_inputs()[0].name

    def __call__(self, pictures: Sequence[RgbImage]) -> tuple[Array, list[Array]]:
        """Pictures of one size, uint8 (H, W, 3) RGB, to answers (N, P, 15) as the student gives
        them; and what the blocks make, of strides 8, 16 and 32: the three stages, then the
        features. Its activations have a slope of 0.1 below zero; ours have none, so it is cut off.
        """
        mean = np.array(MEAN, np.float32)
        planes = (np.stack(pictures)[..., ::-1] - mean).transpose(0, 3, 1, 2)
        boxes, classes, landmarks, *blocks = self._session.run(
            self.outputs, {self._input: np.ascontiguousarray(planes)}
        )
        answers = np.concatenate([boxes, classes[..., 1:], landmarks], 2)
        return answers, [np.maximum(block, 0) for block in blocks]


def batch(
    lists: dict[str, list[Path]], recipe: Recipe, step: int
) -> tuple[list[RgbImage], list[RgbImage]]:
    """The clean pictures of one step, and the same as the student sees them."""
    size = (recipe.crop_px, recipe.crop_px)
    seeds = [(recipe.seed, step, n) for n in range(recipe.batch)]
    clean = [draw_picture(lists, size, seed) for seed in seeds]
    seen = [draw_damaged(one, recipe.damaged, seed) for one, seed in zip(clean, seeds, strict=True)]
    return clean, seen


def feature_loss(made: Tensor, wanted: Tensor, scale: Tensor, seen: Tensor) -> Tensor:
    """Mean absolute difference of (N, C, H, W) in units of each channel's ``scale``, weighted by
    ``seen`` (N, 1, H, W).
    """
    return ((made - wanted).abs() / scale * seen).mean() / seen.mean()


def emphasis(score: Tensor, sides: Sequence[torch.Size], weight: float) -> list[Tensor]:
    """(N, 1, H, W) by level: 1 and ``weight`` times the highest of the scores (N, P) there."""
    found, first = [], 0
    for count, _, height, width in sides:
        places = PRIORS * height * width
        level = score[:, first : first + places].reshape(count, 1, height, width, PRIORS)
        found.append(1 + weight * level.amax(4))
        first += places
    return found


def answer_losses(made: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of (N, P, 15) both: the scores' cross-entropy, weighted by how far off they are; and the
    boxes' and landmarks' errors in units of the deltas, weighted by the teacher's score.
    """
    score, target = made[..., 4].clamp(1e-6, 1 - 1e-6), wanted[..., 4]
    off = (score.detach() - target).abs()
    entropy = binary_cross_entropy(score, target, reduction="none") * off
    faces = torch.where(target > 0.1, target, 0)
    count = faces.sum() + 1

    def regression(part: slice, beta: float) -> Tensor:
        errors = smooth_l1_loss(made[..., part], wanted[..., part], beta=beta, reduction="none")
        return (errors.mean(2) * faces).sum() / count

    return entropy.sum() / count, regression(slice(4), 0.1), regression(slice(5, None), 0.05)


def scales_of(teacher: Teacher, lists: dict[str, list[Path]], recipe: Recipe) -> list[Tensor]:
    """(1, C, 1, 1), of what each block makes: the root mean square of each channel over some
    pictures.
    """
    squares: list[list[Array]] = [[] for _ in range(6)]
    for n in range(8):
        _, blocks = teacher(batch(lists, recipe, SCALED_ON + n)[0])
        for level, made in zip(squares, blocks, strict=True):
            level.append(np.square(made).mean((0, 2, 3), keepdims=True))
    return [torch.from_numpy(np.sqrt(np.mean(level, 0)) + 1e-2) for level in squares]


def found_by(net: Detector, pictures: Pictures) -> dict[str, list[Found]]:
    """What the torch module finds in pictures whose sides are multiples of 32."""

    def found(picture: RgbImage) -> Found:
        with torch.inference_mode():
            return found_in(net(to_tensor([picture]))[0].numpy(), picture)

    return {kind: [found(one) for one in ones] for kind, ones in pictures.items()}


def found_by_teacher(teacher: Teacher, pictures: Pictures) -> dict[str, list[Found]]:
    """What the teacher finds in them."""
    return {
        kind: [found_in(teacher([one])[0][0], one) for one in ones]
        for kind, ones in pictures.items()
    }


def blocks_of(
    net: Detector, seen: Tensor, taught: list[Tensor] | None
) -> tuple[list[Tensor], list[Tensor]]:
    """What the blocks make of pictures (N, 3, H, W), as Teacher has it; and the features that
    are to be read. With ``taught`` each block is given what the teacher's blocks before it made.
    """
    with torch.autocast("cpu", torch.bfloat16):
        fine = net.seen(seen)
        given = taught or [fine]
        middle = net.halved(given[0])
        given = taught or [fine, middle]
        coarse = net.quartered(given[1])
        given = taught or [fine, middle, coarse]
        features = net.features(*given[:3])
    # the answers are read in float: landmarks are wanted to a fraction of a pixel
    made = [block.float() for block in (fine, middle, coarse, *features)]
    return made, taught[3:] if taught else made[3:]


def norms_of(net: Detector) -> list[nn.BatchNorm2d]:
    return [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]


def settle(net: Detector, batches: Iterable[Tensor]) -> None:
    """Counts the statistics of the batch normalisation anew, as the mean over all ``batches``
    (N, 3, H, W): those of the last few steps go up and down with their faces.
    """
    for norm in norms_of(net):
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean
    net.train()
    with torch.no_grad():
        for pictures in batches:
            net(pictures)


def train(
    recipe: Recipe, data: Path, teachers: Path, output: Path, until: int | None = None
) -> None:
    """The loop, up to the step ``until`` or the recipe's last. Writes OUTPUT/last.pt and
    OUTPUT/log.jsonl.

    Raises NoPictures, LossNotFinite and CheckpointNotSaved, with the last
    checkpoint good.
    """
    torch.manual_seed(recipe.seed)
    teacher, shape = Teacher(teachers / TEACHER), DetectorShape()
    net = Detector(shape, normalised=True).to(memory_format=torch.channels_last)
    average = twin(net).eval()
    optimiser = torch.optim.AdamW(
        net.parameters(), recipe.learning_rate, (0.9, 0.99), weight_decay=1e-4
    )
    parts: dict[str, nn.Module | torch.optim.Optimizer] = {
        "net": net,
        "average": average,
        "optimiser": optimiser,
    }
    lists = face_photographs(data, validation=False)
    held_out = held_out_pictures(data, recipe.held_out_scenes)
    wanted_faces = found_by_teacher(teacher, held_out)
    scales = scales_of(teacher, lists, recipe)
    output.mkdir(parents=True, exist_ok=True)
    checkpoint = output / "last.pt"
    first, history = resume(checkpoint, parts, recipe)
    print(f"{sum(map(len, lists.values()))} photographs; from step {first}", flush=True)

    weights = {
        "stages": recipe.stage_weight,
        "features": recipe.feature_weight,
        "score": recipe.score_weight,
        "box": recipe.box_weight,
        "landmarks": recipe.landmark_weight,
    }
    start, sums = time.monotonic(), torch.zeros(len(weights))
    last = until or recipe.steps
    for step in range(first, last):
        if step == recipe.norms_until:
            net.load_state_dict(average.state_dict())
            settle(net, (to_tensor(batch(lists, recipe, step + n)[1]) for n in range(SETTLED_ON)))
        if step >= recipe.norms_until:
            for norm in norms_of(net):
                norm.eval()
        clean, seen = batch(lists, recipe, step)
        answers, taught = teacher(clean)
        wanted, blocks = torch.from_numpy(answers), [torch.from_numpy(one) for one in taught]
        for group in optimiser.param_groups:
            group["lr"] = recipe.learning_rate * learning_rate(recipe, step)
        made, read = blocks_of(net, to_tensor(seen), blocks if step < recipe.apart else None)
        places = emphasis(wanted[..., 4], [block.shape for block in made[3:]], recipe.face_emphasis)
        matches = [
            feature_loss(*pair) for pair in zip(made, blocks, scales, 2 * places, strict=True)
        ]
        answered = answer_losses(net.read(read), wanted)
        losses = torch.stack([sum(matches[:3]) / 3, sum(matches[3:]) / 3, *answered])
        loss = (losses * torch.tensor(list(weights.values()))).sum()
        if not torch.isfinite(loss):
            raise LossNotFinite(f"step {step}: the loss is {loss.item()}; {checkpoint} is good")
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimiser.step()
        follow(average, net, recipe.average_decay, step)
        sums += losses.detach()

        done = step + 1
        if done % 50 == 0 or done == last:
            seconds = (time.monotonic() - start) / (done - first)
            means = " ".join(f"{n} {v / 50:.4f}" for n, v in zip(weights, sums, strict=True))
            print(f"step {done} | {means} | {seconds:.2f} s a step", flush=True)
            sums.zero_()
        if done % 250 == 0 or done == last:
            states = {name: part.state_dict() for name, part in parts.items()}
            about = {"architecture": "detector", "step": done, "history": history}
            save(checkpoint, states | about | {"shape": shape.as_dict()})
        if done % 500 == 0 or done == last:
            row = agreement(wanted_faces, found_by(average, held_out))
            print(f"step {done} | held out: {row}", flush=True)
            with (output / "log.jsonl").open("a") as log:
                log.write(json.dumps({"step": done, **row}) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of photos/, portraits/")
    parser.add_argument("--teachers", type=Path, required=True, help=f"folder of {TEACHER}")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    options = parser.parse_args()
    train(changed(Recipe(), options.set), options.data, options.teachers, options.output)


if __name__ == "__main__":
    main()
