"""Symbols, SNR, noise power and channel models. Everything imported here needs numpy only; torch code is apart."""

from __future__ import annotations

from sdjscc.channels.awgn import AWGN
from sdjscc.channels.base import Channel, noise_generator
from sdjscc.channels.constellation import UNIPOLAR_IQ, Constellation, UnipolarIQ, get_constellation
from sdjscc.channels.qam import BPSK, QAM16, QAM64, QPSK, SquareQAM
from sdjscc.channels.signal import SNR_DB_RANGE, check_snr_db, noise_power
from sdjscc.errors import UnknownName

__all__ = [
    "AWGN",
    "BPSK",
    "QAM16",
    "QAM64",
    "QPSK",
    "SNR_DB_RANGE",
    "UNIPOLAR_IQ",
    "Channel",
    "Constellation",
    "SquareQAM",
    "UnipolarIQ",
    "check_snr_db",
    "get_channel",
    "get_constellation",
    "noise_generator",
    "noise_power",
]

_CHANNELS: dict[str, type[Channel]] = {channel.name: channel for channel in (AWGN,)}


def get_channel(name: str) -> Channel:
    """The channel model of that name; raises `UnknownName`."""
    try:
        return _CHANNELS[name]()
    except KeyError:
        raise UnknownName(f"there is no channel model {name!r} here; use one of: {', '.join(_CHANNELS)}") from None
