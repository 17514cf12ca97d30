"""Photographs across the running chain: three real processes, real sockets, the shipped weights."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from numpy.typing import NDArray
from PIL import Image

from deploy.local import LocalLink, ServiceProcess
from sdjscc.client import AsyncClient, Client, LinkError, Result
from sdjscc.client.messages import Options, build_batch
from sdjscc.codecs import DEFAULT_CODEC, CodecRegistry
from sdjscc.data.images import encode_image
from sdjscc.engines import select
from sdjscc.errors import InvalidRequest
from sdjscc.metrics import psnr_db
from sdjscc.v1.channel_pb2 import GetConditionsRequest, SetConditionsRequest
from sdjscc.v1.channel_pb2_grpc import ChannelServiceStub
from sdjscc.v1.receiver_pb2_grpc import ReceiverServiceStub
from sdjscc.v1.transmitter_pb2_grpc import TransmitterServiceStub
from tests.services.requests import TIMEOUT_S, receive_request, stubs

Pixels = NDArray[np.uint8]


@pytest.fixture
def client(link: LocalLink):
    with Client(link.server) as connected:
        yield connected


def test_a_photograph_arrives_with_a_label(client: Client, cat: Pixels) -> None:
    result = client.transmit(cat, snr_db=20, seed=1, task="stl10", top_k=3)
    assert result.image is not None
    assert result.image.shape == cat.shape
    assert result.psnr_db is not None
    assert result.psnr_db > 22
    assert result.labels[0].name == "cat"
    assert len(result.labels) == 3
    probabilities = [label.probability for label in result.labels]
    assert probabilities == sorted(probabilities, reverse=True)
    assert 0 < sum(probabilities) <= 1.0001


def test_bits_and_channel_uses_count_the_padding(client: Client, cat: Pixels) -> None:
    result = client.transmit(cat)
    assert cat.shape == (300, 451, 3)
    assert result.bits == 16 * 38 * 57
    assert result.channel_uses == result.bits // 2
    assert (result.codec, result.bpp) == (DEFAULT_CODEC, 0.25)


def test_quality_grows_with_the_snr(client: Client, cat: Pixels) -> None:
    psnrs = [client.transmit(cat, snr_db=snr_db, seed=1).psnr_db for snr_db in (0, 5, 10, 20)]
    assert psnrs == sorted(psnrs)


def test_the_services_add_nothing_to_what_the_library_does(client: Client, photograph: Pixels) -> None:
    """What comes over the chain is, to the last bit, codec, channel and codec called by hand."""
    from sdjscc.channels import AWGN, UNIPOLAR_IQ, noise_generator

    codec = CodecRegistry(engine=select()).load()
    symbols = UNIPOLAR_IQ.modulate(codec.encode(photograph[None]).reshape(-1))
    received = AWGN().transmit(symbols, 5.0, noise_generator(42))
    height, width, _ = photograph.shape
    expected = codec.decode(received[None], (width, height), np.zeros(1))[0]
    result = client.transmit(photograph, snr_db=5, seed=42)
    assert result.image is not None
    assert np.array_equal(result.image, expected)


def test_seeds_repeat_and_a_drawn_seed_comes_back(client: Client, photograph: Pixels) -> None:
    first = client.transmit(photograph, snr_db=3)
    seed = first.conditions[0].seed
    again = client.transmit(photograph, snr_db=3, seed=seed)
    other = client.transmit(photograph, snr_db=3)
    assert np.array_equal(first.image, again.image)
    assert not np.array_equal(first.image, other.image)


def test_configured_conditions_hold_until_a_request_asks_otherwise(
    link: LocalLink, client: Client, photograph: Pixels
) -> None:
    with grpc.insecure_channel(link.services["channel"].address) as connection:
        stub = ChannelServiceStub(connection)
        before = stub.GetConditions(GetConditionsRequest(), timeout=TIMEOUT_S)
        try:
            held = stub.SetConditions(SetConditionsRequest(snr_db=3.5), timeout=TIMEOUT_S)
            assert (held.model, held.snr_db) == ("awgn", 3.5)
            assert client.transmit(photograph).conditions[0].snr_db == 3.5
            assert client.transmit(photograph, snr_db=12).conditions[0].snr_db == 12
            assert client.transmit(photograph).conditions[0].snr_db == 3.5
            assert stub.SetConditions(SetConditionsRequest(), timeout=TIMEOUT_S).snr_db == 3.5
        finally:
            stub.SetConditions(SetConditionsRequest(snr_db=before.snr_db), timeout=TIMEOUT_S)


def test_a_result_does_not_depend_on_what_runs_beside_it(link: LocalLink, cat: Pixels) -> None:
    crops = [np.ascontiguousarray(cat[i : i + 64 + 8 * i, i : i + 96]) for i in range(8)]

    async def send_all() -> list[Result]:
        async with AsyncClient(link.server) as client:
            return await asyncio.gather(*(client.transmit(crop, snr_db=5, seed=i) for i, crop in enumerate(crops)))

    together = asyncio.run(send_all())
    with Client(link.server) as client:
        for i, (crop, result) in enumerate(zip(crops, together, strict=True)):
            alone = client.transmit(crop, snr_db=5, seed=i)
            # Beside others a sum is rounded differently.
            assert np.abs(alone.image.astype(int) - result.image).max() <= 1
            assert alone.labels[0].name == result.labels[0].name


async def test_images_that_are_decoded_together_are_those_decoded_alone(link: LocalLink, cat: Pixels) -> None:
    """Bits and noise are the very same; the decoder's sums may be rounded otherwise, by a grey level at most."""
    crops = [np.ascontiguousarray(cat[5 * i : 5 * i + 96, 9 * i : 9 * i + 96]) for i in range(24)]
    frozen = {"snr_db": 5.0, "received_format": "raw", "task": "stl10"}
    async with AsyncClient(link.server) as client:
        alone = [await client.transmit(crop, seed=i, **frozen) for i, crop in enumerate(crops)]
        calls = (client.transmit(crop, seed=i, **frozen) for i, crop in enumerate(crops))
        together = await asyncio.gather(*calls)
    for one, other in zip(alone, together, strict=True):
        assert abs(one.image.astype(int) - other.image).max() <= 1
        assert one.labels[0].probability == pytest.approx(other.labels[0].probability, abs=0.02)
        assert one.conditions == other.conditions


