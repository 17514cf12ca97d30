"""BPG by its own tools, bpgenc and bpgdec, where they are installed; else its equivalent."""

from __future__ import annotations

import shutil
import subprocess
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from sdjscc.codecs.base import Size
from sdjscc.codecs.separation import pillow_files
from sdjscc.codecs.separation.hevc import HevcIntra
from sdjscc.codecs.separation.source import Image, SourceCoder
from sdjscc.errors import NotReady, Undecodable

__all__ = ["Bpg", "bpg_or_equivalent", "bpg_tools_on_path"]

_TIMEOUT_S = 60.0


class Bpg(SourceCoder):
    """BPG (F. Bellard, BPG specification 0.9.5) by ``bpgenc`` and ``bpgdec``, 8 bits, 4:2:0.

    With agreed headers the container's header is not sent: the magic number, the format, the size, the length of the
    data and the HEVC header.
    """

    name = "bpg"
    label = "BPG"
    qualities = range(0, 52)
    """51 less the quantisation parameter."""

    def __init__(self, agreed_headers: bool = False) -> None:
        """Raises `NotReady` where the tools are not on PATH."""
        super().__init__(agreed_headers)
        if not bpg_tools_on_path():
            raise NotReady("bpgenc and bpgdec are not on PATH; install libbpg, or use the coder HEVC intra")

    def header_bytes(self, size: Size) -> int:
        return len(_header(size))

    def _compress(self, image: Image, quality: int) -> bytes:
        return _compress(image, self.qualities[-1] - quality)

    def _decompress(self, file: bytes, size: Size) -> Image:
        with TemporaryDirectory() as folder:
            source, target = Path(folder, "image.bpg"), Path(folder, "image.png")
            source.write_bytes(file)
            try:
                _run("bpgdec", "-o", str(target), str(source))
                png = target.read_bytes()
            except (subprocess.SubprocessError, OSError) as error:
                raise Undecodable("the BPG data is damaged") from error
        return pillow_files.read(png, "PNG", size)

    def _strip(self, file: bytes, size: Size, quality: int) -> bytes:
        return file[_header_length(file) :]

    def _restore(self, data: bytes, size: Size) -> bytes:
        if not data:
            raise Undecodable("the BPG data is empty")
        return _header(size) + data


def bpg_or_equivalent(agreed_headers: bool = False) -> SourceCoder:
    """BPG where its tools are on PATH, else HEVC intra by x265; the label tells which."""
    return Bpg(agreed_headers) if bpg_tools_on_path() else HevcIntra(agreed_headers)


def bpg_tools_on_path() -> bool:
    """Whether `Bpg` can be used here."""
    return all(shutil.which(tool) for tool in ("bpgenc", "bpgdec"))


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=_TIMEOUT_S)


def _compress(image: Image, qp: int) -> bytes:
    with TemporaryDirectory() as folder:
        source, target = Path(folder, "image.png"), Path(folder, "image.bpg")
        source.write_bytes(pillow_files.write(image, "PNG", compress_level=1))
        try:
            _run("bpgenc", "-q", str(qp), "-f", "420", "-o", str(target), str(source))
            return target.read_bytes()
        except (subprocess.SubprocessError, OSError) as error:
            raise NotReady(f"bpgenc failed ({error}); check that it runs, or take it off PATH") from error


@lru_cache(maxsize=64)
def _header(size: Size) -> bytes:
    """The header of any file of an image of this size, with a data length of 0: up to the end of the file."""
    width, height = size
    file = _compress(np.zeros((height, width, 3), np.uint8), qp=51)
    length_at = _after_ue7(file, _after_ue7(file, 6))
    return file[:length_at] + b"\0" + file[_after_ue7(file, length_at) : _header_length(file)]


def _header_length(file: bytes) -> int:
    """Bytes before the HEVC slices: magic, format, colour space, width, height, length, HEVC header with its length."""
    at = 6
    for _ in range(3):
        at = _after_ue7(file, at)
    after = _after_ue7(file, at)
    return after + _ue7(file, at)


def _after_ue7(file: bytes, at: int) -> int:
    """Place after the number at ``at``: seven bits a byte, the first bit tells that another follows."""
    while file[at] & 0x80:
        at += 1
    return at + 1


def _ue7(file: bytes, at: int) -> int:
    value = 0
    for byte in file[at : _after_ue7(file, at)]:
        value = value << 7 | byte & 0x7F
    return value
