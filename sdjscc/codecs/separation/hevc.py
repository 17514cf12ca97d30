"""HEVC intra pictures (ITU-T H.265) by PyAV's x265 and FFmpeg: what BPG is, less its container."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache

import numpy as np

from sdjscc.codecs.base import Size
from sdjscc.codecs.separation.source import Image, SourceCoder
from sdjscc.errors import InvalidRequest, MissingDependency, Undecodable

__all__ = ["HevcIntra"]

_START_CODE = b"\0\0\0\1"
_SLICE_TYPES = (19, 20)
"""NAL unit types of pictures that begin a sequence: IDR_W_RADL and IDR_N_LP."""
_LEAST_SIDE = 16

_X265 = ":".join(
    (
        # One picture, by one thread, and nothing in the stream but parameter sets and the slice.
        "keyint=1:bframes=0:rc-lookahead=0:frame-threads=1:pools=none:wpp=0:info=0:log-level=none",
        # The quantiser of an I picture is otherwise 3 lower than the one asked for.
        "ipratio=1",
        "range=full:colormatrix=smpte170m",
    )
)


class HevcIntra(SourceCoder):
    """One HEVC intra picture by x265 (``veryslow``, tuned for PSNR), 8 bits, full-range BT.601 YCbCr 4:2:0 as BPG's.

    With agreed headers the parameter sets (VPS, SPS, PPS), the slice's start code and its NAL header are not sent. The
    quantiser stands in the slice. At 96x96 pixels these headers take 88 bytes, where BPG's take 20 to 22: it is the
    agreed form that stands for BPG fairly.

    Odd sides are padded to even ones and those under 16 to 16 by repeating the last row and column.
    """

    name = "hevc"
    label = "HEVC intra (BPG-equivalent)"
    qualities = range(0, 52)
    """51 less the quantisation parameter."""

    def __init__(self, agreed_headers: bool = False) -> None:
        """Raises `MissingDependency` where PyAV is not installed."""
        super().__init__(agreed_headers)
        try:
            import av  # noqa: F401
        except ModuleNotFoundError as error:
            raise MissingDependency(f"{error.name} is not installed; run: pip install 'sdjscc[baselines]'") from error

    def header_bytes(self, size: Size) -> int:
        return len(_header(size))

    def _compress(self, image: Image, quality: int) -> bytes:
        return _compress(image, self.qualities[-1] - quality)

    def _decompress(self, file: bytes, size: Size) -> Image:
        import av

        padded_width, padded_height = _padded(size)
        try:
            context = av.CodecContext.create("hevc", "r")
            context.thread_count = 1
            # Damaged parameter sets can tell of a gigantic picture, for which no memory should be taken.
            context.options = {"max_pixels": str(4 * max(padded_width, 64) * max(padded_height, 64))}
            frames = [*context.decode(av.Packet(file)), *context.decode(None)]
        except (av.FFmpegError, ValueError) as error:
            raise Undecodable("the HEVC data is damaged") from error
        frame = next((frame for frame in frames if isinstance(frame, av.VideoFrame)), None)
        if frame is None or (frame.width, frame.height) != (padded_width, padded_height):
            raise Undecodable("the HEVC data holds no picture of the right size")
        pixels = frame.reformat(format="rgb24", src_colorspace="ITU601", src_color_range="JPEG").to_ndarray()
        width, height = size
        return np.ascontiguousarray(pixels[:height, :width])

    def _strip(self, file: bytes, size: Size, quality: int) -> bytes:
        return file[len(_header(size)) :]

    def _restore(self, data: bytes, size: Size) -> bytes:
        if not data:
            raise Undecodable("the HEVC data is empty")
        return _header(size) + data


def _compress(image: Image, qp: int) -> bytes:
    import av

    height, width, _ = image.shape
    padded_width, padded_height = _padded((width, height))
    pixels = np.pad(image, ((0, padded_height - height), (0, padded_width - width), (0, 0)), mode="edge")
    context = av.CodecContext.create("libx265", "w")
    assert isinstance(context, av.VideoCodecContext)
    context.width, context.height, context.pix_fmt = padded_width, padded_height, "yuv420p"
    context.framerate, context.time_base = Fraction(25), Fraction(1, 25)
    context.options = {"preset": "veryslow", "tune": "psnr", "x265-params": f"qp={qp}:{_X265}"}
    frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(
        format="yuv420p", dst_colorspace="ITU601", dst_color_range="JPEG"
    )
    try:
        return b"".join(bytes(packet) for packet in [*context.encode(frame), *context.encode(None)])
    except av.FFmpegError as error:
        raise InvalidRequest(
            f"x265 takes no image of {width}x{height} pixels; send one less long and narrow"
        ) from error


@lru_cache(maxsize=64)
def _header(size: Size) -> bytes:
    """Parameter sets, start code and NAL header: all that comes before the slice of any picture of this size."""
    width, height = size
    file = _compress(np.zeros((height, width, 3), np.uint8), qp=51)
    at = file.find(_START_CODE[1:])
    while file[at + 3] >> 1 & 0x3F not in _SLICE_TYPES:
        at = file.index(_START_CODE[1:], at + 3)
    return file[: at + 5]


def _padded(size: Size) -> Size:
    width, height = (max(side + side % 2, _LEAST_SIDE) for side in size)
    return width, height
