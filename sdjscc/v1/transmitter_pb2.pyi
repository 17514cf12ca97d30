from sdjscc.v1 import failure_pb2 as _failure_pb2
from sdjscc.v1 import image_pb2 as _image_pb2
from sdjscc.v1 import receiver_pb2 as _receiver_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class TransmitRequest(_message.Message):
    __slots__ = ("image", "codec", "bpp", "delivery", "channel")
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    CODEC_FIELD_NUMBER: _ClassVar[int]
    BPP_FIELD_NUMBER: _ClassVar[int]
    DELIVERY_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    image: _image_pb2.Image
    codec: str
    bpp: float
    delivery: _receiver_pb2.Delivery
    channel: _receiver_pb2.ChannelRequest
    def __init__(self, image: _Optional[_Union[_image_pb2.Image, _Mapping]] = ..., codec: _Optional[str] = ..., bpp: _Optional[float] = ..., delivery: _Optional[_Union[_receiver_pb2.Delivery, _Mapping]] = ..., channel: _Optional[_Union[_receiver_pb2.ChannelRequest, _Mapping]] = ...) -> None: ...

class TransmitResponse(_message.Message):
    __slots__ = ("received", "codec", "bpp", "bits", "channel_uses", "timings")
    RECEIVED_FIELD_NUMBER: _ClassVar[int]
    CODEC_FIELD_NUMBER: _ClassVar[int]
    BPP_FIELD_NUMBER: _ClassVar[int]
    BITS_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_USES_FIELD_NUMBER: _ClassVar[int]
    TIMINGS_FIELD_NUMBER: _ClassVar[int]
    received: _receiver_pb2.ReceiveResponse
    codec: str
    bpp: float
    bits: int
    channel_uses: int
    timings: _containers.RepeatedCompositeFieldContainer[_receiver_pb2.StageTiming]
    def __init__(self, received: _Optional[_Union[_receiver_pb2.ReceiveResponse, _Mapping]] = ..., codec: _Optional[str] = ..., bpp: _Optional[float] = ..., bits: _Optional[int] = ..., channel_uses: _Optional[int] = ..., timings: _Optional[_Iterable[_Union[_receiver_pb2.StageTiming, _Mapping]]] = ...) -> None: ...

class TransmitBatchRequest(_message.Message):
    __slots__ = ("requests",)
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    requests: _containers.RepeatedCompositeFieldContainer[TransmitRequest]
    def __init__(self, requests: _Optional[_Iterable[_Union[TransmitRequest, _Mapping]]] = ...) -> None: ...

class TransmitBatchResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[TransmitResult]
    def __init__(self, results: _Optional[_Iterable[_Union[TransmitResult, _Mapping]]] = ...) -> None: ...

class TransmitResult(_message.Message):
    __slots__ = ("response", "failure")
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    FAILURE_FIELD_NUMBER: _ClassVar[int]
    response: TransmitResponse
    failure: _failure_pb2.Failure
    def __init__(self, response: _Optional[_Union[TransmitResponse, _Mapping]] = ..., failure: _Optional[_Union[_failure_pb2.Failure, _Mapping]] = ...) -> None: ...

class TransmitStreamRequest(_message.Message):
    __slots__ = ("frame_id", "request")
    FRAME_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    frame_id: int
    request: TransmitRequest
    def __init__(self, frame_id: _Optional[int] = ..., request: _Optional[_Union[TransmitRequest, _Mapping]] = ...) -> None: ...

class TransmitStreamResponse(_message.Message):
    __slots__ = ("frame_id", "response", "error")
    FRAME_ID_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    frame_id: int
    response: TransmitResponse
    error: _failure_pb2.Failure
    def __init__(self, frame_id: _Optional[int] = ..., response: _Optional[_Union[TransmitResponse, _Mapping]] = ..., error: _Optional[_Union[_failure_pb2.Failure, _Mapping]] = ...) -> None: ...

class ListCodecsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListCodecsResponse(_message.Message):
    __slots__ = ("codecs", "default_codec")
    CODECS_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_CODEC_FIELD_NUMBER: _ClassVar[int]
    codecs: _containers.RepeatedCompositeFieldContainer[CodecInfo]
    default_codec: str
    def __init__(self, codecs: _Optional[_Iterable[_Union[CodecInfo, _Mapping]]] = ..., default_codec: _Optional[str] = ...) -> None: ...

class CodecInfo(_message.Message):
    __slots__ = ("name", "bpp", "weights_sha256")
    NAME_FIELD_NUMBER: _ClassVar[int]
    BPP_FIELD_NUMBER: _ClassVar[int]
    WEIGHTS_SHA256_FIELD_NUMBER: _ClassVar[int]
    name: str
    bpp: float
    weights_sha256: str
    def __init__(self, name: _Optional[str] = ..., bpp: _Optional[float] = ..., weights_sha256: _Optional[str] = ...) -> None: ...
