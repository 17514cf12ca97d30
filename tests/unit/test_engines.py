"""Engines: what OpenVINO makes of the shipped networks is what torch makes of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from sdjscc.channels import UNIPOLAR_IQ, noise_generator
from sdjscc.codecs import Codec, CodecRegistry
from sdjscc.codecs.jscc.codec import JsccCodec
from sdjscc.engines import Ranges, ranges_file, read_ranges, select
from sdjscc.engines.calibration import layer_ranges
from sdjscc.engines.ends import FromPixels, ToPixels
from sdjscc.engines.ranges import with_zero, write_ranges
from sdjscc.engines.torch_engine import TorchEngine
from sdjscc.errors import InvalidRequest, MissingDependency, NotReady, UnknownName
from sdjscc.tasks import get_classifier, task_names
from sdjscc.tasks.base import predict

pytest.importorskip("openvino")

Pixels = NDArray[np.uint8]

REGISTRY = CodecRegistry()
LEARNED = [(entry.name, entry.bpp) for entry in REGISTRY.entries if entry.card is not None]


@pytest.fixture(scope="module")
def squares(cat: Pixels) -> Pixels:
    """Three images of 96x96."""
    return np.stack([cat[:96, :96], cat[100:196, 100:196], cat[200:296, 300:396]])


def noisy_symbols(codec: Codec, images: Pixels) -> NDArray[np.complex64]:
    """What arrives of the images' bits, by torch, with some noise."""
    bits = codec.encode(images).reshape(len(images), -1)
    clean = np.stack([UNIPOLAR_IQ.modulate(row) for row in bits])
    rng = noise_generator(0)
    return (clean + 0.1 * (rng.normal(size=clean.shape) + 1j * rng.normal(size=clean.shape))).astype(np.complex64)


def e_before_threshold(codec: Codec, images: Pixels) -> NDArray[np.float32]:
    assert isinstance(codec, JsccCodec)
    pixels, network, _ = codec.encoder
    with torch.inference_mode():
        return network(pixels(torch.from_numpy(images))).numpy()


@pytest.mark.parametrize("codec_and_bpp", LEARNED, ids=lambda pair: f"{pair[0]}@{pair[1]:g}")
def test_float32_does_what_torch_does(codec_and_bpp: tuple[str, float], squares: Pixels, photograph: Pixels) -> None:
    ours, theirs = CodecRegistry(engine=select("openvino-f32")).load(*codec_and_bpp), REGISTRY.load(*codec_and_bpp)
    e = e_before_threshold(theirs, squares)
    differ = ours.encode(squares) != theirs.encode(squares)
    assert np.all(abs(e[differ] - 0.5) < 1e-4)
    for images in (squares, photograph[None, :-1, :-3]):
        n, height, width, _ = images.shape
        symbols = noisy_symbols(theirs, images)
        decoded, expected = (codec.decode(symbols, (width, height), np.zeros(n)) for codec in (ours, theirs))
        assert decoded.shape == expected.shape == images.shape
        assert abs(decoded.astype(int) - expected).max() <= 1
        assert (decoded != expected).mean() < 1e-3


@pytest.mark.parametrize(("engine", "flips", "rms"), [("openvino-bf16", 0.005, 1.0), ("openvino-int8", 0.03, 5.0)])
def test_lower_precision_stays_within_its_bounds(engine: str, flips: float, rms: float, squares: Pixels) -> None:
    ours, theirs = CodecRegistry(engine=select(engine)).load(), REGISTRY.load()
    differing = ours.encode(squares) != theirs.encode(squares)
    assert 0 < differing.mean() < flips
    symbols = noisy_symbols(theirs, squares)
    decoded, expected = (codec.decode(symbols, (96, 96), np.zeros(3)) for codec in (ours, theirs))
    assert 0 < np.sqrt(np.mean((decoded.astype(float) - expected) ** 2)) < rms


@pytest.mark.parametrize("engine", ["openvino-f32", "openvino-bf16", "openvino-int8"])
def test_bits_and_images_do_not_depend_on_the_batch(engine: str, squares: Pixels) -> None:
    codec = CodecRegistry(engine=select(engine)).load()
    alone = np.concatenate([codec.encode(image[None]) for image in squares])
    assert np.array_equal(codec.encode(squares), alone)
    symbols = noisy_symbols(codec, squares)
    images = [codec.decode(one[None], (96, 96), np.zeros(1)) for one in symbols]
    assert np.array_equal(codec.decode(symbols, (96, 96), np.zeros(3)), np.concatenate(images))


