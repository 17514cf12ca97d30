"""All fuzz targets by name."""

from __future__ import annotations

from collections.abc import Callable

from sdjscc.codecs.separation import HevcIntra, Jpeg, SourceCoder, WebP
from sdjscc.v1.image_pb2 import Image
from sdjscc.v1.receiver_pb2 import ReceiveBatchRequest, ReceiveBatchResponse, ReceiveRequest
from sdjscc.v1.tensor_pb2 import BitTensor, SymbolTensor
from sdjscc.v1.transmitter_pb2 import TransmitBatchRequest, TransmitBatchResponse, TransmitRequest
from tests.fuzz import answers, batches, decoders, requests
from tests.fuzz.target import Target

__all__ = ["TARGETS"]


def _of_source(coder: Callable[[], SourceCoder], share: int) -> Target:
    return Target(decoders.source(coder), decoders.sources(coder), share)


TARGETS: dict[str, Target] = {
    "image-file": Target(decoders.image_file, decoders.image_files, 180),
    "image-message": Target(decoders.image_message, decoders.image_messages, 80, Image),
    "bit-tensor": Target(decoders.bit_tensor, decoders.bit_tensors, 125, BitTensor),
    "symbol-tensor": Target(decoders.symbol_tensor, decoders.symbol_tensors, 125, SymbolTensor),
    "frame": Target(decoders.coded_frame, decoders.coded_frames, 100),
    "jpeg": _of_source(Jpeg, 30),
    "jpeg-agreed": _of_source(lambda: Jpeg(agreed_headers=True), 30),
    "webp": _of_source(WebP, 30),
    "webp-agreed": _of_source(lambda: WebP(agreed_headers=True), 30),
    "hevc": _of_source(HevcIntra, 30),
    "hevc-agreed": _of_source(lambda: HevcIntra(agreed_headers=True), 30),
    "coded-symbols": Target(decoders.coded_symbols, decoders.coded_symbol_seeds, 5),
    "transmit-request": Target(requests.transmit_request, requests.transmit_requests, 30, TransmitRequest),
    "channel-request": Target(requests.channel_request, requests.receive_requests, 55, ReceiveRequest),
    "receive-request": Target(requests.receive_request, requests.receive_requests, 30, ReceiveRequest),
    "transmit-batch-request": Target(
        batches.as_singles(
            TransmitBatchRequest, lambda: requests.transmitter().TransmitBatch, lambda: requests.transmitter().Transmit
        ),
        batches.of_singles(TransmitBatchRequest, requests.transmit_requests),
        10,
        TransmitBatchRequest,
    ),
    "channel-batch-request": Target(
        batches.as_singles(
            ReceiveBatchRequest, lambda: requests.channel().ReceiveBatch, lambda: requests.channel().Receive
        ),
        batches.of_singles(ReceiveBatchRequest, requests.receive_requests),
        20,
        ReceiveBatchRequest,
    ),
    "receive-batch-request": Target(
        batches.as_singles(
            ReceiveBatchRequest, lambda: requests.receiver().ReceiveBatch, lambda: requests.receiver().Receive
        ),
        batches.of_singles(ReceiveBatchRequest, requests.receive_requests),
        10,
        ReceiveBatchRequest,
    ),
    "receive-batch-response": Target(answers.at_the_channel, answers.from_the_receiver, 25, ReceiveBatchResponse),
    "transmit-batch-response": Target(answers.at_the_client, answers.from_the_transmitter, 25, TransmitBatchResponse),
}
"""By name; the shares add up to 1000."""
