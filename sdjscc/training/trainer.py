"""The training loop: resumable to the same result, with a time budget, on whatever `accelerate` is set up for.

The loop is written by hand around `accelerate` because it counts steps and not epochs (the paper's unit), and because
each step draws its randomness from (seed, step): that makes resuming exact without saving any generator.
"""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean
from typing import Any

import torch
from accelerate import Accelerator
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from safetensors.torch import save_file
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from sdjscc.data.folder import LabelledImages, join
from sdjscc.errors import InvalidRequest
from sdjscc.tasks import get_classifier
from sdjscc.training.batches import Stream, step_rng, training_batches
from sdjscc.training.config import TrainConfig
from sdjscc.training.link import Link
from sdjscc.training.losses import build_loss
from sdjscc.training.precision import fast_precision
from sdjscc.training.start import warm_start
from sdjscc.training.validation import validate

__all__ = ["Trainer"]


@dataclass
class Status:
    """What a run has reached; saved with its checkpoints."""

    step: int = 0
    best_score: float = -math.inf
    best_step: int = 0
    seconds: float = 0.0
    validation: dict[str, float] = field(default_factory=dict)

    def state_dict(self) -> dict[str, Any]:
        return vars(self).copy()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        vars(self).update(state)


class Trainer:
    """Trains one configuration in one folder.

    ``folder`` receives ``last/`` (a checkpoint to resume from), ``best.safetensors`` (averaged weights, best on
    validation), ``run.json`` (the configuration and what was reached) and TensorBoard curves.

    Args:
        config: the run.
        images: training images; the validation split is taken from them.
        more: further training images; none of them is held out, and their classes need not be the task's.
        folder: where the run lives. One that holds a run of another configuration is refused.
        device: "auto" takes an accelerator where there is one; "cpu" does not.
    """

    def __init__(
        self,
        config: TrainConfig,
        images: LabelledImages,
        folder: Path,
        *,
        more: Sequence[LabelledImages] = (),
        device: str = "auto",
    ) -> None:
        self.config, self.folder = config, folder
        self.status = Status()
        folder.mkdir(parents=True, exist_ok=True)
        cpu = device == "cpu"
        precision = fast_precision("cuda" if torch.cuda.is_available() and not cpu else "cpu")
        self.accelerator = Accelerator(
            mixed_precision=precision if config.precision == "auto" else config.precision,
            cpu=cpu,
            log_with="tensorboard",
            project_dir=folder,
        )
        training_images, validation_images = images.split(config.validation_fraction, config.seed)
        self.training_images = join([training_images, *more])
        self.validation_images = validation_images.shuffled(config.seed)
        self.seen_images = training_images.sample(len(validation_images), config.seed)

        torch.manual_seed(config.seed)
        link = Link(config.architecture).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if config.init:
            warm_start(link, config.init)
        optimizer = torch.optim.AdamW(link.parameters(), lr=config.learning_rate, weight_decay=0.0)
        self.average = AveragedModel(
            link, device=self.accelerator.device, multi_avg_fn=_moving_average(config.ema), use_buffers=True
        )
        self.link, self.optimizer = self.accelerator.prepare(link, optimizer)
        self.loss = build_loss(config.loss).to(self.accelerator.device)
        self.classifier = get_classifier(config.validation_task) if config.validation_task else None
        if self.classifier is not None:
            self.classifier.to(self.accelerator.device)
        self.accelerator.register_for_checkpointing(self.average, self.status)

    @property
    def is_main_process(self) -> bool:
        """Whether this is the process, of those that train together, that writes and speaks."""
        return bool(self.accelerator.is_main_process)

    def resume(self) -> bool:
        """Go on from the folder's checkpoint, if there is one; raises `InvalidRequest` for another configuration's."""
        # A run that was killed while swapping checkpoints has the old one under its other name.
        names = (self.folder / "last", self.folder / "last.old")
        checkpoint = next((name for name in names if name.is_dir()), None)
        if checkpoint is None:
            return False
        stored = json.loads((checkpoint / "config.json").read_text())
        if stored != json.loads(self.config.model_dump_json()):
            raise InvalidRequest(f"{self.folder} holds a run of another configuration; give another --out folder")
        self.accelerator.load_state(str(checkpoint))
        return True

    def fit(self, budget_s: float = math.inf) -> bool:
        """Train until the configured steps are done (True) or the budget is spent (False); checkpoints either way."""
        config, status, accelerator = self.config, self.status, self.accelerator
        accelerator.init_trackers("curves")
        batches = training_batches(
            self.training_images,
            crop=config.crop,
            augmentation=config.augmentation,
            batch=config.batch,
            start=status.step,
            stop=config.steps,
            seed=config.seed,
            process=accelerator.process_index,
        )
        begin, earlier = time.monotonic(), status.seconds
        with _progress(self.is_main_process) as progress:
            bar = progress.add_task("training", total=config.steps, completed=status.step)
            for images in batches:
                loss = self._step(images)
                status.step += 1
                status.seconds = earlier + time.monotonic() - begin
                progress.update(bar, advance=1)
                if status.step % 50 == 0:
                    accelerator.log({"loss": loss.item()}, step=status.step)
                due = status.step % config.validate_every == 0 or status.step == config.steps
                if due:
                    self._validate()
                    if self.is_main_process:
                        progress.console.print(self._summary())
                    progress.update(bar, description=f"best {status.best_score:.2f} at {status.best_step}")
                if status.seconds - earlier >= budget_s:
                    accelerator.set_trigger()
                # Each process has a clock of its own; all stop when one of them wants to.
                stop = accelerator.check_trigger()
                if due or stop:
                    self._checkpoint()
                if stop:
                    break
        accelerator.end_training()
        return status.step >= config.steps

    def _summary(self) -> str:
        status = self.status
        rate = self.config.batch * self.accelerator.num_processes * status.step / status.seconds
        figures = "  ".join(f"{name} {value:.2f}" for name, value in status.validation.items())
        return f"step {status.step}  {rate:.0f} images/s  {figures}"

    def _step(self, images: Tensor) -> Tensor:
        config, accelerator = self.config, self.accelerator
        rng = step_rng(config.seed, self.status.step, accelerator.process_index, Stream.CHANNEL)
        snr_db = torch.from_numpy(rng.uniform(*config.snr_db, len(images))).float().to(accelerator.device)
        generator = torch.Generator(accelerator.device).manual_seed(int(rng.integers(2**63)))
        channels = int(rng.choice(config.rates)) if config.rates else None
        images = images.to(accelerator.device, memory_format=torch.channels_last)
        for group in self.optimizer.param_groups:
            group["lr"] = self._learning_rate()
        with accelerator.autocast():
            loss: Tensor = self.loss(self.link(images, snr_db, generator, channels), images)
        self.optimizer.zero_grad()
        accelerator.backward(loss)
        accelerator.clip_grad_norm_(self.link.parameters(), config.gradient_clip)
        self.optimizer.step()
        self.average.update_parameters(accelerator.unwrap_model(self.link))
        return loss.detach()

    def _learning_rate(self) -> float:
        config, step = self.config, self.status.step
        warm = min(1.0, (step + 1) / max(1, config.warmup))
        cosine = 0.5 * (1 + math.cos(math.pi * step / config.steps))
        return config.learning_rate * warm * (0.01 + 0.99 * cosine)

    def _validate(self) -> None:
        link = self.average.module
        assert isinstance(link, Link)
        with self.accelerator.autocast():
            device = self.accelerator.device
            self.status.validation = validate(link, self.validation_images, self.config, device, self.classifier)
            if self.classifier is not None:
                # How much better it is on what it was trained on: overfitting, at one SNR in the middle.
                snrs_db = self.config.validation_snr_db
                middle = self.config.model_copy(update={"validation_snr_db": (snrs_db[(len(snrs_db) - 1) // 2],)})
                seen = validate(link, self.seen_images, middle, device, self.classifier)
                self.status.validation |= {f"seen_{name}": value for name, value in seen.items()}
        self.accelerator.log(self.status.validation, step=self.status.step)
        measure = "accuracy" if self.classifier is not None else "psnr_db"
        score = mean(value for name, value in self.status.validation.items() if name.startswith(measure))
        if score > self.status.best_score:
            self.status.best_score, self.status.best_step = score, self.status.step
            if self.is_main_process:
                self._write_best(link)

    def _write_best(self, link: Link) -> None:
        tensors = {name: value.contiguous().cpu() for name, value in link.state_dict().items()}
        fresh = self.folder / "best.safetensors.new"
        save_file(tensors, fresh)
        fresh.replace(self.folder / "best.safetensors")
        run = {
            "config": self.config.model_dump(mode="json"),
            "training_images": self.training_images.count_by_folder(),
            "precision": self.accelerator.mixed_precision,
            "step": self.status.step,
            "seconds": round(self.status.seconds),
            "validation": self.status.validation,
        }
        (self.folder / "run.json").write_text(json.dumps(run, indent=2) + "\n")

    def _checkpoint(self) -> None:
        """Write beside the old checkpoint, then swap: a run killed at any moment has one to resume from."""
        fresh, last, old = (self.folder / name for name in ("last.new", "last", "last.old"))
        self.accelerator.save_state(str(fresh))
        self.accelerator.wait_for_everyone()
        if self.is_main_process:
            (fresh / "config.json").write_text(self.config.model_dump_json())
            if last.is_dir():
                shutil.rmtree(old, ignore_errors=True)
                last.rename(old)
            fresh.rename(last)
            shutil.rmtree(old, ignore_errors=True)
        self.accelerator.wait_for_everyone()


def _progress(shown: bool) -> Progress:
    text, bar, count = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    return Progress(text, bar, count, TimeElapsedColumn(), TimeRemainingColumn(), disable=not shown)


Tensors = tuple[Tensor, ...] | list[Tensor]


def _moving_average(decay: float) -> Callable[[Tensors, Tensors, Tensor | int], None]:
    """Exponential average whose decay rises to ``decay``, so that the first, random weights are soon forgotten."""

    @torch.no_grad()
    def update(averaged: Tensors, current: Tensors, count: Tensor | int) -> None:
        n = float(count)
        torch._foreach_lerp_(averaged, current, 1 - min(decay, (1 + n) / (10 + n)))

    return update