async def test_a_bad_transmission_does_not_spoil_those_it_is_decoded_with(link: LocalLink, cat: Pixels) -> None:
    crop = np.ascontiguousarray(cat[:96, :96])
    good, bad = receive_request(crop), receive_request(crop, weights_sha256="0" * 64)
    unknown_task = receive_request(crop)
    unknown_task.delivery.task = "poetry"
    async with grpc.aio.insecure_channel(link.services["receiver"].address) as connection:
        stub = ReceiverServiceStub(connection)
        calls = [stub.Receive(request, timeout=TIMEOUT_S) for request in [good, bad, unknown_task] * 8]
        answers = await asyncio.gather(*calls, return_exceptions=True)
    assert all(answer.labels for answer in answers[::3])
    assert {answer.code() for answer in answers[1::3]} == {grpc.StatusCode.FAILED_PRECONDITION}
    assert {answer.code() for answer in answers[2::3]} == {grpc.StatusCode.NOT_FOUND}


@pytest.mark.parametrize("received_format", ["png", "webp", "raw", "jpeg"])
def test_the_received_image_comes_in_the_format_asked_for(
    client: Client, photograph: Pixels, received_format: str
) -> None:
    exact = client.transmit(photograph, snr_db=10, seed=1, received_format="raw")
    result = client.transmit(photograph, snr_db=10, seed=1, received_format=received_format)
    assert psnr_db(result.image, exact.image) > (30 if received_format == "jpeg" else 1000)


def test_no_image_comes_back_where_none_is_asked_for(client: Client, photograph: Pixels) -> None:
    result = client.transmit(photograph, received_format="none")
    assert result.image is None
    assert result.psnr_db is None
    assert result.labels


def test_images_can_be_given_as_path_bytes_pixels_or_pillow(client: Client, photograph: Pixels, tmp_path: Path) -> None:
    path = tmp_path / "photograph.png"
    path.write_bytes(encode_image(photograph))
    forms = [photograph, path, str(path), path.read_bytes(), Image.fromarray(photograph)]
    images = [client.transmit(form, snr_db=10, seed=1).image for form in forms]
    assert all(np.array_equal(image, images[0]) for image in images)


