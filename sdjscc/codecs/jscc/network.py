"""The convolutional encoder and decoder of deep JSCC and SD-JSCC (paper, section III-C and fig. 3).

Both are fully convolutional with a stride of 8. The width sits at low resolution and the decoder grows by sub-pixel
convolution, because full-resolution layers are what such networks spend their time on.

::

    image 3 x H x W                                             image 3 x H x W
      | space to depth / 2                                        ^ depth to space x 2
      | conv 3x3 -> 32           H/2                    conv 3x3 -> 12
      | conv 3x3 / 2 -> 64       H/4                residual 32, depth to space x 2
      | residual 64                                 residual 64, depth to space x 2
      | conv 3x3 / 2 -> width    H/8                residual width
      | residual width                                            |
      v conv 3x3 -> C, sigmoid                      conv 3x3 -> width
      e in (0, 1), C x H/8 x W/8  --Q-->  q  --channel-->  q + N
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

__all__ = ["STRIDE", "Architecture", "Decoder", "Encoder", "cut_to_rate"]

STRIDE = 8
"""Pixels a side that one latent position covers; C latent channels cost C / STRIDE^2 bpp."""


class Architecture(BaseModel):
    """Sizes that fix a network; kept in the model card, so that weights say what they fit."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    latent_channels: int = Field(gt=0, description="C; bpp = C / 64")
    width: int = Field(128, gt=0, description="channels at 1/8 resolution")
    encoder_blocks: tuple[int, int] = Field((1, 2), description="residual blocks at 1/4 and 1/8 resolution")
    decoder_blocks: tuple[int, int, int] = Field((4, 2, 1), description="residual blocks at 1/8, 1/4 and 1/2")

    @property
    def bpp(self) -> float:
        """Bits per pixel of images whose sides are multiples of `STRIDE`."""
        return self.latent_channels / STRIDE**2


class Encoder(nn.Sequential):
    """Images in [0, 1], float ``(n, 3, h, w)`` with sides a multiple of 8, to e in (0, 1), ``(n, C, h/8, w/8)``."""

    def __init__(self, architecture: Architecture) -> None:
        blocks_4, blocks_8 = architecture.encoder_blocks
        width = architecture.width
        super().__init__(
            Affine(2.0, -1.0),
            nn.PixelUnshuffle(2),
            _conv(12, 32),
            _activation(),
            _conv(32, 64, stride=2),
            *[ResidualBlock(64) for _ in range(blocks_4)],
            _conv(64, width, stride=2),
            *[ResidualBlock(width) for _ in range(blocks_8)],
            _conv(width, architecture.latent_channels),
            nn.Sigmoid(),
        )


class Decoder(nn.Sequential):
    """Received components q + N, float ``(n, C, h/8, w/8)``, to images ``(n, 3, h, w)``, not clipped to [0, 1]."""

    def __init__(self, architecture: Architecture) -> None:
        blocks_8, blocks_4, blocks_2 = architecture.decoder_blocks
        width = architecture.width
        super().__init__(
            Affine(2.0, -1.0),
            _conv(architecture.latent_channels, width),
            *[ResidualBlock(width) for _ in range(blocks_8)],
            *_upsample(width, 64),
            *[ResidualBlock(64) for _ in range(blocks_4)],
            *_upsample(64, 32),
            *[ResidualBlock(32) for _ in range(blocks_2)],
            *_upsample(32, 3),
            Affine(0.5, 0.5),
        )


def cut_to_rate(tensors: Mapping[str, Tensor], latent_channels: int) -> dict[str, Tensor]:
    """The tensors of a network's encoder and decoder (as ``encoder.*``, ``decoder.*``) for its first
    ``latent_channels`` alone: the encoder's last and the decoder's first convolution are cut, the rest is as it is."""
    places = [name.split(".")[:2] for name in tensors]
    last = f"encoder.{max(int(place) for network, place in places if network == 'encoder')}"
    first = f"decoder.{min(int(place) for network, place in places if network == 'decoder')}"
    return {
        **tensors,
        f"{last}.weight": tensors[f"{last}.weight"][:latent_channels],
        f"{last}.bias": tensors[f"{last}.bias"][:latent_channels],
        f"{first}.weight": tensors[f"{first}.weight"][:, :latent_channels],
    }


class ResidualBlock(nn.Module):
    """x + conv(act(conv(act(x)))), ``channels`` in and out. The last convolution starts at zero: without
    normalization layers, a deep stack trains stably when it begins as the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(_activation(), _conv(channels, channels), _activation(), _conv(channels, channels))
        last = self.branch[-1]
        assert isinstance(last, nn.Conv2d)
        assert last.bias is not None
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.branch(x)  # type: ignore[no-any-return]


class Affine(nn.Module):
    """scale * x + shift: moves [0, 1] to [-1, 1] at the input, and back at the output."""

    def __init__(self, scale: float, shift: float) -> None:
        super().__init__()
        self.scale, self.shift = scale, shift

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale + self.shift


def _conv(channels_in: int, channels_out: int, stride: int = 1) -> nn.Conv2d:
    layer = nn.Conv2d(channels_in, channels_out, 3, stride, padding=1)
    nn.init.kaiming_normal_(layer.weight, a=0.1, nonlinearity="leaky_relu")
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    return layer


def _upsample(channels_in: int, channels_out: int) -> list[nn.Module]:
    return [_conv(channels_in, 4 * channels_out), nn.PixelShuffle(2)]


def _activation() -> nn.Module:
    return nn.LeakyReLU(0.1)
