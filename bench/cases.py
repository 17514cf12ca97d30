"""What is measured: one size, one format and one task at a time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import cycle, islice
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from demo.photographs import photographs
from sdjscc.data.images import encode_image
from sdjscc.v1 import image_pb2
from sdjscc.v1.image_pb2 import Image, ImageFormat
from sdjscc.v1.receiver_pb2 import ChannelRequest, Delivery
from sdjscc.v1.transmitter_pb2 import TransmitBatchRequest, TransmitRequest
from sdjscc.wire.images import pack_raw

__all__ = ["FORMATS", "SNR_DB", "Case", "Format", "squares"]

SNR_DB = 10.0

Format = Literal["png", "raw", "none"]
"""How images travel, both ways: PNG files, RGB pixels, or PNG files that are answered with labels alone."""

FORMATS: tuple[Format, ...] = get_args(Format)

_RETURNED: dict[str, ImageFormat] = {
    "png": image_pb2.IMAGE_FORMAT_PNG,
    "raw": image_pb2.IMAGE_FORMAT_RAW,
    "none": image_pb2.IMAGE_FORMAT_UNSPECIFIED,
}


@dataclass(frozen=True)
class Case:
    """One kind of traffic."""

    size: int
    """Side of the square images in pixels."""
    format: Format
    task: str
    """"imagenet", "stl10", ...: which classifier looks at the reconstruction."""
    per_call: int = 1
    """Images of one call."""

    @property
    def title(self) -> str:
        together = f", {self.per_call} a call" if self.per_call > 1 else ""
        return f"{self.size}x{self.size}, {self.format}, {self.task}{together}"

    @property
    def returned(self) -> ImageFormat:
        """Format of the reconstruction."""
        return _RETURNED[self.format]

    @cache  # noqa: B019
    def images(self) -> tuple[Image, ...]:
        """The photographs as `Image` messages."""
        pixels = squares(self.size)
        if self.format == "raw":
            return tuple(pack_raw(square) for square in pixels)
        return tuple(Image(encoded=encode_image(square)) for square in pixels)

    @cache  # noqa: B019
    def requests(self) -> tuple[bytes, ...]:
        """The photographs as serialized requests, so that a client need do nothing but send: batches of `per_call`, or
        for one image a call requests of one."""
        delivery = Delivery(image_format=self.returned, top_k=1, task=self.task)
        channel = ChannelRequest(snr_db=SNR_DB)
        single = [TransmitRequest(image=image, delivery=delivery, channel=channel) for image in self.images()]
        if self.per_call == 1:
            return tuple(request.SerializeToString() for request in single)
        images = cycle(single)
        batches = [TransmitBatchRequest(requests=islice(images, self.per_call)) for _ in single]
        return tuple(batch.SerializeToString() for batch in batches)


@cache
def squares(size: int) -> tuple[NDArray[np.uint8], ...]:
    """The largest centred square of each photograph, scaled to ``size`` x ``size``; uint8 ``(size, size, 3)``."""
    return tuple(_square(pixels, size) for pixels in photographs().values())


def _square(pixels: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    height, width, _ = pixels.shape
    side = min(height, width)
    left, top = (width - side) // 2, (height - side) // 2
    box = (left, top, left + side, top + side)
    return np.asarray(PillowImage.fromarray(pixels).resize((size, size), PillowImage.Resampling.LANCZOS, box))
