"""From a training run to weights that others load, with a card that says what they are and do."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save
from torch import Tensor

from sdjscc.codecs import Codec
from sdjscc.codecs.card import Figure, ModelCard
from sdjscc.codecs.jscc.codec import load_from_card
from sdjscc.codecs.jscc.network import Architecture, cut_to_rate
from sdjscc.errors import InvalidRequest
from sdjscc.evaluation import Point
from sdjscc.training.config import TrainConfig

__all__ = ["publish"]


def publish(
    run: Path,
    folder: Path,
    measure: Callable[[Codec], Iterable[Point]],
    *,
    data_name: str,
    task: str,
    measured_by: Callable[[Codec], str],
) -> tuple[ModelCard, ...]:
    """Write ``folder/<codec>-<bpp>bpp.safetensors`` (float16) and its card; for a run of several rates, one each.

    Args:
        run: folder of a training run; raises `InvalidRequest` where it holds no finished validation.
        folder: of the weights.
        measure: called with the codec as it will be loaded; its points become the card's figures.
        data_name: of the images that were measured on, such as "STL-10 test".
        task: whose accuracy the points state.
        measured_by: the command that makes the figures, for the codec.
    """
    if not (run / "run.json").is_file():
        raise InvalidRequest(f"{run} holds no validated training run; train one there first: sdjscc train")
    record = json.loads((run / "run.json").read_text())
    config = TrainConfig.model_validate(record["config"])
    trained = load_file(run / "best.safetensors")
    folder.mkdir(parents=True, exist_ok=True)
    cards = []
    for channels in config.rates or (config.architecture.latent_channels,):
        architecture = config.architecture.model_copy(update={"latent_channels": channels})
        card, weights = _card(record, config, architecture, cut_to_rate(trained, channels))
        codec = load_from_card(card, weights)
        figures = tuple(_figure(point, data_name, task) for point in measure(codec))
        card = card.model_copy(update={"figures": figures, "measured_by": measured_by(codec)})
        (folder / f"{card.stem}.safetensors").write_bytes(weights)
        (folder / f"{card.stem}.json").write_text(json.dumps(card.model_dump(mode="json"), indent=2) + "\n")
        cards.append(card)
    return tuple(cards)


def _card(
    record: dict[str, Any], config: TrainConfig, architecture: Architecture, tensors: dict[str, Tensor]
) -> tuple[ModelCard, bytes]:
    """A card without figures, and the bytes of the weights."""
    # Half the size. Rounding to 11 bits of mantissa is far below what training left undecided; the figures include it.
    weights = save({name: tensor.to(torch.float16).contiguous() for name, tensor in tensors.items()})
    card = ModelCard(
        codec=config.codec,
        bpp=architecture.bpp,
        family="jscc",
        architecture=architecture.model_dump(mode="json"),
        parameters=sum(tensor.numel() for tensor in tensors.values()),
        weights_sha256=hashlib.sha256(weights).hexdigest(),
        training={
            "data": ", ".join(record["training_images"]),
            "images": sum(record["training_images"].values()),
            "steps": record["step"],
            "seconds": record["seconds"],
            "software": {"torch": version("torch"), "accelerate": version("accelerate")},
            **{k: v for k, v in record["config"].items() if k not in {"codec", "architecture", "steps"}},
            "precision": record["precision"],
        },
    )
    return card, weights


def _figure(point: Point, data_name: str, task: str) -> Figure:
    return Figure(
        data=data_name,
        n=point.n,
        snr_db=point.snr_db,
        psnr_db=round(point.psnr_db, 3),
        psnr_db_ci95=round(point.psnr_db_ci95, 3),
        ssim=round(point.ssim, 4),
        accuracy=round(point.accuracy, 4),
        accuracy_ci95=round(point.accuracy_ci95, 4),
        f1=round(point.f1, 4),
        task=task,
    )
