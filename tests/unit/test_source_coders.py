"""Source coders: budgets, the best quality within them, agreed headers, damaged data, honest labels."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image as PillowImage

from sdjscc.codecs.separation import Bpg, HevcIntra, Jpeg, SourceCoder, WebP, bpg_or_equivalent
from sdjscc.errors import InvalidRequest, MissingDependency, NotReady, Undecodable
from sdjscc.metrics import psnr_db

CODERS = [kind(agreed) for kind in (Jpeg, WebP, HevcIntra) for agreed in (False, True)]

parametrize_coders = pytest.mark.parametrize("coder", CODERS, ids=lambda coder: coder.name)
parametrize_agreed = pytest.mark.parametrize("coder", CODERS[1::2], ids=lambda coder: coder.name)


def photograph(size: tuple[int, int] = (96, 96), box: tuple[int, int, int, int] = (120, 0, 344, 224)) -> np.ndarray:
    image = PillowImage.fromarray(skimage.data.astronaut())
    return np.asarray(image.resize(size, PillowImage.Resampling.BICUBIC, box=box))


@pytest.fixture(scope="module")
def portrait() -> np.ndarray:
    """96x96."""
    return photograph()


@parametrize_coders
def test_the_best_quality_within_the_budget_is_found(coder: SourceCoder, portrait: np.ndarray) -> None:
    sizes = [len(coder.encode(portrait, quality)) for quality in coder.qualities]
    for budget in (0, 100, 144, 200, 288, 400, 576, 1000, 100_000):
        data = coder.encode_within(portrait, budget)
        fitting = [quality for quality, size in zip(coder.qualities, sizes, strict=True) if size <= budget]
        if not fitting:
            assert data is None
            continue
        assert data is not None
        assert len(data) <= budget
        assert data == coder.encode(portrait, fitting[-1])


class Dipping(WebP):
    """Sizes by quality that fall where they should grow."""

    sizes = (10, 20, 40, 30, 50, 60)
    qualities = range(6)

    def encode(self, image: np.ndarray, quality: int) -> bytes:
        return bytes(self.sizes[quality])


@pytest.mark.parametrize(("budget", "size"), [(9, None), (10, 10), (29, 20), (35, 30), (40, 30), (50, 50), (99, 60)])
def test_a_dip_in_size_is_not_overlooked(portrait: np.ndarray, budget: int, size: int | None) -> None:
    data = Dipping().encode_within(portrait, budget)
    assert (data if data is None else len(data)) == size


def test_jpeg_with_its_headers_cannot_reach_a_quarter_bit_a_pixel(portrait: np.ndarray) -> None:
    assert Jpeg().encode_within(portrait, 96 * 96 // 32) is None
    assert len(Jpeg().encode(portrait, 1)) > 400
    assert Jpeg(agreed_headers=True).encode_within(portrait, 96 * 96 // 32) is not None


@parametrize_coders
@pytest.mark.parametrize("size", [(96, 96), (97, 51), (1, 1), (7, 130)])
def test_an_image_of_any_size_comes_back(coder: SourceCoder, size: tuple[int, int]) -> None:
    image = photograph(size)
    for quality in (coder.qualities[0], coder.qualities[-1]):
        decoded = coder.decode(coder.encode(image, quality), size)
        assert decoded.shape == image.shape
        assert decoded.dtype == np.uint8


@parametrize_coders
def test_a_higher_quality_is_a_better_image_and_the_highest_a_good_one(
    coder: SourceCoder, portrait: np.ndarray
) -> None:
    low, middle, high = (
        psnr_db(coder.decode(coder.encode(portrait, coder.qualities[index]), (96, 96)), portrait)
        for index in (0, len(coder.qualities) // 2, -1)
    )
    assert low < middle < high
    # Half of the colour is dropped at any quality, by 4:2:0.
    assert high > 33


@parametrize_agreed
def test_agreed_headers_are_taken_off_and_put_back(coder: SourceCoder, portrait: np.ndarray) -> None:
    for quality in (coder.qualities[3], coder.qualities[-3]):
        file = coder._compress(portrait, quality)
        data = coder.encode(portrait, quality)
        # An odd WebP frame is padded by a byte, which is not sent either.
        assert len(file) - len(data) - coder.header_bytes((96, 96)) in (0, 1)
        assert coder._restore(data, (96, 96)) == file


def test_jpeg_headers_do_not_depend_on_the_image(portrait: np.ndarray) -> None:
    """Standard Huffman tables: what the receiver makes of size and quality is what the sender took off."""
    coder = Jpeg(agreed_headers=True)
    for quality in coder.qualities:
        file = coder._compress(portrait, quality)
        assert coder._restore(coder._strip(file, (96, 96), quality), (96, 96)) == file


@parametrize_coders
def test_data_without_an_image_is_told_from_an_image(coder: SourceCoder, portrait: np.ndarray) -> None:
    data = coder.encode(portrait, coder.qualities[5])
    for damaged in (b"", b"\0" * 40, b"\xff" * 300):
        with pytest.raises(Undecodable):
            coder.decode(damaged, (96, 96))
    if not coder.agreed_headers:
        with pytest.raises(Undecodable, match=r"pixels|size"):
            coder.decode(data, (48, 96))


@parametrize_coders
def test_damage_anywhere_gives_an_image_of_the_right_size_or_an_error(
    coder: SourceCoder, portrait: np.ndarray, capfd: pytest.CaptureFixture[str]
) -> None:
    data = coder.encode(portrait, coder.qualities[8])
    rng = np.random.default_rng(0)
    for _ in range(40):
        flips = np.frombuffer(data, np.uint8) ^ np.where(
            rng.random(len(data)) < 0.02, rng.integers(0, 256, len(data)), 0
        )
        cut = flips.astype(np.uint8).tobytes()[: rng.integers(1, len(data) + 1)]
        try:
            assert coder.decode(cut, (96, 96)).shape == portrait.shape
        except Undecodable:
            continue
    assert capfd.readouterr() == ("", "")


def test_labels_say_what_it_is() -> None:
    assert [coder.label for coder in CODERS] == [
        "JPEG",
        "JPEG, headers agreed",
        "WebP",
        "WebP, headers agreed",
        "HEVC intra (BPG-equivalent)",
        "HEVC intra (BPG-equivalent), headers agreed",
    ]
    assert len({coder.name for coder in CODERS}) == len(CODERS)


def test_without_pyav_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingDependency, match=r"pip install 'sdjscc\[baselines\]'"):
        HevcIntra()


def test_a_negative_budget_is_refused(portrait: np.ndarray) -> None:
    with pytest.raises(InvalidRequest, match="0 or more"):
        WebP().encode_within(portrait, -1)


# Stand-ins for libbpg's tools: a container as the BPG specification has it, with a JPEG scan for slices.
BPGENC = """#!{python}
import sys
from PIL import Image
_, _, qp, _, _, _, target, source = sys.argv
image = Image.open(source).convert("RGB")
image.save(target, "JPEG", quality=101 - int(qp))
data = open(target, "rb").read()
def ue7(n):
    return (ue7(n >> 7)[:-1] + bytes([n >> 7 & 127 | 128]) if n > 127 else b"") + bytes([n & 127])
