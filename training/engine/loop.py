"""The loop of every training: descend, average, log, validate, save, continue."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import cv2
import torch
from rich.console import Console
from torch import nn

from training.engine import checkpoint as checkpoints
from training.engine.checkpoint import Stateful
from training.engine.ema import averaged, set_count
from training.engine.errors import LossNotFinite
from training.engine.log import PLAIN, Means, append_row, forget_after, progress_bar
from training.engine.task import Task, Turn, to_device

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

SAVE_AFTER_S = 120  # what a kill may cost


def train(
    task: Task, output: Path, until: int | None = None, console: Console | None = None
) -> Path:
    """Trains to the recipe's last step, from OUTPUT/last.pt on where there is one.

    Writes OUTPUT/last.pt, OUTPUT/log.jsonl (the validations, or the losses of a task without)
    and OUTPUT/sheet-STEP.png. Changed settings hold from the step at which a run continues; the
    checkpoint's history has all recipes with the steps they held from.

    Args:
        task: what is trained.
        output: the folder of the run, made if need be.
        until: the step to stop at, when that is before the recipe's last.
        console: where progress goes: a bar on a terminal, lines elsewhere; stderr by default.

    Returns:
        The checkpoint, OUTPUT/last.pt.

    Raises:
        ResumeMismatch: OUTPUT/last.pt is torn or of another training.
        LossNotFinite: the last checkpoint is good.
        CheckpointNotSaved: the last checkpoint is good.
    """
    console = console or Console(stderr=True)
    run = _Run(task, output)
    last = min(task.recipe.steps, until or task.recipe.steps)
    for line in task.warnings:
        console.print(f"warning: {line}", style="yellow", **PLAIN)
    for line in (*task.notes, f"steps {run.step} to {last} on {task.device}"):
        console.print(line, **PLAIN)

    means, first = Means(), run.step
    started = saved_at = time.monotonic()
    with progress_bar(console) as progress:
        bar = progress.add_task("", total=last, completed=first, losses="")
        while run.step < last:
            phase = task.phase(run.step)
            run.descend(means)
            step = run.step
            progress.update(bar, completed=step, description=phase, losses=means.latest())
            if step % task.log_every == 0 or step == last:
                seconds = (time.monotonic() - started) / (step - first)
                run.log_losses(phase, means.take(), seconds, console)
            if step == last or time.monotonic() - saved_at > SAVE_AFTER_S:
                run.save()
                saved_at = time.monotonic()
            if step % task.validate_every == 0 or step == last:
                run.validate(console)
    console.print(f"{run.checkpoint}: step {run.step}", **PLAIN)
    return run.checkpoint


class _Run:
    """A task's state on its way: the step, the average, the files."""

    def __init__(self, task: Task, output: Path) -> None:
        self.task, self.output = task, output
        self.checkpoint, self.log = output / "last.pt", output / "log.jsonl"
        self.step, self.history = 0, list[dict[str, Any]]()
        self.average = None
        self.parts: dict[str, Stateful] = task.parts()
        if task.average_decay is not None:
            self.average = averaged(task.net, task.average_decay)
            self.parts = {**self.parts, "average": self.average.module}
        output.mkdir(parents=True, exist_ok=True)
        if self.checkpoint.exists():
            saved = checkpoints.restore(self.checkpoint, task.architecture, self.parts)
            self.step, self.history = saved["step"], saved["history"]
            if self.average is not None:
                set_count(self.average, self.step)
        forget_after(self.step, self.log)
        entry = {"recipe": asdict(cast("DataclassInstance", task.recipe)), **task.origin}
        if not self.history or {**self.history[-1], **entry} != self.history[-1]:
            self.history.append({"from_step": self.step, **entry})

    @property
    def served(self) -> nn.Module:
        """What is validated and exported."""
        return self.task.net if self.average is None else self.average.module

    def descend(self, means: Means) -> None:
        """One step of training."""
        task, step = self.task, self.step
        task.before_step(step, self.served)
        task.set_rates(step)
        for turn in task.turns(to_device(task.batch(step), task.device), step):
            self._descend(turn)
            means.add(turn.losses)
        if self.average is not None:
            self.average.update_parameters(task.net)
        self.step += 1

    def _descend(self, turn: Turn) -> None:
        loss = torch.stack(list(turn.losses.values())).sum()
        if not torch.isfinite(loss):
            raise LossNotFinite(
                f"step {self.step}: the loss is {loss.item()}; stopped, {self.checkpoint} is good"
            )
        turn.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        if turn.clip_norm is not None:
            tensors = [p for group in turn.optimiser.param_groups for p in group["params"]]
            nn.utils.clip_grad_norm_(tensors, turn.clip_norm)
        turn.optimiser.step()

    def log_losses(
        self, phase: str, means: dict[str, float], seconds: float, console: Console
    ) -> None:
        """Tells the means of the losses, and logs them for a task without validation."""
        if not self.task.validates:
            named = {"phase": phase} if phase else {}
            row = {"step": self.step, **named, **means, "seconds_a_step": seconds}
            append_row(self.log, row)
        if not console.is_terminal:
            text = " ".join(f"{name} {mean:.4g}" for name, mean in means.items())
            label = " ".join(filter(None, (f"step {self.step}", phase)))
            console.print(f"{label}: {text}; {seconds:.2f} s a step", **PLAIN)

    def save(self) -> None:
        """Writes the checkpoint."""
        states = {name: part.state_dict() for name, part in self.parts.items()}
        about = {"architecture": self.task.architecture, **self.task.about}
        content = about | states | {"step": self.step, "history": self.history}
        checkpoints.save(self.checkpoint, content)

    def validate(self, console: Console) -> None:
        """Logs the metrics and writes the sheet, where the task has them."""
        net = self.served.eval() if self.average is not None else self.served
        if self.task.validates:
            row = self.task.validate(net)
            console.print(f"step {self.step}, held out: {row}", **PLAIN)
            append_row(self.log, {"step": self.step, **row})
        sheet = self.task.sheet(net)
        if sheet is not None:
            path = self.output / f"sheet-{self.step:06d}.png"
            cv2.imwrite(str(path), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))
