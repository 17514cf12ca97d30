"""Bits and symbols on the wire, as properties."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sdjscc.errors import InvalidRequest
from sdjscc.v1.tensor_pb2 import ELEMENT_TYPE_FLOAT16, ELEMENT_TYPE_FLOAT32, BitTensor, SymbolTensor
from sdjscc.wire.tensors import pack_bits, pack_symbols, unpack_bits, unpack_symbols

shapes = hnp.array_shapes(min_dims=1, max_dims=4, max_side=9)
bits = shapes.flatmap(lambda shape: hnp.arrays(np.uint8, shape, elements=st.integers(0, 1)))
components = st.floats(-100, 100, width=16)


@given(bits)
def test_bits_come_back_as_they_went(original: np.ndarray) -> None:
    message = pack_bits(original)
    assert len(message.data) == math.ceil(original.size / 8)
    assert np.array_equal(unpack_bits(message), original)


def test_bits_are_packed_most_significant_first_and_filled_with_zeros() -> None:
    assert pack_bits(np.array([1, 0, 0, 0, 0, 0, 0, 1, 1], np.uint8)).data == b"\x81\x80"


@given(shapes.flatmap(lambda shape: hnp.arrays(np.float32, (*shape, 2), elements=components)))
def test_symbols_come_back_as_they_went(parts: np.ndarray) -> None:
    original = parts.view(np.complex64)[..., 0]
    for element_type in (ELEMENT_TYPE_FLOAT32, ELEMENT_TYPE_FLOAT16):
        assert np.array_equal(unpack_symbols(pack_symbols(original, element_type)), original)


def test_symbols_are_little_endian_in_phase_first() -> None:
    message = pack_symbols(np.array([1 - 2j], np.complex64))
    assert message.data == np.array([1, -2], "<f4").tobytes()


@given(st.lists(st.integers(0, 2**32 - 1), max_size=10), st.binary(max_size=64), st.integers(0, 3))
def test_any_message_is_read_or_refused(shape: list[int], data: bytes, element_type: int) -> None:
    """Nothing from the wire raises anything but `InvalidRequest`, however its shape and bytes disagree."""
    messages = (
        (unpack_bits, BitTensor(shape=shape, data=data)),
        (unpack_symbols, SymbolTensor(shape=shape, element_type=element_type, data=data)),
    )
    for unpack, message in messages:
        try:
            array = unpack(message)
        except InvalidRequest:
            continue
        assert array.shape == tuple(shape)


@pytest.mark.parametrize("length", [0, 1, 3])
def test_the_error_names_the_bytes_needed(length: int) -> None:
    with pytest.raises(InvalidRequest, match="send 2 bytes"):
        unpack_bits(BitTensor(shape=[3, 3], data=bytes(length)))
    with pytest.raises(InvalidRequest, match="send 72 bytes"):
        unpack_symbols(SymbolTensor(shape=[3, 3], element_type=ELEMENT_TYPE_FLOAT32, data=bytes(length)))


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("element_type", [ELEMENT_TYPE_FLOAT32, ELEMENT_TYPE_FLOAT16])
def test_symbols_that_are_not_finite_are_refused(value: float, element_type: int) -> None:
    with pytest.raises(InvalidRequest, match="finite"):
        unpack_symbols(pack_symbols(np.array([complex(value, 0)], np.complex64), element_type))
