"""How much each feature map moves the classifier's logits (paper, eq. 7 to 9), in one pass for all classes.

The gradient of a sum is the sum of the gradients, so eq. 9's mean over classes is one backward pass of the mean logit.
The root mean square over classes needs each class by itself, but its square is an expectation: for signs u drawn at
random, E[(sum_c u_c a_c)^2] = sum_c a_c^2. One backward pass of a randomly signed sum of logits estimates it without
bias, and the mean over the training images makes it precise.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sdjscc.tasks.base import Classifier

__all__ = ["MapGradients", "map_gradients"]


@dataclass(frozen=True)
class MapGradients:
    """Statistics of w_k^c, the gradient of logit c averaged over map k (eq. 8), for the K maps of a layer."""

    mean: Tensor
    """Mean over classes and images: eq. 9 to the letter; ``(K,)``."""
    centred: Tensor
    """Root mean square over classes and images of w_k^c less its mean over the classes; ``(K,)``.

    Adding one number to all logits changes no decision, and eq. 9's mean measures just that direction. This measures
    all others.
    """


def map_gradients(
    classifier: Classifier, batches: Iterable[Tensor], layers: Sequence[str], *, seed: int = 0
) -> dict[str, MapGradients]:
    """Gradient statistics of ``layers``, by name, over all images.

    Args:
        classifier: frozen, in eval mode; its logits are y.
        batches: training images, float ``(n, 3, h, w)`` in [0, 1].
        layers: names of the classifier's layers.
        seed: of the random signs.
    """
    generator = torch.Generator().manual_seed(seed)
    sums = {layer: [torch.zeros(()), torch.zeros(())] for layer in layers}
    count = 0
    for batch in batches:
        logits, maps = classifier.forward_with_features(batch.requires_grad_(), layers)
        n, classes = logits.shape
        outputs = [maps[layer] for layer in layers]
        mean = torch.autograd.grad(logits.mean(1).sum(), outputs, retain_graph=True)
        signs = 2.0 * torch.randint(2, (n, classes), generator=generator) - 1
        signs = (signs - signs.mean(1, keepdim=True)).to(logits.device)
        probe = torch.autograd.grad((logits * signs).sum(), outputs)
        for layer, of_mean, of_probe in zip(layers, mean, probe, strict=True):
            sums[layer][0] = sums[layer][0] + of_mean.mean((2, 3)).sum(0).cpu()
            sums[layer][1] = sums[layer][1] + of_probe.mean((2, 3)).square().sum(0).cpu() / classes
        count += n
    return {layer: MapGradients(total / count, (square / count).sqrt()) for layer, (total, square) in sums.items()}
