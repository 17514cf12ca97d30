"""Training losses. Each is a module called as ``loss(reconstructed, original)`` on images, float ``(n, 3, h, w)``."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sdjscc.semantics.loss import DistillationLoss, SemanticLoss
from sdjscc.semantics.weights import read_gradients, semantic_weights, shipped_gradients
from sdjscc.tasks import get_classifier
from sdjscc.training.config import DistillationLossConfig, Loss, PixelLossConfig, SemanticLossConfig

__all__ = ["MixedLoss", "PixelLoss", "build_loss"]


class PixelLoss(nn.Module):
    """Mean squared error (paper, eq. 5) over all pixels and channels of images in [0, 1]; a scalar in float32."""

    def forward(self, reconstructed: Tensor, original: Tensor) -> Tensor:
        return (reconstructed.float() - original.float()).square().mean()


class MixedLoss(nn.Module):
    """``loss + pixel * PixelLoss``."""

    def __init__(self, loss: nn.Module, pixel: float) -> None:
        super().__init__()
        self.loss, self.pixel_loss, self.pixel = loss, PixelLoss(), pixel

    def forward(self, reconstructed: Tensor, original: Tensor) -> Tensor:
        mixed: Tensor = self.loss(reconstructed, original) + self.pixel * self.pixel_loss(reconstructed, original)
        return mixed


def build_loss(config: Loss) -> nn.Module:
    """The loss that a configuration asks for. Raises `UnknownName` for a task or layer that is not there."""
    if isinstance(config, PixelLossConfig):
        return PixelLoss()
    classifier = get_classifier(config.task).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    loss: nn.Module
    if isinstance(config, SemanticLossConfig):
        gradients = read_gradients(shipped_gradients(config.task), config.layer, config.form)
        loss = SemanticLoss(classifier, config.layer, semantic_weights(gradients, config.tau))
    else:
        assert isinstance(config, DistillationLossConfig)
        loss = DistillationLoss(classifier, config.temperature)
    return MixedLoss(loss, config.pixel) if config.pixel else loss
