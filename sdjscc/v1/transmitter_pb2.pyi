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
    error: FrameError
    def __init__(self, frame_id: _Optional[int] = ..., response: _Optional[_Union[TransmitResponse, _Mapping]] = ..., error: _Optional[_Union[FrameError, _Mapping]] = ...) -> None: ...

class FrameError(_message.Message):
    __slots__ = ("code", "message", "retry_after_s")
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_S_FIELD_NUMBER: _ClassVar[int]
    code: int
    message: str
    retry_after_s: float
    def __init__(self, code: _Optional[int] = ..., message: _Optional[str] = ..., retry_after_s: _Optional[float] = ...) -> None: ...

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
