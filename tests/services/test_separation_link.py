"""Separation baselines over the running link: the library's own results, the cliff, and what the client is told."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import grpc
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from deploy.local import LocalLink, ServiceProcess
from sdjscc.channels import AWGN, QAM16, noise_generator, noise_power
from sdjscc.client import AsyncClient, Client, LinkError
from sdjscc.codecs import Codec, CodecRegistry, Outcome, Reception
from sdjscc.codecs.separation import shipped

Pixels = NDArray[np.uint8]
ROOT = Path(__file__).parents[2]
NAMES = tuple(chain.name for chain in shipped.chains())


@pytest.fixture
def client(link: LocalLink):
    with Client(link.server) as connected:
        yield connected


@pytest.fixture(scope="module")
def registry() -> CodecRegistry:
    return CodecRegistry()


def in_process(codec: Codec, pixels: Pixels, snr_db: float, seed: int) -> Reception:
    height, width, _ = pixels.shape
    symbols = QAM16.modulate(codec.encode(pixels[None]).reshape(-1))
    received = AWGN().transmit(symbols, snr_db, noise_generator(seed))
    return codec.receive(received[None], (width, height), np.array([noise_power(snr_db)]))[0]


@pytest.mark.parametrize("name", NAMES)
def test_the_services_add_nothing_to_what_the_library_does(
    client: Client, registry: CodecRegistry, photograph: Pixels, name: str
) -> None:
    result = client.transmit(photograph, codec=name, bpp=0.5, snr_db=20, seed=42)
    expected = in_process(registry.load(name, 0.5), photograph, 20.0, 42)
    assert (result.outcome, expected.outcome) == ("received", Outcome.RECEIVED)
    assert np.array_equal(result.image, expected.image)
    assert result.psnr_db > 22


def test_the_rate_is_the_files_and_the_bits_are_those_sent(client: Client, photograph: Pixels) -> None:
    result = client.transmit(photograph, codec="webp+ldpc", bpp=0.25)
    assert photograph.shape == (100, 150, 3)
    assert (result.codec, result.bpp) == ("webp+ldpc", 0.25)
    # 469 bytes and an end mark take three words of 1458 information bits.
    assert result.bits == 3 * 1944
    assert result.channel_uses == result.bits // 4


def test_there_is_a_cliff_and_below_it_the_stand_in(client: Client, photograph: Pixels) -> None:
    above = client.transmit(photograph, codec="webp+ldpc", snr_db=12, seed=1)
    below = client.transmit(photograph, codec="webp+ldpc", snr_db=5, seed=1)
    assert (above.outcome, below.outcome) == ("received", "damaged")
    assert np.array_equal(
        below.image, Image.fromarray(shipped.stand_in()).resize((150, 100), Image.Resampling.BILINEAR)
    )
    assert below.labels


def test_an_image_that_fits_at_no_quality_is_told_from_a_lost_one(client: Client) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    assert client.transmit(noise, codec="jpeg+ldpc", bpp=0.125, snr_db=20).outcome == "nothing sent"


def test_the_noise_of_all_channels_that_were_crossed_is_reckoned_with(
    link: LocalLink, registry: CodecRegistry, photograph: Pixels, tmp_path: Path
) -> None:
    codec = registry.load("webp+ldpc", 0.25)
    second = ServiceProcess("channel", tmp_path / "channel.log", {"upstream": link.services["channel"].address})
    try:
        transmitter = ServiceProcess("transmitter", tmp_path / "log", {"upstream": second.wait_serving()})
        try:
            with Client(transmitter.wait_serving()) as client:
                result = client.transmit(photograph, codec=codec.name, snr_db=14, seed=3)
        finally:
            transmitter.stop()
    finally:
        second.stop()
    symbols = QAM16.modulate(codec.encode(photograph[None]).reshape(-1))
    for hop in range(2):
        symbols = AWGN().transmit(symbols, 14.0, noise_generator(3, hop))
    (expected,) = codec.receive(symbols[None], (150, 100), np.array([2 * noise_power(14.0)]))
    assert result.outcome == expected.outcome.value == "received"
    assert np.array_equal(result.image, expected.image)


async def test_images_that_are_decoded_together_are_those_decoded_alone(link: LocalLink, cat: Pixels) -> None:
    """At the cliff, where some are lost and others are not."""
    crops = [np.ascontiguousarray(cat[5 * i : 5 * i + 96, 9 * i : 9 * i + 96]) for i in range(16)]
    frozen = {"codec": "webp-agreed+ldpc", "snr_db": 10.3, "received_format": "raw", "task": "stl10"}
    async with AsyncClient(link.server) as client:
        alone = [await client.transmit(crop, seed=i, **frozen) for i, crop in enumerate(crops)]
        together = await asyncio.gather(*(client.transmit(crop, seed=i, **frozen) for i, crop in enumerate(crops)))
    assert {result.outcome for result in alone} == {"received", "damaged"}
    for one, other in zip(alone, together, strict=True):
        assert one.outcome == other.outcome
        assert np.array_equal(one.image, other.image)


@pytest.mark.parametrize(
    ("options", "code", "sentence"),
    [
        ({"bpp": 7.0}, grpc.StatusCode.NOT_FOUND, r"no rate of 7 bpp here; installed: 0\.125, 0\.25, 0\.5"),
        ({"codec": "webp+turbo"}, grpc.StatusCode.NOT_FOUND, r"no codec 'webp\+turbo' here"),
    ],
)
def test_what_there_is_not(
    client: Client, photograph: Pixels, options: dict[str, object], code: grpc.StatusCode, sentence: str
) -> None:
    with pytest.raises(LinkError, match=sentence) as caught:
        client.transmit(photograph, **{"codec": "webp+ldpc", **options})
    assert caught.value.code is code


def test_an_image_longer_than_its_format_holds(client: Client) -> None:
    with pytest.raises(LinkError, match="sides of up to 16383") as caught:
        client.transmit(np.zeros((2, 16384, 3), np.uint8), codec="webp+ldpc")
    assert caught.value.code is grpc.StatusCode.INVALID_ARGUMENT


def test_a_service_without_the_extra_starts_and_says_what_to_install(tmp_path: Path, photograph: Pixels) -> None:
    address = tmp_path / "address"
    code = (
        "import runpy, sys; sys.modules['sionna'] = None; "
        "sys.argv = ['transmitter', '--listen=127.0.0.1:0', f'--address-file={sys.argv[1]}']; "
        "runpy.run_module('transmitter', run_name='__main__')"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(address)], cwd=ROOT, stderr=subprocess.DEVNULL)
    try:
        with Client(_address(address, process)) as client:
            assert not any("ldpc" in codec.name for codec in client.codecs())
            with pytest.raises(LinkError, match=r"pip install 'sdjscc\[baselines\]'") as caught:
                client.transmit(photograph, codec="webp+ldpc")
    finally:
        process.terminate()
        assert process.wait(30) == 0
    assert caught.value.code is grpc.StatusCode.FAILED_PRECONDITION


def test_the_command_line_shows_what_was_lost_and_succeeds(link: LocalLink, photograph: Pixels, tmp_path: Path) -> None:
    path = tmp_path / "coffee.png"
    Image.fromarray(photograph).save(path)
    arguments = ("send", str(path), "--server", link.server, "--codec", "webp+ldpc", "--snr", "5")
    table, lines = (_sdjscc(*arguments), _sdjscc(*arguments, "--json"))
    assert (table.returncode, lines.returncode) == (0, 0)
    assert "(damaged)" in table.stdout
    assert json.loads(lines.stdout)["outcome"] == "damaged"


def _sdjscc(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sdjscc.cli", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, env={**os.environ, "COLUMNS": "120"}, timeout=120
    )


def _address(file: Path, process: subprocess.Popen[bytes]) -> str:
    deadline = time.monotonic() + 60
    while not (file.exists() and file.read_text()):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return file.read_text()
