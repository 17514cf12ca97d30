"""A torch module as a graph of OpenVINO, layer by layer.

What can be folded is folded on the way: scaling and shifting by constants waits until something needs the values and
passes through rearrangements, so that bytes are moved instead of floats; uneven padding goes into the convolution; the
sigmoid before a threshold is left out, being above 0.5 where its input is above 0; rounding and clipping to bytes is
one quantization, done on a convolution's output before the pixels are shuffled.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import openvino
from numpy.typing import NDArray
from openvino import Model, Node, PartialShape, Type, opset13
from torch import Tensor, fx, nn

from sdjscc.engines.base import LayerRanges
from sdjscc.engines.ends import ChannelsLast, FromPixels, ToBits, ToPixels
from sdjscc.engines.ranges import STEPS, with_zero
from sdjscc.errors import InvalidRequest

__all__ = ["translate"]

# A layer that gets an image's three colours, scaled from bytes to something finer, loses more by 8 bits than it gains.
_COLOURS = 3
_ENDS = (FromPixels, ToPixels, ToBits, ChannelsLast)


def translate(network: nn.Module, ranges: LayerRanges | None = None) -> Model:
    """The graph of a module with one input and one output, for any batch and image size.

    The input is uint8 ``(n, h, w, 3)`` where the module begins with `FromPixels`, else float32 ``(n, c, h, w)``. With
    ``ranges`` convolutions and linear layers compute with 8-bit integers, but for one that gets an image's colours.
    Raises `InvalidRequest` for a layer or an operation that has no translation.
    """
    return _Translation(network, ranges).model()


@dataclass(frozen=True)
class _Value:
    """``scale * node + shift``, behind ``padding`` zeros (left, right, top, bottom)."""

    node: Node
    scale: float = 1.0
    shift: float = 0.0
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)

    def plain(self) -> Node:
        """As a float32 node."""
        node = self.node
        if any(self.padding):
            raise InvalidRequest("zero padding that stands before no convolution has no translation to OpenVINO")
        if node.get_element_type() != Type.f32:
            node = opset13.convert(node, "f32")
        if self.scale != 1.0:
            node = opset13.multiply(node, np.float32(self.scale))
        return opset13.add(node, np.float32(self.shift)) if self.shift else node


class _Tracer(fx.Tracer):
    """Looks into modules down to torch's own layers and the ends."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, (nn.Conv2d, *_ENDS)) or super().is_leaf_module(m, module_qualified_name)


