"""Files in frames of whole code words: marked end, padding, scrambling."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sdjscc.errors import InvalidRequest, Undecodable

__all__ = ["frame", "frame_words", "unframe"]

Bits = NDArray[np.uint8]


def frame_words(file_bytes: int, word_bits: int) -> int:
    """Code words of ``word_bits`` information bits that a file of up to ``file_bytes`` and its end mark take."""
    return -(-(8 * file_bytes + 1) // word_bits)


def frame(file: bytes, bit_count: int) -> Bits:
    """A file as exactly ``bit_count`` bits, uint8 ``(bit_count,)`` of 0 and 1.

    The file's bits, first bit of a byte first, are followed by a single 1 and filled up with zeros: the receiver finds
    the end without being told the length. All is scrambled, or the padding would be sent as thousands of equal symbols
    at a corner of the constellation, whose power is not the mean one. Raises `InvalidRequest` where the file is too
    long.
    """
    bits = np.zeros(bit_count, np.uint8)
    end = 8 * len(file)
    if end >= bit_count:
        raise InvalidRequest(f"a file of {len(file)} bytes was given to a frame of {bit_count} bits; shorten the file")
    bits[:end] = np.unpackbits(np.frombuffer(file, np.uint8))
    bits[end] = 1
    return bits ^ _scrambling(bit_count)


def unframe(bits: Bits) -> bytes:
    """The file that `frame` made ``bits`` of; raises `Undecodable` where no whole file ends in them."""
    clear = bits ^ _scrambling(len(bits))
    ones = np.flatnonzero(clear)
    if not len(ones) or ones[-1] % 8:
        raise Undecodable("the frame has no end mark")
    return np.packbits(clear[: ones[-1]]).tobytes()


def _scrambling(bit_count: int) -> Bits:
    """The scrambler of IEEE Std 802.11-2020, 17.3.5.5: x^7 + x^4 + 1 from the state of all ones, period 127."""
    return np.resize(_PERIOD, bit_count)


def _period() -> Bits:
    state, sequence = [1] * 7, []
    for _ in range(127):
        fed_back = state[6] ^ state[3]
        sequence.append(fed_back)
        state = [fed_back, *state[:6]]
    return np.array(sequence, np.uint8)


_PERIOD = _period()