def test_timings_name_every_stage(client: Client, photograph: Pixels) -> None:
    timings = client.transmit(photograph).timings_ms
    stages = ["unpack", "decode", "classify", "pack"]
    assert {"transmitter/unpack", "transmitter/encode", "channel/noise"} <= timings.keys()
    assert {f"receiver/{stage}" for stage in stages} <= timings.keys()
    assert all(milliseconds >= 0 for milliseconds in timings.values())


def test_a_batch_answers_each_image_as_a_call_of_its_own_would(client: Client, cat: Pixels) -> None:
    """Sizes are mixed on purpose: only equal ones are encoded and decoded together."""
    crops = [np.ascontiguousarray(cat[: 40 + 8 * (i % 3), 9 * i : 9 * i + 96]) for i in range(12)]
    results = client.transmit_batch(crops, snr_db=5, seed=3, task="stl10")
    assert len(results) == len(crops)
    for crop, result in zip(crops, results, strict=True):
        assert isinstance(result, Result)
        alone = client.transmit(crop, snr_db=5, seed=3, task="stl10")
        assert np.array_equal(result.original, crop)
        assert np.abs(alone.image.astype(int) - result.image).max() <= 1
        assert alone.labels[0].name == result.labels[0].name
        assert alone.conditions == result.conditions
        assert alone.timings_ms.keys() == result.timings_ms.keys()


def test_an_image_that_fails_spoils_none_of_its_batch(client: Client, photograph: Pixels) -> None:
    """Wherever on the way it fails: at the transmitter, or where the task is looked up."""
    request = build_batch([photograph, b"no image", photograph, photograph], Options(snr_db=10.0, seed=1))
    request.requests[2].delivery.task = "poetry"
    request.requests[3].channel.snr_db = 1000
    with grpc.insecure_channel(client.server) as connection:
        response = TransmitterServiceStub(connection).TransmitBatch(request, timeout=TIMEOUT_S)
    first, *others = response.results
    assert first.response.received.labels
    codes = [grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND, grpc.StatusCode.INVALID_ARGUMENT]
    assert [result.failure.code for result in others] == [code.value[0] for code in codes]
    _, undecodable = client.transmit_batch([photograph, b"no image"])
    assert isinstance(undecodable, LinkError)
    assert undecodable.code is grpc.StatusCode.INVALID_ARGUMENT
    assert "cannot be decoded" in str(undecodable)


@pytest.mark.parametrize(("count", "sentence"), [(0, "batch is empty"), (65, "at most 64")])
def test_a_batch_has_a_bounded_number_of_images(client: Client, photograph: Pixels, count: int, sentence: str) -> None:
    with pytest.raises(LinkError, match=sentence) as caught:
        client.transmit_batch([photograph[:8, :8]] * count)
    assert caught.value.code is grpc.StatusCode.INVALID_ARGUMENT


async def test_the_asyncio_client_sends_batches_too(link: LocalLink, photograph: Pixels) -> None:
    async with AsyncClient(link.server) as client:
        results = await client.transmit_batch([photograph[:32, :32], b"no image"], received_format="none")
    assert [type(result) for result in results] == [Result, LinkError]


def test_a_stream_answers_in_order_and_survives_a_bad_frame(client: Client, cat: Pixels) -> None:
    frames = [cat[:80], b"no image", cat[:40], cat[:8, :8]]
    answers = list(client.stream([np.ascontiguousarray(f) if not isinstance(f, bytes) else f for f in frames], seed=1))
    assert [getattr(answer, "image", np.zeros(0)).shape for answer in answers] == [
        (80, 451, 3),
        (0,),
        (40, 451, 3),
        (8, 8, 3),
    ]
    error = answers[1]
    assert isinstance(error, LinkError)
    assert error.code is grpc.StatusCode.INVALID_ARGUMENT
    assert "cannot be decoded" in str(error)
    unary = client.transmit(np.ascontiguousarray(cat[:40]), seed=1)
    assert np.abs(answers[2].image.astype(int) - unary.image).max() <= 1