@pytest.mark.parametrize("task", task_names())
def test_both_tasks_are_classified_alike(task: str, squares: Pixels, photograph: Pixels) -> None:
    theirs = get_classifier(task)
    # Error of the logits over their own spread.
    bounds = {"openvino-f32": 1e-4, "openvino-bf16": 0.1, "openvino-int8": 0.4}
    for engine, bound in bounds.items():
        ours = get_classifier(task, select(engine))
        for images in (squares, photograph[None]):
            expected = theirs.logits(images)
            error = (ours.logits(images) - expected).square().mean().sqrt() / expected.std()
            assert 0 < error < bound
        assert len(predict(ours, photograph, 3)) == 3


def test_threads_share_a_network(squares: Pixels) -> None:
    from concurrent.futures import ThreadPoolExecutor

    codec = CodecRegistry(engine=select("openvino-f32", threads=2)).load()
    expected = [codec.encode(image[None]) for image in squares]
    with ThreadPoolExecutor(4) as executor:
        found = list(executor.map(lambda number: codec.encode(squares[number % 3][None]), range(60)))
    assert all(np.array_equal(bits, expected[number % 3]) for number, bits in enumerate(found))


def test_results_are_the_callers_own(squares: Pixels) -> None:
    codec = CodecRegistry(engine=select("openvino-f32")).load()
    first = codec.encode(squares[:1])
    kept = first.copy()
    codec.encode(squares[1:2])
    assert np.array_equal(first, kept)


def test_auto_takes_openvino_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    assert select("auto").name in {"openvino-f32", "openvino-bf16"}
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    assert select("auto").name == "torch"
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setattr("sdjscc.engines.selection.find_spec", lambda _: None)
    assert select("auto").name == "torch"