class _Translation:
    def __init__(self, network: nn.Module, ranges: LayerRanges | None) -> None:
        self._graph = _Tracer().trace(network)
        self._modules = dict(network.named_modules())
        self._ranges = ranges

    def model(self) -> Model:
        values: dict[fx.Node, _Value] = {}
        parameter: Node | None = None
        for node in self._graph.nodes:
            inputs = [values[a] if isinstance(a, fx.Node) else a for a in node.args]
            if node.op == "output":
                return Model([inputs[0].plain() if _is_float(inputs[0].node) else inputs[0].node], [parameter])
            if node.op == "placeholder":
                parameter = self._parameter(node)
                values[node] = _Value(parameter)
            elif node.op == "call_module":
                values[node] = self._layer(str(node.target), inputs[0])
            else:
                values[node] = _operation(node, inputs)
        raise AssertionError("a graph ends with its output")

    def _parameter(self, node: fx.Node) -> Node:
        first = next(iter(node.users))
        pixels = first.op == "call_module" and isinstance(self._modules[str(first.target)], FromPixels)
        if pixels:
            return opset13.parameter(PartialShape([-1, -1, -1, 3]), Type.u8)
        return opset13.parameter(PartialShape([-1, self._channels(), -1, -1]), Type.f32)

    def _channels(self) -> int:
        """Of the input, as the first convolution has them."""
        first = next(module for module in self._modules.values() if isinstance(module, nn.Conv2d))
        return first.in_channels

    def _layer(self, name: str, x: _Value) -> _Value:
        match layer := self._modules[name]:
            case nn.Conv2d():
                return self._convolution(name, layer, x)
            case nn.Linear():
                return self._linear(name, layer, x)
            case nn.ZeroPad2d():
                return replace(x, padding=layer.padding)
            case nn.LeakyReLU():
                return _Value(opset13.prelu(x.plain(), np.array([layer.negative_slope], np.float32)))
            case nn.ReLU6():
                return _Value(opset13.clamp(x.plain(), 0.0, 6.0))
            case nn.Sigmoid():
                return _Value(opset13.sigmoid(x.plain()))
            case nn.PixelShuffle():
                return replace(x, node=_shuffle(x.node, layer.upscale_factor))
            case nn.PixelUnshuffle():
                return replace(x, node=opset13.space_to_depth(x.node, "depth_first", layer.downscale_factor))
            case FromPixels():
                return _Value(opset13.transpose(x.node, [0, 3, 1, 2]), scale=1 / 255)
            case ToPixels():
                return _to_pixels(x)
            case ToBits():
                return _to_bits(x)
            case ChannelsLast():
                return x
        raise InvalidRequest(f"the layer {type(layer).__name__} has no translation to OpenVINO; use the engine torch")

    def _convolution(self, name: str, layer: nn.Conv2d, x: _Value) -> _Value:
        if layer.padding_mode != "zeros" or isinstance(layer.padding, str):
            raise InvalidRequest("only convolutions with zeros around have a translation to OpenVINO")
        top, left = layer.padding
        more_left, more_right, more_top, more_bottom = x.padding
        begin, end = [top + more_top, left + more_left], [top + more_bottom, left + more_right]
        data, weight = self._operands(name, replace(x, padding=(0, 0, 0, 0)).plain(), layer.weight)
        geometry = list(layer.stride), begin, end, list(layer.dilation)
        if layer.groups == 1:
            node = opset13.convolution(data, weight, *geometry)
        else:
            per_group = [layer.groups, layer.out_channels // layer.groups, *layer.weight.shape[1:]]
            node = opset13.group_convolution(data, opset13.reshape(weight, per_group, False), *geometry)
        return _Value(_biased(node, layer.bias, (1, -1, 1, 1)))

    def _linear(self, name: str, layer: nn.Linear, x: _Value) -> _Value:
        data, weight = self._operands(name, x.plain(), layer.weight)
        return _Value(_biased(opset13.matmul(data, weight, False, True), layer.bias, (1, -1)))

    def _operands(self, name: str, data: Node, weight: Tensor) -> tuple[Node, Node]:
        values = weight.detach().float().numpy()
        if self._ranges is None or values.shape[1] == _COLOURS:
            return data, opset13.constant(values)
        if name not in self._ranges:
            raise InvalidRequest(f"the ranges name no layer {name!r}; write them anew: sdjscc engines calibrate")
        return _in_8_bits(data, *self._ranges[name]), _weights_in_8_bits(values)


def _in_8_bits(x: Node, low: float, high: float) -> Node:
    bounds = [np.float32(bound) for bound in with_zero(low, high)]
    return opset13.fake_quantize(x, *bounds, *bounds, STEPS + 1)


def _weights_in_8_bits(values: NDArray[np.float32]) -> Node:
    """Each output channel with a step of its own."""
    largest = np.abs(values).reshape(len(values), -1).max(axis=1).clip(1e-12)
    bound = largest.reshape(-1, *[1] * (values.ndim - 1)).astype(np.float32)
    return opset13.fake_quantize(opset13.constant(values), -bound, bound, -bound, bound, 255)


def _biased(node: Node, bias: Tensor | None, shape: tuple[int, ...]) -> Node:
    if bias is None:
        return node
    return opset13.add(node, opset13.constant(bias.detach().float().numpy().reshape(shape)))


def _shuffle(x: Node, factor: int) -> Node:
    return opset13.depth_to_space(x, "depth_first", factor)


def _to_bits(x: _Value) -> _Value:
    if x.node.get_type_name() == "Sigmoid" and (x.scale, x.shift) == (1.0, 0.0):
        above = opset13.greater(x.node.input_value(0), np.float32(0))
    else:
        above = opset13.greater(x.plain(), np.float32(0.5))
    return _Value(opset13.convert(above, "u8"))


def _to_pixels(x: _Value) -> _Value:
    black, white = np.float32(-x.shift / x.scale), np.float32((1 - x.shift) / x.scale)
    shuffled = x.node.get_type_name() == "DepthToSpace"
    node = x.node.input_value(0) if shuffled else x.node
    node = opset13.fake_quantize(node, black, white, np.float32(0), np.float32(255), 256)
    node = opset13.convert(node, "u8")
    if shuffled:
        node = _shuffle(node, x.node.get_attributes()["block_size"])
    return _Value(opset13.transpose(node, [0, 2, 3, 1]))


def _operation(node: fx.Node, inputs: list[Any]) -> _Value:
    """What a module's own code does between its layers."""
    if node.target in (operator.add, operator.mul) and not isinstance(inputs[0], _Value):
        inputs = inputs[::-1]
    x = inputs[0]
    if node.op == "call_method" and node.target == "contiguous":
        return x  # type: ignore[no-any-return]
    if node.op == "call_method" and node.target == "mean":
        return _Value(opset13.reduce_mean(x.plain(), list(node.kwargs["dim"]), False))  # type: ignore[arg-type]
    if node.op == "call_function" and isinstance(x, _Value) and len(inputs) == 2:
        y = inputs[1]
        if node.target is operator.add and isinstance(y, _Value):
            return _Value(opset13.add(x.plain(), y.plain()))
        if isinstance(y, int | float) and not any(x.padding):
            if node.target in (operator.add, operator.sub):
                return replace(x, shift=x.shift + (y if node.target is operator.add else -y))
            if node.target in (operator.mul, operator.truediv):
                factor = y if node.target is operator.mul else 1 / y
                return replace(x, scale=x.scale * factor, shift=x.shift * factor)
    raise InvalidRequest(f"{node.target} in the network's code has no translation to OpenVINO; use the engine torch")


def _is_float(node: Node) -> bool:
    return bool(node.get_element_type() == openvino.Type.f32)
