"""Valid inputs made invalid in small ways: bytes that are changed, and messages whose fields are."""

from __future__ import annotations

import math
from random import Random
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

__all__ = ["change_bytes", "change_message"]

_INTEGERS = (0, 1, 2, 3, 7, 8, 9, 16, 24, 255, 256, 4095, 65535, 2**31 - 1, 2**31, 2**32 - 1, 2**53, 2**64 - 1)
_NUMBERS = (0.0, -0.0, 0.125, 0.25, 0.5, 5.0, -30.0, 100.0, -1.0, 1e-300, 1e300, math.nan, math.inf, -math.inf)
_WORDS = ("", "sd-jscc", "deep-jscc", "webp+ldpc", "jpeg-agreed+ldpc", "unipolar-iq", "16-qam", "stl10", "awgn", "x")
_CPP = FieldDescriptor


def change_bytes(data: bytes, rng: Random) -> bytes:
    """Some bytes flipped, set, left out, doubled, moved in or cut off."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4, 8))):
        at = rng.randrange(len(changed) + 1)
        length = rng.choice((1, 1, 2, 4, 16, 64))
        kind = rng.randrange(7)
        if kind == 0 and at < len(changed):
            changed[at] ^= 1 << rng.randrange(8)
        elif kind == 1 and at < len(changed):
            changed[at] = rng.choice((0, 1, 127, 128, 255))
        elif kind == 2:
            changed[at : at + length] = rng.randbytes(length)
        elif kind == 3:
            del changed[at : at + length]
        elif kind == 4:
            changed[at:at] = rng.randbytes(length)
        elif kind == 5:
            changed[at:at] = changed[at : at + length]
        elif rng.random() < 0.2:
            del changed[at:]
    return bytes(changed)


def change_message(message: Message, rng: Random) -> None:
    """One field, at any depth, set, changed or cleared."""
    field = rng.choice(message.DESCRIPTOR.fields)
    if rng.random() < 0.1:
        message.ClearField(field.name)
    elif field.is_repeated:
        _change_repeated(getattr(message, field.name), field, rng)
    elif field.cpp_type == _CPP.CPPTYPE_MESSAGE:
        inner = getattr(message, field.name)
        inner.SetInParent()
        change_message(inner, rng)
    else:
        setattr(message, field.name, _changed(getattr(message, field.name), field, rng))


def _change_repeated(values: Any, field: FieldDescriptor, rng: Random) -> None:
    is_message = field.cpp_type == _CPP.CPPTYPE_MESSAGE
    if values and rng.random() < 0.3:
        del values[rng.randrange(len(values))]
    elif values and rng.random() < 0.7:
        at = rng.randrange(len(values))
        if is_message:
            change_message(values[at], rng)
        else:
            values[at] = _changed(values[at], field, rng)
    elif is_message:
        change_message(values.add(), rng)
    else:
        values.append(_changed(0, field, rng))


def _changed(value: Any, field: FieldDescriptor, rng: Random) -> Any:
    kind = field.cpp_type
    if field.type == _CPP.TYPE_BYTES:
        return change_bytes(value, rng)
    if kind == _CPP.CPPTYPE_STRING:
        return rng.choice((*_WORDS, value + "\0", value * 100))
    if kind == _CPP.CPPTYPE_ENUM:
        return rng.choice((0, 1, 2, 3, 4, 5, 99, -1))
    if kind in (_CPP.CPPTYPE_DOUBLE, _CPP.CPPTYPE_FLOAT):
        return rng.choice((*_NUMBERS, value * 2))
    bits = 32 if kind in (_CPP.CPPTYPE_INT32, _CPP.CPPTYPE_UINT32) else 64
    unsigned = kind in (_CPP.CPPTYPE_UINT32, _CPP.CPPTYPE_UINT64)
    chosen = rng.choice((*_INTEGERS, value + 1, value - 1, value * 2))
    return max(0 if unsigned else -(2 ** (bits - 1)), min(chosen, 2 ** (bits if unsigned else bits - 1) - 1))