hevc_header = b"\\x92\\x47\\x40\\x44"
body = ue7(len(hevc_header)) + hevc_header + data
open(target, "wb").write(b"BPG\\xfb\\x20\\x00" + ue7(image.width) + ue7(image.height) + ue7(len(body)) + body)
"""
BPGDEC = """#!{python}
import io, sys
from PIL import Image
_, _, target, source = sys.argv
data = open(source, "rb").read()
assert data[:4] == b"BPG\\xfb"
Image.open(io.BytesIO(data[data.index(b"\\x44\\xff\\xd8") + 1 :])).save(target)
"""


@pytest.fixture
def _bpg_tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, code in (("bpgenc", BPGENC), ("bpgdec", BPGDEC)):
        (tmp_path / name).write_text(code.format(python=sys.executable))
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")


@pytest.mark.usefixtures("_bpg_tools")
def test_bpg_tools_are_used_where_they_are_on_path() -> None:
    coder = bpg_or_equivalent(agreed_headers=True)
    assert (type(coder), coder.label) == (Bpg, "BPG, headers agreed")
    image = photograph((200, 40))
    complete, agreed = Bpg().encode(image, 20), coder.encode(image, 20)
    # Magic, two bytes of format, width in two bytes, height in one, length in two, HEVC header of four and its length.
    assert len(complete) - len(agreed) == 4 + 2 + 2 + 1 + 2 + 5
    # Instead of the length a 0 comes back: to the end of the file.
    assert coder.header_bytes((200, 40)) == len(complete) - len(agreed) - 1
    assert np.array_equal(Bpg().decode(complete, (200, 40)), coder.decode(agreed, (200, 40)))
    with pytest.raises(Undecodable):
        Bpg().decode(b"BPG", (200, 40))


def test_without_bpg_tools_the_equivalent_is_taken_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert bpg_or_equivalent().label == "HEVC intra (BPG-equivalent)"
    with pytest.raises(NotReady, match="not on PATH"):
        Bpg()