def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    for module in ("sdjscc.engines.openvino_engine", "sdjscc.engines.openvino_graph"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    with pytest.raises(MissingDependency, match=r"needs the package openvino; install it with: .*sdjscc\[openvino\]"):
        select("openvino-bf16")


def test_openvino_reports_to_nobody_and_forks_nothing() -> None:
    code = (
        "import os; os.register_at_fork(before=lambda: os._exit(3)); "
        "from sdjscc.engines import select; select('openvino-f32'); "
        "import sys; assert sys.modules['openvino_telemetry'] is None"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_an_unknown_engine_names_those_there_are() -> None:
    with pytest.raises(UnknownName, match="use one of: auto, torch, openvino"):
        select("tensorrt")


def test_int8_says_how_to_get_ranges_of_weights_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = REGISTRY.find("deep-jscc", 0.25)
    assert entry.card is not None
    assert entry.weights is not None
    (tmp_path / "own.json").write_text(entry.card.model_copy(update={"codec": "own"}).model_dump_json())
    (tmp_path / "own.safetensors").write_bytes(entry.weights.read_bytes())
    monkeypatch.setenv("SDJSCC_WEIGHTS", str(tmp_path))
    registry = CodecRegistry(engine=select("openvino-int8"))
    with pytest.raises(InvalidRequest, match=r"own\.int8\.json, which is not there; .*sdjscc engines calibrate"):
        registry.load("own")
    file = ranges_file(tmp_path / "own.safetensors")
    shipped = read_ranges(ranges_file(entry.weights), entry.weights_sha256)
    write_ranges(file, shipped.model_copy(update={"weights_sha256": "0" * 64}))
    with pytest.raises(InvalidRequest, match="of other weights"):
        registry.load("own")
    file.write_text("{}")
    with pytest.raises(InvalidRequest, match="does not hold the ranges"):
        registry.load("own")
    write_ranges(file, shipped)
    assert registry.load("own").encode(np.zeros((1, 8, 8, 3), np.uint8)).shape == (1, 16, 1, 1)


def test_shipped_ranges_are_of_the_shipped_weights() -> None:
    for entry in REGISTRY.entries:
        if entry.weights is not None:
            assert set(read_ranges(ranges_file(entry.weights), entry.weights_sha256).networks) == {"encoder", "decoder"}
    for task in task_names():
        classifier = get_classifier(task)
        assert set(read_ranges(classifier.ranges_file, classifier.weights_sha256).networks) == {"classifier"}


def test_a_codec_that_knows_no_engines_still_works(photograph: Pixels) -> None:
    class Plain(Codec):
        name, bpp, weights_sha256, constellation = "plain", 24.0, "", UNIPOLAR_IQ

        def bit_shape(self, size: tuple[int, int]) -> tuple[int, ...]:
            return size[1], size[0], 24

        def encode(self, images: Pixels) -> Pixels:
            return np.unpackbits(images, axis=-1)

        def decode(self, symbols, size, noise_power) -> Pixels:  # type: ignore[no-untyped-def]
            bits = UNIPOLAR_IQ.components(symbols, int(np.prod(self.bit_shape(size)))) > 0.5
            return np.packbits(bits.reshape(-1, *self.bit_shape(size)), axis=-1)

    codec = Plain()
    codec.run_on(select("openvino-int8"), Path("nowhere"))
    height, width, _ = photograph.shape
    symbols = UNIPOLAR_IQ.modulate(codec.encode(photograph[None]).reshape(-1))
    assert np.array_equal(codec.decode(symbols[None], (width, height), np.zeros(1))[0], photograph)


class Odd(nn.Module):
    """Scales, shifts, uneven padding, a dilated convolution in groups, and a rearrangement before the end."""

    def __init__(self) -> None:
        super().__init__()
        self.pixels, self.pad = FromPixels(), nn.ZeroPad2d((0, 1, 2, 3))
        self.first, self.second = nn.Conv2d(3, 8, 3, bias=False), nn.Conv2d(8, 12, 3, groups=4, dilation=2, padding=2)
        self.shuffle, self.out = nn.PixelShuffle(2), ToPixels()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.first(self.pad((self.pixels(x) - 0.5) / 0.25))
        y = self.shuffle(self.second(y) * 0.5)
        return self.out(0.1 + y * 0.8)


class Cosine(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.cos()


def test_what_is_folded_is_still_the_same() -> None:
    torch.manual_seed(0)
    network = Odd().eval().requires_grad_(False)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 13, 17, 3), np.uint8)
    ours, theirs = (engine.runner(network)(pixels) for engine in (select("openvino-f32"), TorchEngine()))
    assert len(np.unique(theirs)) > 100
    assert abs(ours.astype(int) - theirs).max() <= 1
    assert (ours != theirs).mean() < 0.01


def test_what_has_no_translation_is_refused() -> None:
    engine = select("openvino-f32")
    for network in (nn.Sequential(nn.Conv2d(3, 3, 1), nn.GELU()), nn.Sequential(nn.Conv2d(3, 3, 1), Cosine())):
        with pytest.raises(InvalidRequest, match="no translation to OpenVINO; use the engine torch"):
            engine.runner(network.eval())


def test_int8_without_ranges_is_refused() -> None:
    with pytest.raises(NotReady, match="needs the ranges"):
        select("openvino-int8").runner(nn.Conv2d(3, 3, 1))


def test_ranges_hold_what_a_layer_gets_after_what_stands_before_it() -> None:
    first = nn.Conv2d(1, 1, 1)
    nn.init.constant_(first.weight, 1.0)
    nn.init.zeros_(first.bias)  # type: ignore[arg-type]
    network = nn.Sequential(first, nn.ReLU(), nn.Conv2d(1, 1, 1))
    inputs = [torch.tensor([[[[-1.0, 2.0]]]]), torch.tensor([[[[3.0, 0.0]]]])]
    ranges = layer_ranges(network, inputs)
    # Of four values that fill the range, none is better cut off.
    assert ranges["0"] == pytest.approx((-1.0, 3.0))
    assert ranges["2"][1] == pytest.approx(3.0)
    assert not first._forward_pre_hooks


def test_a_rare_great_value_is_cut_off_rather_than_coarsening_all_others() -> None:
    values = torch.linspace(0, 1, 10_000_000)
    values[-1] = 2.0
    low, high = layer_ranges(nn.Sequential(nn.Linear(1, 1)), [values[:, None]])["0"]
    assert low == 0.0
    assert 1.0 <= high < 1.2


@pytest.mark.parametrize("bounds", [(-0.31, 7.3), (0.5, 6.0), (-2.0, -1.0)])
def test_zero_is_one_of_the_256_values(bounds: tuple[float, float]) -> None:
    low, high = with_zero(*bounds)
    step = (high - low) / 255
    assert low <= 0 <= high
    assert low / step == pytest.approx(round(low / step))
    assert low == pytest.approx(min(bounds[0], 0), abs=step)
    assert high == pytest.approx(max(bounds[1], 0), abs=step)


def test_ranges_come_back_as_they_were_written(tmp_path: Path) -> None:
    ranges = Ranges(weights_sha256="ab", data="some", images=2, networks={"encoder": {"0": (-1.0, 2.5)}})
    write_ranges(tmp_path / "own.int8.json", ranges)
    assert read_ranges(tmp_path / "own.int8.json", "ab") == ranges
