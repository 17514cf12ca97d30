"""The learned codec as the services run it."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load
from torch import nn

from sdjscc.channels.constellation import UNIPOLAR_IQ
from sdjscc.codecs.base import Codec, Size
from sdjscc.codecs.card import ModelCard
from sdjscc.codecs.jscc.network import STRIDE, Architecture, Decoder, Encoder
from sdjscc.engines import Engine, Runner, ranges_file, read_ranges
from sdjscc.engines.ends import ChannelsLast, FromPixels, ToBits, ToPixels
from sdjscc.engines.torch_engine import TorchEngine

__all__ = ["JsccCodec", "load_from_card", "load_networks"]


class JsccCodec(Codec):
    """Deep JSCC and SD-JSCC: one network, trained with one loss or the other.

    Images whose sides are no multiple of 8 are padded by repeating their last row and column, and cropped again; the
    bits of the padding are sent and counted.
    """

    constellation = UNIPOLAR_IQ

    def __init__(
        self, name: str, encoder: Encoder, decoder: Decoder, latent_channels: int, weights_sha256: str = ""
    ) -> None:
        self.name, self.weights_sha256 = name, weights_sha256
        self.bpp = latent_channels / STRIDE**2
        self._latent_channels = latent_channels
        self.encoder = _stage(pixels=FromPixels(), network=encoder, bits=ToBits())
        """From RGB pixels, uint8 ``(n, h, w, 3)`` with sides a multiple of 8, to bits, uint8 ``(n, C, h/8, w/8)``."""
        self.decoder = _stage(layout=ChannelsLast(), network=decoder, pixels=ToPixels())
        """From received components, float ``(n, C, h/8, w/8)``, to RGB pixels, uint8 ``(n, h, w, 3)``."""
        self._encode, self._decode = self._runners(TorchEngine())

    def bit_shape(self, size: Size) -> tuple[int, int, int]:
        width, height = size
        return self._latent_channels, -(-height // STRIDE), -(-width // STRIDE)

    def run_on(self, engine: Engine, weights: Path) -> None:
        self._encode, self._decode = self._runners(engine, weights)

    def encode(self, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        _, height, width, _ = images.shape
        padded = np.pad(images, ((0, 0), (0, -height % STRIDE), (0, -width % STRIDE), (0, 0)), mode="edge")
        return self._encode(padded)

    def decode(self, symbols: NDArray[np.complex64], size: Size, noise_power: NDArray[np.float64]) -> NDArray[np.uint8]:
        shape = self.bit_shape(size)
        components = UNIPOLAR_IQ.components(symbols, int(np.prod(shape)))
        images = self._decode(components.reshape(-1, *shape))
        width, height = size
        return np.ascontiguousarray(images[:, :height, :width])

    def _runners(self, engine: Engine, weights: Path | None = None) -> tuple[Runner, Runner]:
        if not engine.needs_ranges:
            return engine.runner(self.encoder), engine.runner(self.decoder)
        assert weights is not None
        ranges = read_ranges(ranges_file(weights), self.weights_sha256).networks
        return engine.runner(self.encoder, ranges["encoder"]), engine.runner(self.decoder, ranges["decoder"])


def _stage(**parts: nn.Module) -> nn.Sequential:
    """The parts one after the other, frozen, in the layout in which torch convolves fastest."""
    stage = nn.Sequential(OrderedDict(parts)).eval().requires_grad_(False)
    return stage.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def load_networks(card: ModelCard, weights: bytes) -> tuple[Encoder, Decoder]:
    """The networks of a card, float32, with the weights of its safetensors file."""
    architecture = Architecture.model_validate(card.architecture)
    encoder, decoder = Encoder(architecture), Decoder(architecture)
    tensors = {name: tensor.float() for name, tensor in load(weights).items()}
    for prefix, network in (("encoder.", encoder), ("decoder.", decoder)):
        network.load_state_dict({k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)})
    return encoder, decoder


def load_from_card(card: ModelCard, weights: bytes) -> JsccCodec:
    """The codec of a card and the bytes of its safetensors file."""
    latent_channels = Architecture.model_validate(card.architecture).latent_channels
    return JsccCodec(card.codec, *load_networks(card, weights), latent_channels, card.weights_sha256)
