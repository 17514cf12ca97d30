"""`BitTensor` and `SymbolTensor` messages to numpy arrays and back; buffers are viewed, never walked in Python."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sdjscc.errors import InvalidRequest
from sdjscc.v1.tensor_pb2 import ELEMENT_TYPE_FLOAT16, ELEMENT_TYPE_FLOAT32, BitTensor, ElementType, SymbolTensor

__all__ = ["pack_bits", "pack_symbols", "put_symbols", "unpack_bits", "unpack_symbols"]

_MAX_DIMENSIONS = 8
_COMPONENT_TYPES: dict[int, np.dtype[np.floating[Any]]] = {
    ELEMENT_TYPE_FLOAT32: np.dtype("<f4"),
    ELEMENT_TYPE_FLOAT16: np.dtype("<f2"),
}


def pack_bits(bits: NDArray[np.uint8]) -> BitTensor:
    """Bits (0 or 1), uint8 of any shape, eight to a byte."""
    return BitTensor(shape=bits.shape, data=np.packbits(bits, axis=None).tobytes())


def unpack_bits(message: BitTensor) -> NDArray[np.uint8]:
    """Bits (0 or 1), uint8 of the message's shape. Raises `InvalidRequest` where bytes and shape disagree."""
    count = _element_count(message.shape)
    needed = -(-count // 8)
    if len(message.data) != needed:
        raise InvalidRequest(
            f"{len(message.data)} bytes do not hold bits of shape {list(message.shape)}; send {needed} bytes"
        )
    packed = np.frombuffer(message.data, np.uint8)
    return np.unpackbits(packed, count=count).reshape(message.shape)


def pack_symbols(symbols: NDArray[np.complex64], element_type: ElementType = ELEMENT_TYPE_FLOAT32) -> SymbolTensor:
    """Complex symbols of any shape, stored as float32 or float16 components."""
    message = SymbolTensor()
    put_symbols(message, symbols, element_type)
    return message


def put_symbols(
    message: SymbolTensor, symbols: NDArray[np.complex64], element_type: ElementType = ELEMENT_TYPE_FLOAT32
) -> None:
    """As `pack_symbols`, into a message that is part of another: to copy one in would copy its bytes once more."""
    components = np.ascontiguousarray(symbols, np.complex64).view(np.float32)
    stored = components.astype(_COMPONENT_TYPES[element_type], copy=False)
    message.shape[:] = symbols.shape
    message.element_type = element_type
    message.data = stored.tobytes()


def unpack_symbols(message: SymbolTensor) -> NDArray[np.complex64]:
    """Complex64 symbols of the message's shape (read-only where no conversion is needed).

    Raises `InvalidRequest` where bytes, type and shape disagree or a component is not finite.
    """
    count = _element_count(message.shape)
    component_type = _COMPONENT_TYPES.get(message.element_type)
    if component_type is None:
        raise InvalidRequest(
            f"symbols have the unknown element type {message.element_type}; send ELEMENT_TYPE_FLOAT32 or _FLOAT16"
        )
    needed = 2 * count * component_type.itemsize
    if len(message.data) != needed:
        raise InvalidRequest(
            f"{len(message.data)} bytes do not hold symbols of shape {list(message.shape)} and type "
            f"{component_type.name}; send {needed} bytes"
        )
    components = np.frombuffer(message.data, component_type).astype(np.float32, copy=False)
    if not np.isfinite(components).all():
        raise InvalidRequest("symbols hold NaN or infinite components; send finite ones")
    symbols: NDArray[np.complex64] = components.view(np.complex64).reshape(message.shape)
    return symbols


def _element_count(shape: Sequence[int]) -> int:
    if not 1 <= len(shape) <= _MAX_DIMENSIONS or min(shape) < 1:
        raise InvalidRequest(
            f"the tensor's shape is {list(shape)[:_MAX_DIMENSIONS]}; "
            f"send 1 to {_MAX_DIMENSIONS} dimensions of at least 1"
        )
    return math.prod(shape)
