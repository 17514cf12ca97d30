"""The learned codec as the services run it."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load
from torch import Tensor

from sdjscc.channels.constellation import UNIPOLAR_IQ
from sdjscc.codecs.base import Codec, Size
from sdjscc.codecs.card import ModelCard
from sdjscc.codecs.jscc.network import STRIDE, Architecture, Decoder, Encoder
from sdjscc.codecs.jscc.quantizer import quantize

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
        self._encoder = encoder.eval().requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._decoder = decoder.eval().requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def bit_shape(self, size: Size) -> tuple[int, int, int]:
        width, height = size
        return self._latent_channels, -(-height // STRIDE), -(-width // STRIDE)

    @torch.inference_mode()
    def encode(self, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        _, height, width, _ = images.shape
        padded = np.pad(images, ((0, 0), (0, -height % STRIDE), (0, -width % STRIDE), (0, 0)), mode="edge")
        e = self._encoder(torch.from_numpy(padded).permute(0, 3, 1, 2).float().div_(255))
        return quantize(e).to(torch.uint8).contiguous().numpy()

    @torch.inference_mode()
    def decode(self, symbols: NDArray[np.complex64], size: Size, noise_power: NDArray[np.float64]) -> NDArray[np.uint8]:
        shape = self.bit_shape(size)
        components = UNIPOLAR_IQ.components(symbols, int(np.prod(shape)))
        # Symbols straight from a message are read-only, which torch does not share; the layout needs a copy anyway.
        received = torch.tensor(components).view(-1, *shape).contiguous(memory_format=torch.channels_last)
        images: Tensor = self._decoder(received).mul_(255).round_().clamp_(0, 255)
        width, height = size
        return np.ascontiguousarray(images.to(torch.uint8).permute(0, 2, 3, 1)[:, :height, :width].numpy())


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
