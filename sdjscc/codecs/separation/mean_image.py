"""``python -m sdjscc.codecs.separation.mean_image --data STL10/train``: makes the stand-in that ships beside it."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage

from sdjscc.codecs.separation.source import Image
from sdjscc.errors import InvalidRequest

__all__ = ["mean_of", "mean_of_folder"]


def mean_of_folder(folder: Path) -> Image:
    """The mean of the images ``folder/<class>/<image>``, which are of one size, uint8 ``(h, w, 3)``.

    Raises `InvalidRequest` where there are none, or of several sizes.
    """
    paths = sorted(path for path in folder.glob("*/*") if path.is_file())
    if not paths:
        raise InvalidRequest(f"no images under {folder}; name a folder of <class>/<image>")
    return mean_of(_of_one_size(paths))


def mean_of(images: Iterable[Image]) -> Image:
    """The mean of images of one size, one or more, each uint8 ``(h, w, 3)``, rounded."""
    total, count = np.zeros(1), 0
    for image in images:
        total, count = total + image, count + 1
    return np.rint(total / count).astype(np.uint8)


def _of_one_size(paths: Sequence[Path]) -> Iterator[Image]:
    shape = _pixels(paths[0]).shape
    for path in paths:
        pixels = _pixels(path)
        if pixels.shape != shape:
            raise InvalidRequest(f"{path} is of another size than {paths[0]}; give images of one size")
        yield pixels


def _pixels(path: Path) -> Image:
    with PillowImage.open(path) as opened:
        return np.asarray(opened.convert("RGB"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True, help="training images, <class>/<image>")
    data = parser.parse_args().data
    try:
        mean = mean_of_folder(data)
    except InvalidRequest as error:
        parser.error(str(error))
    PillowImage.fromarray(mean).save(Path(__file__).with_suffix(".png"), optimize=True)
