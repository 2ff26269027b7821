"""Trains the face detector on what RetinaFace answers for every prior of a picture.

    python -m training.detector --data ../shared/data --teachers ../shared/teachers \\
        --output .cache/runs/detector --set steps=5000

The teacher sees each picture clean, the student sometimes blurred, noisy or dark. It learns the
64 features of every place that the teacher reads its answers from, and the answers: the score of
every prior, boxes and landmarks where the teacher sees a face; its last layers start as the
teacher's. Run again with the same --output, it continues from the last checkpoint and ends where
one run would have; the random numbers of a step depend on the seed and the step alone.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy, smooth_l1_loss

from pipeline.domain import Picture
from pipeline.nets.detector import PRIORS, VALUES, Detector, DetectorShape
from pipeline.nets.retinaface import MEAN
from training.checkpoint import follow, resume, save, twin
from training.detector_data import draw_damaged, draw_picture, face_photographs
from training.detector_figures import Found, figures, found_in, held_out_pictures
from training.distil import learning_rate, to_tensor
from training.errors import LossNotFinite, WeightsMismatch
from training.recipe import changed

TEACHER = "retinaface_mobilenet025.onnx"
Array = NDArray[np.float32]


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
    feature_weight: float = 1.0
    face_emphasis: float = 20.0  # how much more a place with a face counts among the features
    score_weight: float = 1.0
    box_weight: float = 1.0
    landmark_weight: float = 2.0
    seed: int = 1


class Teacher:
    """The published RetinaFace, as an ONNX graph of which the features are outputs, too."""

    def __init__(self, path: Path) -> None:
        model = onnx.load(path)
        readers = {
            node.input[1]: node.input[0] for node in model.graph.node if node.op_type == "Conv"
        }
        self.tensors = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
        try:
            features = [readers[f"BboxHead.{level}.conv1x1.weight"] for level in range(3)]
        except KeyError as error:
            raise WeightsMismatch(f"{path}: not a RetinaFace: no {error}") from error
        self.outputs = [output.name for output in model.graph.output] + features
        for name in features:
            model.graph.output.append(onnx.ValueInfoProto(name=name))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        self._input = self._session.get_inputs()[0].name

    def __call__(self, pictures: Sequence[Picture]) -> tuple[Array, list[Array]]:
        """Pictures of one size, uint8 (H, W, 3) RGB, to answers (N, P, 15) as the student gives
        them, and features (N, 64, H/s, W/s) of the three levels.
        """
        mean = np.array(MEAN, np.float32)
        planes = (np.stack(pictures)[..., ::-1] - mean).transpose(0, 3, 1, 2)
        boxes, classes, landmarks, *features = self._session.run(
            self.outputs, {self._input: np.ascontiguousarray(planes)}
        )
        return np.concatenate([boxes, classes[..., 1:], landmarks], 2), features

    def lend_heads(self, net: Detector) -> None:
        """Puts the teacher's last layers in place of the student's."""
        with torch.no_grad():
            for level, head in enumerate(net.heads):
                rows = []
                for suffix in ("weight", "bias"):
                    box, classes, landmarks = (
                        self.tensors[f"{name}.{level}.conv1x1.{suffix}"].reshape(PRIORS, count, -1)
                        for name, count in (("BboxHead", 4), ("ClassHead", 2), ("LandmarkHead", 10))
                    )
                    # the softmax of two is the sigmoid of their difference
                    score = classes[:, 1:] - classes[:, :1]
                    rows.append(np.concatenate([box, score, landmarks], 1))
                head.weight.copy_(torch.from_numpy(rows[0].reshape(PRIORS * VALUES, -1)))
                head.bias.copy_(torch.from_numpy(rows[1].reshape(-1)))


def batch(
    lists: dict[str, list[Path]], recipe: Recipe, step: int
) -> tuple[list[Picture], list[Picture]]:
    """The clean pictures of one step, and the same as the student sees them."""
    size = (recipe.crop_px, recipe.crop_px)
    seeds = [(recipe.seed, step, n) for n in range(recipe.batch)]
    clean = [draw_picture(lists, size, seed) for seed in seeds]
    seen = [draw_damaged(one, recipe.damaged, seed) for one, seed in zip(clean, seeds, strict=True)]
    return clean, seen


def feature_loss(
    made: list[Tensor], wanted: list[Tensor], score: Tensor, scales: list[Tensor], emphasis: float
) -> Tensor:
    """Mean absolute difference in units of each channel's ``scales``, places where the teacher
    sees a face counted more; ``score`` (N, P) is the teacher's.
    """
    total, first = torch.zeros(()), 0
    for one, target, scale in zip(made, wanted, scales, strict=True):
        count, _, height, width = target.shape
        places = PRIORS * height * width
        seen = score[:, first : first + places].reshape(count, height, width, PRIORS).amax(3)
        weight = 1 + emphasis * seen[:, None]
        off = ((one.float() - target).abs() / scale) * weight
        total = total + off.mean() / weight.mean()
        first += places
    return total / len(wanted)


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
    """(1, 64, 1, 1) by level: the root mean square of each feature over some pictures."""
    squares: list[list[Array]] = [[], [], []]
    for n in range(8):
        _, features = teacher(batch(lists, recipe, recipe.steps + n)[0])
        for level, feature in zip(squares, features, strict=True):
            level.append(np.square(feature).mean((0, 2, 3), keepdims=True))
    return [torch.from_numpy(np.sqrt(np.mean(level, 0)) + 1e-2) for level in squares]


def found_by(net: Detector, picture: Picture) -> Found:
    """What the torch module finds in a picture whose sides are multiples of 32."""
    with torch.inference_mode():
        values = net(to_tensor([picture]))[0].numpy()
    return found_in(values, picture)


def found_by_teacher(teacher: Teacher, pictures: Sequence[Picture]) -> list[Found]:
    """What the teacher finds in each of them."""
    return [found_in(teacher([picture])[0][0], picture) for picture in pictures]


def train(recipe: Recipe, data: Path, teachers: Path, output: Path) -> None:
    """The loop. Writes OUTPUT/last.pt and OUTPUT/log.jsonl.

    Raises NoPictures, WeightsMismatch, LossNotFinite and CheckpointNotSaved, with the last
    checkpoint good.
    """
    torch.manual_seed(recipe.seed)
    teacher, shape = Teacher(teachers / TEACHER), DetectorShape()
    net = Detector(shape, normalised=True).to(memory_format=torch.channels_last)
    teacher.lend_heads(net)
    average = twin(net).eval()
    optimiser = torch.optim.AdamW(net.parameters(), recipe.learning_rate, (0.9, 0.99))
    parts: dict[str, nn.Module | torch.optim.Optimizer] = {
        "net": net,
        "average": average,
        "optimiser": optimiser,
    }
    lists = face_photographs(data, validation=False)
    held_out = held_out_pictures(data)
    wanted_faces = found_by_teacher(teacher, held_out)
    scales = scales_of(teacher, lists, recipe)
    output.mkdir(parents=True, exist_ok=True)
    checkpoint = output / "last.pt"
    first, history = resume(checkpoint, parts, recipe)
    print(f"{sum(map(len, lists.values()))} photographs; from step {first}", flush=True)

    names = ("features", "score", "box", "landmarks")
    weights = torch.tensor(
        [recipe.feature_weight, recipe.score_weight, recipe.box_weight, recipe.landmark_weight]
    )
    start, sums = time.monotonic(), torch.zeros(len(names))
    for step in range(first, recipe.steps):
        clean, seen = batch(lists, recipe, step)
        answers, features = teacher(clean)
        for group in optimiser.param_groups:
            group["lr"] = recipe.learning_rate * learning_rate(recipe, step)
        with torch.autocast("cpu", torch.bfloat16):
            made = net.features(to_tensor(seen))
        # the answers are read in float: landmarks are wanted to a fraction of a pixel
        made = [level.float() for level in made]
        wanted = torch.from_numpy(answers)
        targets = [torch.from_numpy(level) for level in features]
        losses = torch.stack(
            [
                feature_loss(made, targets, wanted[..., 4], scales, recipe.face_emphasis),
                *answer_losses(net.read(made), wanted),
            ]
        )
        loss = (losses * weights).sum()
        if not torch.isfinite(loss):
            raise LossNotFinite(f"step {step}: the loss is {loss.item()}; {checkpoint} is good")
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimiser.step()
        follow(average, net, recipe.average_decay, step)
        sums += losses.detach()

        done = step + 1
        if done % 50 == 0 or done == recipe.steps:
            seconds = (time.monotonic() - start) / (done - first)
            means = " ".join(f"{n} {v / 50:.4f}" for n, v in zip(names, sums, strict=True))
            print(f"step {done} | {means} | {seconds:.2f} s a step", flush=True)
            sums.zero_()
        if done % 250 == 0 or done == recipe.steps:
            states = {name: part.state_dict() for name, part in parts.items()}
            about = {"architecture": "detector", "step": done, "history": history}
            save(checkpoint, states | about | {"shape": shape.as_dict()})
        if done % 500 == 0 or done == recipe.steps:
            row = figures(wanted_faces, [found_by(average, picture) for picture in held_out])
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
