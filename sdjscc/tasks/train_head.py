"""Trains a linear head on the pooled features of EfficientNet-Lite0: multinomial logistic regression.

The trunk is frozen, so the features of each image and of its mirror image are computed once and the rest takes seconds.
"""

from __future__ import annotations

import hashlib
import math
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor
from torch.nn import functional

from sdjscc.data.folder import LabelledImages
from sdjscc.errors import InvalidRequest
from sdjscc.tasks.efficientnet import EfficientNetLite0, load_lite0
from sdjscc.tasks.linear_head import Accuracy, HeadCard
from sdjscc.tasks.resize import centre_square

__all__ = ["WEIGHT_DECAYS", "train_head"]

WEIGHT_DECAYS = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
"""What is tried: the loss is the mean cross-entropy plus this times half the sum of squared weights, for features of
zero mean and unit variance."""

_VALIDATION_FRACTION = 0.2
_INPUT_SIZE = 128
_BATCH = 32


def train_head(
    train: LabelledImages,
    test: LabelledImages | None,
    out: Path,
    seed: int,
    data: str = "images in class folders",
) -> HeadCard:
    """Train a head on ``train`` and write it to ``out`` (safetensors), with its card next to it (``.json``).

    The weight decay is the one with the lowest cross-entropy on a fifth of the training images, held out with their
    mirror images; the head is then trained on all of them. Equal images and seed give equal heads on one machine.

    Args:
        train: photographs of any size; the class names go into the card.
        test: photographs of the same classes, which are only counted right or wrong; None leaves the card without.
        out: path of the weights; folders are created.
        seed: chooses the held-out images.
        data: says in the card what the images are.

    Raises `InvalidRequest` where ``test`` has other classes, or a class has too few images to hold one out.
    """
    if test is not None and test.class_names != train.class_names:
        raise InvalidRequest("the test images are in other class folders than the training images; use the same names")
    fitted, held_out = train.split(_VALIDATION_FRACTION, seed)
    if len(np.unique(held_out.labels)) < len(train.class_names):
        raise InvalidRequest("a class has too few images to choose the weight decay with; give each class 3 or more")

    trunk, _ = load_lite0(_INPUT_SIZE)
    fitted_features, fitted_labels = _features(trunk, fitted, mirrored=True)
    held_out_features, held_out_labels = _features(trunk, held_out, mirrored=True)
    plain = held_out_features[: len(held_out)], held_out_labels[: len(held_out)]

    trials = {decay: _fit(fitted_features, fitted_labels, decay) for decay in WEIGHT_DECAYS}
    weight_decay = min(trials, key=lambda decay: _cross_entropy(trials[decay], *plain))
    head = _fit(
        torch.cat([fitted_features, held_out_features]), torch.cat([fitted_labels, held_out_labels]), weight_decay
    )

    weights = save({"weight": head[0], "bias": head[1]})
    card = HeadCard(
        trunk="EfficientNet-Lite0, ImageNet weights, frozen; mean over each of its 1280 last feature maps",
        input_size=_INPUT_SIZE,
        class_names=train.class_names,
        data=data,
        training_images=len(train),
        recipe="multinomial logistic regression (L-BFGS) on clean images and their mirror images; weight decay from "
        f"a held-out fraction of {_VALIDATION_FRACTION:g} of the training images, then trained on all of them",
        weight_decay=weight_decay,
        seed=seed,
        validation=_accuracy(trials[weight_decay], *plain),
        test=None if test is None else _accuracy(head, *_features(trunk, test, mirrored=False)),
        sha256=hashlib.sha256(weights).hexdigest(),
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(weights)
    out.with_suffix(".json").write_text(card.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return card


Head = tuple[Tensor, Tensor]
"""Weight, float32 ``(classes, 1280)``, and bias, ``(classes,)``."""


@torch.no_grad()
def _features(trunk: EfficientNetLite0, images: LabelledImages, mirrored: bool) -> tuple[Tensor, Tensor]:
    """Pooled features ``(n, 1280)`` and labels ``(n,)``; with ``mirrored``, those of the mirror images behind them."""
    features: list[Tensor] = []
    mirror_features: list[Tensor] = []
    for start in range(0, len(images), _BATCH):
        # Each is scaled by itself, because photographs differ in size.
        batch = torch.cat([_load(images, i) for i in range(start, min(start + _BATCH, len(images)))])
        features.append(trunk.pooled(batch))
        if mirrored:
            mirror_features.append(trunk.pooled(batch.flip(3)))
    labels = torch.from_numpy(images.labels)
    return torch.cat(features + mirror_features), labels.repeat(2) if mirrored else labels


def _load(images: LabelledImages, index: int) -> Tensor:
    # A tensor cannot share the read-only memory of decoded pixels.
    pixels = torch.tensor(images.read(index)).permute(2, 0, 1).unsqueeze(0)
    return centre_square(pixels / 255, _INPUT_SIZE)


def _fit(features: Tensor, labels: Tensor, weight_decay: float) -> Head:
    mean, scale = features.mean(0), features.std(0).clamp_min(1e-6)
    standardized = (features - mean) / scale
    classes = int(labels.max()) + 1
    weight = torch.zeros(classes, features.shape[1], requires_grad=True)
    bias = torch.zeros(classes, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=300, history_size=20, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        logits = functional.linear(standardized, weight, bias)
        loss = functional.cross_entropy(logits, labels) + weight_decay / 2 * weight.square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    folded = weight.detach() / scale
    return folded, bias.detach() - folded @ mean


def _cross_entropy(head: Head, features: Tensor, labels: Tensor) -> float:
    return float(functional.cross_entropy(functional.linear(features, *head), labels))


def _accuracy(head: Head, features: Tensor, labels: Tensor) -> Accuracy:
    right = int((functional.linear(features, *head).argmax(1) == labels).sum())
    low, high = _wilson(right, len(labels))
    return Accuracy(
        images=len(labels), accuracy=round(right / len(labels), 4), interval_95=(round(low, 4), round(high, 4))
    )


def _wilson(right: int, total: int) -> tuple[float, float]:
    """Wilson's 95 % score interval of a share (Wilson, 1927)."""
    z = 1.959964
    share = right / total
    centre = (share + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total) * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    return centre - half, centre + half
