from sdjscc.v1 import failure_pb2 as _failure_pb2
from sdjscc.v1 import image_pb2 as _image_pb2
from sdjscc.v1 import tensor_pb2 as _tensor_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Outcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OUTCOME_UNSPECIFIED: _ClassVar[Outcome]
    OUTCOME_RECEIVED: _ClassVar[Outcome]
    OUTCOME_DAMAGED: _ClassVar[Outcome]
    OUTCOME_NOTHING_SENT: _ClassVar[Outcome]
OUTCOME_UNSPECIFIED: Outcome
OUTCOME_RECEIVED: Outcome
OUTCOME_DAMAGED: Outcome
OUTCOME_NOTHING_SENT: Outcome

class ReceiveRequest(_message.Message):
    __slots__ = ("transmission", "delivery", "channel", "conditions")
    TRANSMISSION_FIELD_NUMBER: _ClassVar[int]
    DELIVERY_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    CONDITIONS_FIELD_NUMBER: _ClassVar[int]
    transmission: Transmission
    delivery: Delivery
    channel: ChannelRequest
    conditions: _containers.RepeatedCompositeFieldContainer[ChannelConditions]
    def __init__(self, transmission: _Optional[_Union[Transmission, _Mapping]] = ..., delivery: _Optional[_Union[Delivery, _Mapping]] = ..., channel: _Optional[_Union[ChannelRequest, _Mapping]] = ..., conditions: _Optional[_Iterable[_Union[ChannelConditions, _Mapping]]] = ...) -> None: ...

class Transmission(_message.Message):
    __slots__ = ("codec", "bpp", "weights_sha256", "width", "height", "bit_shape", "constellation", "bits", "symbols")
    CODEC_FIELD_NUMBER: _ClassVar[int]
    BPP_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_SHA256_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    BIT_SHAPE_FIELD_NUMBER: _ClassVar[int]
    CONSTELLATION_FIELD_NUMBER: _ClassVar[int]
    BITS_FIELD_NUMBER: _ClassVar[int]
    SYMBOLS_FIELD_NUMBER: _ClassVar[int]
    codec: str
    bpp: float
    weights_sha256: str
    width: int
    height: int
    bit_shape: _containers.RepeatedScalarFieldContainer[int]
    constellation: str
    bits: _tensor_pb2.BitTensor
    symbols: _tensor_pb2.SymbolTensor
    def __init__(self, codec: _Optional[str] = ..., bpp: _Optional[float] = ..., weights_sha256: _Optional[str] = ..., width: _Optional[int] = ..., height: _Optional[int] = ..., bit_shape: _Optional[_Iterable[int]] = ..., constellation: _Optional[str] = ..., bits: _Optional[_Union[_tensor_pb2.BitTensor, _Mapping]] = ..., symbols: _Optional[_Union[_tensor_pb2.SymbolTensor, _Mapping]] = ...) -> None: ...

class Delivery(_message.Message):
    __slots__ = ("image_format", "top_k", "task")
    IMAGE_FORMAT_FIELD_NUMBER: _ClassVar[int]
    TOP_K_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    image_format: _image_pb2.ImageFormat
    top_k: int
    task: str
    def __init__(self, image_format: _Optional[_Union[_image_pb2.ImageFormat, str]] = ..., top_k: _Optional[int] = ..., task: _Optional[str] = ...) -> None: ...

class ChannelRequest(_message.Message):
    __slots__ = ("snr_db", "seed")
    SNR_DB_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    snr_db: float
    seed: int
    def __init__(self, snr_db: _Optional[float] = ..., seed: _Optional[int] = ...) -> None: ...

class ChannelConditions(_message.Message):
    __slots__ = ("model", "snr_db", "seed")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    SNR_DB_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    model: str
    snr_db: float
    seed: int
    def __init__(self, model: _Optional[str] = ..., snr_db: _Optional[float] = ..., seed: _Optional[int] = ...) -> None: ...

class ReceiveResponse(_message.Message):
    __slots__ = ("image", "labels", "task", "conditions", "timings", "outcome")
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    CONDITIONS_FIELD_NUMBER: _ClassVar[int]
    TIMINGS_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    image: _image_pb2.Image
    labels: _containers.RepeatedCompositeFieldContainer[Label]
    task: str
    conditions: _containers.RepeatedCompositeFieldContainer[ChannelConditions]
    timings: _containers.RepeatedCompositeFieldContainer[StageTiming]
    outcome: Outcome
    def __init__(self, image: _Optional[_Union[_image_pb2.Image, _Mapping]] = ..., labels: _Optional[_Iterable[_Union[Label, _Mapping]]] = ..., task: _Optional[str] = ..., conditions: _Optional[_Iterable[_Union[ChannelConditions, _Mapping]]] = ..., timings: _Optional[_Iterable[_Union[StageTiming, _Mapping]]] = ..., outcome: _Optional[_Union[Outcome, str]] = ...) -> None: ...

class ReceiveBatchRequest(_message.Message):
    __slots__ = ("requests",)
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    requests: _containers.RepeatedCompositeFieldContainer[ReceiveRequest]
    def __init__(self, requests: _Optional[_Iterable[_Union[ReceiveRequest, _Mapping]]] = ...) -> None: ...

class ReceiveBatchResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[ReceiveResult]
    def __init__(self, results: _Optional[_Iterable[_Union[ReceiveResult, _Mapping]]] = ...) -> None: ...

class ReceiveResult(_message.Message):
    __slots__ = ("response", "failure")
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    response: ReceiveResponse
    failure: _failure_pb2.Failure
    def __init__(self, response: _Optional[_Union[ReceiveResponse, _Mapping]] = ..., failure: _Optional[_Union[_failure_pb2.Failure, _Mapping]] = ...) -> None: ...

class Label(_message.Message):
    __slots__ = ("name", "probability")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    name: str
    probability: float
    def __init__(self, name: _Optional[str] = ..., probability: _Optional[float] = ...) -> None: ...

class StageTiming(_message.Message):
    __slots__ = ("stage", "milliseconds")
    STAGE_FIELD_NUMBER: _ClassVar[int]
    MILLISECONDS_FIELD_NUMBER: _ClassVar[int]
    stage: str
    milliseconds: float
    def __init__(self, stage: _Optional[str] = ..., milliseconds: _Optional[float] = ...) -> None: ...
