"""GSW and the semantic loss: the fast way against the slow one, and the limits of tau."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from sdjscc.errors import InvalidRequest, UnknownName
from sdjscc.semantics.agreement import agreement
from sdjscc.semantics.gradients import map_gradients
from sdjscc.semantics.loss import DistillationLoss, SemanticLoss
from sdjscc.semantics.weights import read_gradients, semantic_weights, write_gradients
from sdjscc.tasks import get_classifier
from sdjscc.tasks.base import Classifier

LAYERS = ("stage5", "head")
Pixels = NDArray[np.uint8]


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return get_classifier("stl10")


@pytest.fixture(scope="module")
def images(cat: Pixels) -> Tensor:
    """Four crops of a photograph, (4, 3, 96, 96)."""
    crops = [cat[y : y + 96, x : x + 96] for y, x in ((0, 0), (60, 200), (120, 100), (200, 340))]
    return torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).float() / 255


def slow_gradients(classifier: Classifier, images: Tensor, layer: str) -> Tensor:
    """Eq. 8 as it is written, a backward pass for each class: w_k^c, (images, classes, K)."""
    logits, maps = classifier.forward_with_features(images.clone().requires_grad_(), (layer,))
    by_class = [
        torch.autograd.grad(logits[:, c].sum(), maps[layer], retain_graph=True)[0].mean((2, 3))
        for c in range(logits.shape[1])
    ]
    return torch.stack(by_class, 1)


@pytest.mark.parametrize("layer", LAYERS)
def test_one_pass_gives_the_mean_over_classes(classifier: Classifier, images: Tensor, layer: str) -> None:
    # A head whose classes do not cancel, as the shipped one's do by training: else both sides are rounding errors.
    uneven = get_classifier("stl10")
    uneven.head.weight.data *= torch.arange(1.0, 11.0).view(-1, 1)
    expected = slow_gradients(uneven, images, layer).mean((0, 1))
    found = map_gradients(uneven, [images[:3].clone(), images[3:].clone()], (layer,))[layer].mean
    assert torch.allclose(found, expected, rtol=1e-3, atol=1e-3 * expected.abs().max().item())


@pytest.mark.parametrize("layer", LAYERS)
def test_random_signs_estimate_the_centred_root_mean_square(classifier: Classifier, images: Tensor, layer: str) -> None:
    slow = slow_gradients(classifier, images, layer)
    expected = (slow - slow.mean(1, keepdim=True)).square().mean((0, 1)).sqrt()
    found = map_gradients(classifier, [images.clone() for _ in range(60)], (layer,), seed=1)[layer].centred
    # 240 probes of a mean square: its standard deviation is at most sqrt(2 / 240) of it, and half that of the root.
    ratio = found / expected
    assert ratio.mean().item() == pytest.approx(1, abs=0.02)
    assert ratio.std().item() < 0.1


def test_the_mean_of_a_trained_softmax_head_is_nothing(classifier: Classifier, images: Tensor) -> None:
    """The direction that eq. 9 measures changes no decision, so training leaves it where weight decay puts it: at 0."""
    statistics = map_gradients(classifier, [images.clone()], ("head",))["head"]
    assert statistics.mean.abs().max() < 1e-4 * statistics.centred.mean()


def test_tau_zero_is_the_ablation_without_gsw(classifier: Classifier, images: Tensor) -> None:
    gradients = torch.randn(112)
    weights = semantic_weights(gradients, 0)
    assert torch.equal(weights, torch.ones(112))
    noisy = (images + 0.1 * torch.randn(images.shape, generator=torch.Generator().manual_seed(0))).clamp(0, 1)
    with_gsw = SemanticLoss(classifier, "stage5", weights)(noisy, images)
    maps, clean = (classifier.features(x, ("stage5",))["stage5"] for x in (noisy, images))
    assert with_gsw.item() == pytest.approx((maps - clean).square().mean().item(), rel=1e-6)


def test_weights_have_mean_one_and_a_large_tau_leaves_one_map() -> None:
    gradients = torch.randn(320, generator=torch.Generator().manual_seed(0))
    for tau in (0.5, 1, 2):
        assert semantic_weights(gradients, tau).mean().item() == pytest.approx(1, rel=1e-4)
    weights = semantic_weights(gradients, 1e6)
    assert weights.argmax() == gradients.argmax()
    assert weights.max().item() == pytest.approx(320)
    assert semantic_weights(gradients, 3).argsort().equal(gradients.argsort())


def test_the_loss_is_equation_13(classifier: Classifier, images: Tensor) -> None:
    weights = semantic_weights(torch.randn(1280, generator=torch.Generator().manual_seed(0)), 1)
    noisy = images.flip(3)
    received, clean = (classifier.features(x, ("head",))["head"] for x in (noisy, images))
    k, m, n = clean.shape[1:]
    literal = sum(
        weights[map_] * (received[b, map_] - clean[b, map_]).square().sum() for b in range(4) for map_ in range(k)
    )
    found = SemanticLoss(classifier, "head", weights)(noisy, images)
    assert found.item() == pytest.approx(float(literal) / 4 / (k * m * n), rel=1e-4)


def test_gradients_reach_the_received_image_alone(classifier: Classifier, images: Tensor) -> None:
    for loss in (SemanticLoss(classifier, "stage3", torch.ones(40)), DistillationLoss(classifier, 2.0)):
        received = images.flip(3).requires_grad_()
        original = images.clone().requires_grad_()
        loss(received, original).backward()
        assert received.grad is not None
        assert received.grad.abs().sum() > 0
        assert original.grad is None
        assert loss(images, images).item() == pytest.approx(0, abs=1e-6)


def test_the_classifier_sees_what_the_receiver_shows(classifier: Classifier, images: Tensor) -> None:
    """Beyond black and white there is nothing to gain, and where there is a gradient, it leads back."""
    beyond = (4 * images - 1.5).requires_grad_()
    assert 0.1 < ((beyond < 0) | (beyond > 1)).float().mean() < 0.9
    for loss in (SemanticLoss(classifier, "stage3", torch.ones(40)), DistillationLoss(classifier, 2.0)):
        found = loss(beyond, images)
        assert found.item() == pytest.approx(loss(beyond.detach().clamp(0, 1), images).item(), rel=1e-5)
        (gradient,) = torch.autograd.grad(found, beyond)
        assert gradient[beyond > 1].min() == 0 < gradient[beyond > 1].max()
        assert gradient[beyond < 0].min() < 0 == gradient[beyond < 0].max()
        assert gradient[(beyond > 0) & (beyond < 1)].min() < 0


def test_agreement_is_the_rank_correlation_of_loss_and_damage(classifier: Classifier, images: Tensor) -> None:
    """Four strengths of noise: losses and damage grow with it, so the ranks agree."""
    noise = torch.randn(images[:1].shape, generator=torch.Generator().manual_seed(0))
    originals = images[:1].expand(4, -1, -1, -1)
    received = (originals + torch.tensor([0.0, 0.03, 0.2, 0.6]).view(-1, 1, 1, 1) * noise).clamp(0, 1)
    halves = [(originals[:2], received[:2]), (originals[2:], received[2:])]
    pixels, by_layer = agreement(classifier, halves, {"head": [torch.ones(1280), -torch.ones(1280)]})
    assert pixels == pytest.approx(1)
    assert by_layer["head"] == pytest.approx([1, -1])


def test_a_strided_depthwise_convolution_has_the_gradient_of_the_plain_one(classifier: Classifier) -> None:
    """The classifier takes it another way, for speed."""
    layers = [module for module in classifier.modules() if type(module).__name__ == "_StridedDepthwise"]
    assert len(layers) == 4
    for layer in layers:
        assert isinstance(layer, torch.nn.Conv2d)
        x = torch.randn(2, layer.in_channels, 17, 16, generator=torch.Generator().manual_seed(0), requires_grad=True)
        plain = torch.nn.Conv2d.forward(layer, x)
        found = layer(x)
        assert torch.allclose(found, plain, atol=1e-5)
        assert torch.equal(layer(x.detach()), plain.detach())
        upstream = torch.randn(plain.shape, generator=torch.Generator().manual_seed(1))
        expected, gradient = (torch.autograd.grad(y, x, upstream, retain_graph=True)[0] for y in (plain, found))
        assert torch.allclose(gradient, expected, atol=1e-4)


def test_weights_that_do_not_fit_are_refused(classifier: Classifier, images: Tensor) -> None:
    with pytest.raises(InvalidRequest, match="7 semantic weights do not fit 40"):
        SemanticLoss(classifier, "stage3", torch.ones(7))(images, images)


def test_gradients_are_kept_in_a_file(classifier: Classifier, images: Tensor, tmp_path: Path) -> None:
    gradients = map_gradients(classifier, [images.clone()], LAYERS)
    file = tmp_path / "gsw.safetensors"
    write_gradients(file, gradients, {"data": "a cat"})
    assert torch.equal(read_gradients(file, "head", "centred"), gradients["head"].centred)
    with pytest.raises(UnknownName, match="it has: head, stage5"):
        read_gradients(file, "stage1", "mean")
    with pytest.raises(InvalidRequest, match="sdjscc semantic-weights"):
        read_gradients(tmp_path / "nowhere", "head", "mean")
