from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class GetConditionsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetConditionsResponse(_message.Message):
    __slots__ = ("model", "snr_db")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    SNR_DB_FIELD_NUMBER: _ClassVar[int]
    model: str
    snr_db: float
    def __init__(self, model: _Optional[str] = ..., snr_db: _Optional[float] = ...) -> None: ...

class SetConditionsRequest(_message.Message):
    __slots__ = ("snr_db",)
    SNR_DB_FIELD_NUMBER: _ClassVar[int]
    snr_db: float
    def __init__(self, snr_db: _Optional[float] = ...) -> None: ...

class SetConditionsResponse(_message.Message):
    __slots__ = ("model", "snr_db")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    SNR_DB_FIELD_NUMBER: _ClassVar[int]
    model: str
    snr_db: float
    def __init__(self, model: _Optional[str] = ..., snr_db: _Optional[float] = ...) -> None: ...
