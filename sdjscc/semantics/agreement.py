"""Whether a loss ranks damaged images as the classifier does: what helps to choose a layer and tau before training."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from sdjscc.tasks.base import Classifier

__all__ = ["agreement"]


@torch.no_grad()
def agreement(
    classifier: Classifier, pairs: Iterable[tuple[Tensor, Tensor]], weights: Mapping[str, Sequence[Tensor]]
) -> tuple[float, dict[str, list[float]]]:
    """Rank correlations (Spearman) over images between a loss and KL(softmax(y) || softmax(y')), the damage.

    Args:
        classifier: frozen.
        pairs: original and received images, each float ``(n, 3, h, w)`` in [0, 1].
        weights: by layer, several W', each ``(K,)``.

    Returns:
        The correlation of the pixels' squared error (eq. 5), and by layer those of eq. 13 with each W'.
    """
    damage: list[Tensor] = []
    pixels: list[Tensor] = []
    maps: dict[str, list[Tensor]] = {layer: [] for layer in weights}
    for original, received in pairs:
        clean, clean_maps = classifier.forward_with_features(original, tuple(weights))
        noisy, noisy_maps = classifier.forward_with_features(received, tuple(weights))
        target, found = clean.log_softmax(1), noisy.log_softmax(1)
        damage.append(functional.kl_div(found, target, reduction="none", log_target=True).sum(1))
        pixels.append((received - original).square().mean((1, 2, 3)))
        for layer in weights:
            maps[layer].append((noisy_maps[layer] - clean_maps[layer]).square().mean((2, 3)))
    ranks = torch.cat(damage)
    by_layer = {layer: torch.cat(errors) for layer, errors in maps.items()}
    return _spearman(torch.cat(pixels), ranks), {
        layer: [_spearman(by_layer[layer] @ w, ranks) for w in of_layer] for layer, of_layer in weights.items()
    }


def _spearman(a: Tensor, b: Tensor) -> float:
    ranks = torch.stack([values.argsort().argsort().double() for values in (a, b)])
    return float(torch.corrcoef(ranks)[0, 1])