async def test_a_stream_of_many_frames_is_held_back_not_refused(link: LocalLink, photograph: Pixels) -> None:
    async with AsyncClient(link.server) as client:
        frames = [photograph[:32, :32]] * 100
        answers = [answer async for answer in client.stream(frames, received_format="none")]
    assert len(answers) == 100
    assert all(isinstance(answer, Result) for answer in answers)


def test_an_error_in_the_source_of_a_stream_comes_out(client: Client, photograph: Pixels) -> None:
    answers = client.stream([photograph, "no-such-file.png"])
    assert isinstance(next(answers), Result)
    with pytest.raises(InvalidRequest, match="no-such-file"):
        next(answers)


async def test_leaving_a_stream_early_leaves_the_service_well(link: LocalLink, photograph: Pixels) -> None:
    async with AsyncClient(link.server) as client:
        async for _ in client.stream([photograph] * 50, received_format="none"):
            break
        assert (await client.transmit(photograph)).labels


def test_the_request_id_is_in_the_log_of_every_service(link: LocalLink, client: Client, photograph: Pixels) -> None:
    result = client.transmit(photograph)
    for service in link.services.values():
        lines = [json.loads(line) for line in service.log.read_text().splitlines()]
        mine = [line for line in lines if line.get("request_id") == result.request_id]
        assert [line["status"] for line in mine] == ["OK"], service.name
        assert mine[0]["service"] == service.name


def test_codecs_are_listed(client: Client) -> None:
    listed = {(codec.name, codec.bpp, codec.weights_sha256) for codec in client.codecs()}
    entries = CodecRegistry().entries
    assert listed == {(entry.name, entry.bpp, entry.weights_sha256) for entry in entries}


@pytest.mark.parametrize("name", ["transmitter", "channel", "receiver"])
def test_health_and_reflection_answer(link: LocalLink, name: str) -> None:
    own = {
        "transmitter": {"sdjscc.v1.TransmitterService"},
        "channel": {"sdjscc.v1.ReceiverService", "sdjscc.v1.ChannelService"},
        "receiver": {"sdjscc.v1.ReceiverService"},
    }[name]
    with grpc.insecure_channel(link.services[name].address) as connection:
        health = health_pb2_grpc.HealthStub(connection)
        for service in ("", *own):
            request = health_pb2.HealthCheckRequest(service=service)
            assert health.Check(request, timeout=TIMEOUT_S).status == health_pb2.HealthCheckResponse.SERVING
        reflect = reflection_pb2_grpc.ServerReflectionStub(connection)
        requests = iter([reflection_pb2.ServerReflectionRequest(list_services="")])
        answer = next(iter(reflect.ServerReflectionInfo(requests, timeout=TIMEOUT_S)))
        listed = {service.name for service in answer.list_services_response.service}
        assert own | {"grpc.health.v1.Health"} <= listed


def test_without_a_channel_nothing_is_added(link: LocalLink, photograph: Pixels) -> None:
    """A transmission handed to the receiver itself: bits, no conditions, the best image there is."""
    codec = CodecRegistry(engine=select()).load("deep-jscc", 0.25)
    with stubs(link.services["receiver"].address) as (_, receiver):
        request = receive_request(photograph)
        request.delivery.image_format = 1
        response = receiver.Receive(request, timeout=TIMEOUT_S)
    assert not response.conditions
    height, width, _ = photograph.shape
    symbols = codec.constellation.modulate(codec.encode(photograph[None]).reshape(-1))
    expected = codec.decode(symbols[None], (width, height), np.zeros(1))[0]
    assert response.image.raw.data == expected.tobytes()


def test_channels_can_be_chained_and_send_float16(link: LocalLink, photograph: Pixels, tmp_path: Path) -> None:
    second = ServiceProcess(
        "channel",
        tmp_path / "second.log",
        {"upstream": link.services["channel"].address, "snr-db": 7, "element-type": "float16"},
    )
    try:
        second.wait_serving()
        with stubs(second.address) as (_, receiver):
            request = receive_request(photograph)
            request.channel.seed = 5
            response = receiver.Receive(request, timeout=TIMEOUT_S)
        assert [(c.model, c.snr_db, c.seed) for c in response.conditions] == [("awgn", 7, 5), ("awgn", 10, 5)]
    finally:
        assert second.stop() == 0
