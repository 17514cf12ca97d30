"""The paper's fig. 5: what some test images look like behind each scheme, and what the classifier takes them for."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from sdjscc.codecs import CodecRegistry
from sdjscc.data.images import decode_image, encode_image
from sdjscc.errors import InvalidRequest
from sdjscc.plots import Picture, plot_pictures
from sdjscc.study.carriers import open_carrier
from sdjscc.study.datasets import IMAGEWOOF
from sdjscc.study.files import write_whole
from sdjscc.study.measure import Study
from sdjscc.study.part import Part
from sdjscc.study.results import Results
from sdjscc.study.schemes import AGREED, DEEP, ORIGINAL, SEMANTIC, label
from sdjscc.study.table1 import BPP, SNR_DB
from sdjscc.study.tables import table
from sdjscc.tasks import get_classifier
from sdjscc.tasks.base import Classifier, as_images

__all__ = ["PART"]

_IMAGES = 4
_SCHEMES = (ORIGINAL, *AGREED, DEEP, SEMANTIC)


class Seen(BaseModel):
    """One image behind one scheme."""

    model_config = ConfigDict(frozen=True)

    scheme: str
    file: str
    """Class folder and name of the image."""
    png: str
    """The image received, in base64."""
    predicted: str
    right: bool
    fits: bool
    """Whether the scheme had a file within its budget; else the stand-in is what is seen."""


class Strip(BaseModel):
    """All pictures, and what they were made with."""

    model_config = ConfigDict(frozen=True)

    data: str
    seed: int
    limit: int | None
    seen: tuple[Seen, ...]


def collect(study: Study) -> None:
    images = study.images(IMAGEWOOF.test)
    chosen = np.random.default_rng(study.seed).permutation(len(images))[:_IMAGES]
    carriers = {s: open_carrier(s, BPP, study.stand_in(IMAGEWOOF.test), CodecRegistry()) for s in _SCHEMES}
    classifier = get_classifier(IMAGEWOOF.task)
    columns = [classifier.class_index(name) for name in images.class_names]
    seen = []
    for scheme, carrier in carriers.items():
        for place, index in enumerate(chosen):
            link = carrier.link(SNR_DB, study.seed)
            ((received, _),) = link(images.read(index)[None], place)
            predicted = columns[_best(classifier, received, columns)]
            delivery = carrier.delivery()
            path = images.paths[index]
            seen.append(
                Seen(
                    scheme=scheme,
                    file=f"{path.parent.name}/{path.name}",
                    png=base64.b64encode(encode_image(received[0])).decode(),
                    predicted=classifier.class_names[predicted],
                    right=predicted == columns[images.labels[index]],
                    fits=delivery is None or not delivery.unfit,
                )
            )
    strip = Strip(data=IMAGEWOOF.test, seed=study.seed, limit=study.limit, seen=tuple(seen))
    write_whole(_file(study.out), strip.model_dump_json(indent=1) + "\n")


def write(results: Results, out: Path) -> None:
    strip = _read(out)
    schemes = list(dict.fromkeys(seen.scheme for seen in strip.seen))
    files = list(dict.fromkeys(seen.file for seen in strip.seen))
    by_place = {(seen.scheme, seen.file): seen for seen in strip.seen}
    rows = [(file, *(_words(by_place[scheme, file]) for scheme in schemes)) for file in files]
    limit = "" if strip.limit is None else f" --limit {strip.limit}"
    text = (
        f"# What is received at {BPP:g} bpp and {SNR_DB:g} dB, and what the classifier takes it for\n\n"
        "The paper's fig. 5. The images were drawn by the seed and not picked. Predictions are among the data set's "
        "ten classes. The strip shows photographs of the data set, whose licence says who may see them.\n\n"
        + table(("image", *(label(scheme) for scheme in schemes)), rows)
        + f"\n{len(files)} images of `{strip.data}`, drawn and sent with seed {strip.seed}; made by "
        f"`sdjscc study {PART.name} --data DATA --out docs/results --seed {strip.seed}{limit}`.\n"
    )
    (out / "fig5.md").write_text(text)
    plot_pictures(
        {label(scheme): [_picture(by_place[scheme, file]) for file in files] for scheme in schemes}, out / "fig5.png"
    )


@torch.inference_mode()
def _best(classifier: Classifier, pixels: NDArray[np.uint8], columns: Sequence[int]) -> int:
    return int(classifier(as_images(pixels))[0, list(columns)].argmax())


def _words(seen: Seen) -> str:
    return f"{'✓' if seen.right else '✗'} {_caption(seen)}"


def _caption(seen: Seen) -> str:
    return seen.predicted if seen.fits else f"no file fits: {seen.predicted}"


def _picture(seen: Seen) -> Picture:
    return Picture(decode_image(base64.b64decode(seen.png)), _caption(seen), seen.right)


def _file(out: Path) -> Path:
    return out / "fig5.json"


def _read(out: Path) -> Strip:
    file = _file(out)
    if not file.is_file():
        raise InvalidRequest(f"{out} holds no pictures of fig5; run it with --data first")
    try:
        return Strip.model_validate(json.loads(file.read_text()))
    except (ValueError, ValidationError) as error:
        raise InvalidRequest(f"{file} is not a file of pictures; move it away or give another --out") from error


PART = Part(
    "fig5",
    "some images of ImageNet behind each scheme at 0.125 bpp and 20 dB, with what the classifier takes them for",
    (),
    write,
    collect=collect,
)
