"""What a downstream classifier is to the losses, the evaluation and the services."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sdjscc.engines import Engine
from sdjscc.errors import InvalidRequest, UnknownName

__all__ = ["Classifier", "Prediction", "as_images", "predict", "predict_all", "top_k"]


class Classifier(nn.Module, ABC):
    """A frozen image classifier whose feature maps can be looked at.

    Images are RGB in [0, 1], float ``(n, 3, h, w)`` of any size; the classifier crops and scales them itself (see
    `sdjscc.tasks.resize`). Values outside [0, 1] are not clipped, so that a loss still has a gradient there.
    No parameter asks for a gradient and the module stays in eval mode, but gradients flow to the images.
    """

    name: str
    class_names: tuple[str, ...]
    input_size: int
    """Side in pixels of the square that images are scaled to."""
    layers: tuple[str, ...]
    """Layers whose feature maps can be asked for, from the image on."""

    @abstractmethod
    def forward_with_features(self, images: Tensor, layers: Sequence[str]) -> tuple[Tensor, dict[str, Tensor]]:
        """Logits ``(n, classes)`` and the feature maps ``(n, K, M, N)`` of ``layers``, K maps each, from one pass.

        The logits are computed from these very maps: where the maps are part of a graph (``images.requires_grad``),
        ``torch.autograd.grad(logits[:, c].sum(), maps)`` is dy^c/df of the paper's eq. 8.

        Raises `UnknownName` for a layer that is not in `layers` and `InvalidRequest` for images of another shape.
        """

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(n, classes)``."""
        return self.forward_with_features(images, ())[0]

    def features(self, images: Tensor, layers: Sequence[str]) -> dict[str, Tensor]:
        """Only the feature maps of `forward_with_features`, as the semantic loss (paper, eq. 7) compares them."""
        return self.forward_with_features(images, layers)[1]

    def run_on(self, engine: Engine) -> None:
        """Run `logits` by ``engine`` from now on; a classifier that knows no engines need not override this. Gradients
        and feature maps are torch's in any case. Raises `InvalidRequest` where the engine lacks what it needs."""

    @torch.inference_mode()
    def logits(self, pixels: NDArray[np.uint8]) -> Tensor:
        """What `forward` says of RGB pixels, uint8 ``(n, h, w, 3)``: ``(n, classes)``, without gradients."""
        return self(as_images(pixels))  # type: ignore[no-any-return]

    def class_index(self, label: str) -> int:
        """Index of the class called ``label``, for instance by the folder of a data set. Raises `UnknownName`."""
        try:
            return self.class_names.index(label)
        except ValueError:
            raise UnknownName(f"the task {self.name!r} has no class {label!r}") from None

    def freeze(self) -> Self:
        """Constructors end with this."""
        return self.requires_grad_(False).train()

    def train(self, mode: bool = True) -> Self:
        """Stays in eval mode whatever ``mode`` says: a parent module's ``train()`` must not change the task."""
        return super().train(False)


@dataclass(frozen=True)
class Prediction:
    """One class that an image may show."""

    label: str
    probability: float
    """Softmax of the logits, in [0, 1]."""
    index: int
    """Place of the class in ``class_names``."""


def as_images(pixels: NDArray[np.uint8]) -> Tensor:
    """RGB pixels, uint8 ``(n, h, w, 3)``, as images in [0, 1], float ``(n, 3, h, w)``."""
    # torch does not share read-only memory, which decoded files are in.
    return torch.from_numpy(np.require(pixels, requirements="W")).permute(0, 3, 1, 2).float().div_(255)


def predict(classifier: Classifier, pixels: NDArray[np.uint8], k: int) -> list[Prediction]:
    """The ``k`` most probable classes of one image, RGB pixels, uint8 ``(h, w, 3)``; as `top_k`."""
    return predict_all(classifier, pixels[None], k)[0]


def predict_all(classifier: Classifier, pixels: NDArray[np.uint8], k: int) -> list[list[Prediction]]:
    """The ``k`` most probable classes of each image, RGB pixels, uint8 ``(n, h, w, 3)``; as `top_k`."""
    return top_k(classifier.logits(pixels), classifier.class_names, k)


def top_k(logits: Tensor, class_names: Sequence[str], k: int) -> list[list[Prediction]]:
    """For each row of ``logits`` ``(n, classes)`` the ``k`` most probable classes, best first.

    All classes where there are fewer than ``k``. Raises `InvalidRequest` for ``k`` below 1.
    """
    if k < 1:
        raise InvalidRequest(f"the {k} best classes were asked for; ask for 1 or more")
    best = logits.detach().float().softmax(dim=1).topk(min(k, len(class_names)), dim=1)
    return [
        [Prediction(class_names[i], p, i) for p, i in zip(probabilities, indices, strict=True)]
        for probabilities, indices in zip(best.values.tolist(), best.indices.tolist(), strict=True)
    ]
