"""``python -m sdjscc.codecs.separation.mean_image --data STL10/train``: makes the stand-in that ships beside it."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage

from sdjscc.codecs.separation.source import Image
from sdjscc.errors import InvalidRequest

__all__ = ["mean_of_folder"]


def mean_of_folder(folder: Path) -> Image:
    """The mean of the images ``folder/<class>/<image>``, which are of one size, uint8 ``(h, w, 3)``.

    Raises `InvalidRequest` where there are none, or of several sizes.
    """
    paths = sorted(path for path in folder.glob("*/*") if path.is_file())
    if not paths:
        raise InvalidRequest(f"no images under {folder}; name a folder of <class>/<image>")
    total = _pixels(paths[0])
    for path in paths[1:]:
        pixels = _pixels(path)
        if pixels.shape != total.shape:
            raise InvalidRequest(f"{path} is of another size than {paths[0]}; give images of one size")
        total += pixels
    return np.rint(total / len(paths)).astype(np.uint8)


def _pixels(path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    with PillowImage.open(path) as opened:
        return np.asarray(opened.convert("RGB"), np.float64).copy()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True, help="training images, <class>/<image>")
    data = parser.parse_args().data
    try:
        mean = mean_of_folder(data)
    except InvalidRequest as error:
        parser.error(str(error))
    PillowImage.fromarray(mean).save(Path(__file__).with_suffix(".png"), optimize=True)
