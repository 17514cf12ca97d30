"""The semantic loss (paper, eq. 13) and the distillation of logits, its plain rival."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from sdjscc.errors import InvalidRequest
from sdjscc.tasks.base import Classifier

__all__ = ["DistillationLoss", "SemanticLoss", "as_shown"]


def as_shown(reconstructed: Tensor) -> Tensor:
    """Images of any shape with each value clipped to [0, 1], as the receiver shows and classifies them.

    Without it a decoder learns to paint with brighter than white and darker than black, which the classifier sees in
    training and nowhere else. Beyond the range only that part of the gradient passes which leads back: with none, what
    is beyond would stay there, and with all of it the decoder runs away.
    """
    return _Clip.apply(reconstructed)  # type: ignore[no-untyped-call,no-any-return]


class _Clip(torch.autograd.Function):
    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.clamp(0, 1)

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, *grad: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors  # type: ignore[attr-defined]
        (g,) = grad
        # A step goes against the gradient.
        leads_out = ((x > 1) & (g < 0)) | ((x < 0) & (g > 0))
        return g.masked_fill(leads_out, 0)


class SemanticLoss(nn.Module):
    """sum_k w'_k ||f'_k - f_k||^2, mean over the batch (eq. 13), divided by the number of features K M N.

    The division is one more constant beside r; it keeps the loss at the size of one squared feature in every layer.

    Args:
        classifier: the frozen task.
        layer: whose feature maps are compared.
        weights: W', ``(K,)``.
    """

    weights: Tensor

    def __init__(self, classifier: Classifier, layer: str, weights: Tensor) -> None:
        super().__init__()
        self.classifier, self.layer = classifier, layer
        self.register_buffer("weights", weights.view(-1, 1, 1))

    def forward(self, reconstructed: Tensor, original: Tensor) -> Tensor:
        """Loss of images ``(n, 3, h, w)``, the original in [0, 1], a float32 scalar."""
        with torch.no_grad():
            clean = self.classifier.features(original, (self.layer,))[self.layer]
        received = self.classifier.features(as_shown(reconstructed), (self.layer,))[self.layer]
        if len(self.weights) != clean.shape[1]:
            raise InvalidRequest(
                f"{len(self.weights)} semantic weights do not fit {clean.shape[1]} maps of {self.layer}"
            )
        return (self.weights * (received.float() - clean.float()).square()).mean()


class DistillationLoss(nn.Module):
    """KL(softmax(y / T) || softmax(y' / T)) T^2 of the logits of original and reconstructed images (Hinton, 2015)."""

    def __init__(self, classifier: Classifier, temperature: float) -> None:
        super().__init__()
        self.classifier, self.temperature = classifier, temperature

    def forward(self, reconstructed: Tensor, original: Tensor) -> Tensor:
        """Loss of images ``(n, 3, h, w)``, the original in [0, 1], a float32 scalar, mean over the batch."""
        with torch.no_grad():
            clean = functional.log_softmax(self.classifier(original).float() / self.temperature, 1)
        received = functional.log_softmax(self.classifier(as_shown(reconstructed)).float() / self.temperature, 1)
        return functional.kl_div(received, clean, reduction="batchmean", log_target=True) * self.temperature**2
