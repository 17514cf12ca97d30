"""The quantizer's values and its gradient."""

from __future__ import annotations

import torch

from sdjscc.codecs.jscc.quantizer import quantize, quantize_ste

E = torch.tensor([0.0, 0.3, 0.5, 0.5000001, 0.9, 1.0])
Q = torch.tensor([0.0, 0.0, 0.0, 1.0, 1.0, 1.0])


def test_values_are_those_of_equation_14() -> None:
    assert torch.equal(quantize(E), Q)
    assert torch.equal(quantize_ste(E), Q)


def test_the_gradient_passes_straight_through() -> None:
    e = E.clone().requires_grad_()
    weights = torch.arange(len(E), dtype=torch.float32)
    (quantize_ste(e) * weights).sum().backward()
    assert e.grad is not None
    assert torch.equal(e.grad, weights)
