"""What gRPC's core writes to standard error, as lines of our log: above all, whom the server refused and why.

The core tells Python nothing of a handshake that fails. It does write of it, and with its tracer ``handshaker`` on it
writes the address too; that text is read here. Only the text of the core is: what Python writes goes its own way.
"""

from __future__ import annotations

import contextlib
import faulthandler
import fcntl
import os
import re
import select
import sys
import threading

import structlog

from sdjscc.serving.logs import get_logger

__all__ = ["CoreLog", "read_record", "trace_handshakes"]

_TRACER = "handshaker"
_PIPE_BYTES = 2**20
_LONGEST = 2**16
_SILENCE_S = 0.05
_LAST_WORDS_S = 1.0

# Begin of each record, as "I1125 13:33:34.914560   27687 handshaker.cc:155] "; it may take several lines.
_HEAD = re.compile(r"([IWEF])\d{4} \S+ +\d+ ([\w.]+):\d+\] ")
_BEGINS = re.compile(r"^(?=[IWEF]\d{4} \S+ +\d+ [\w.]+:\d+\] )", re.MULTILINE)
_LEVELS = {"I": "info", "W": "warning", "E": "error", "F": "critical"}

# Of these files, what is not of a handshake that fails is of one that goes well; what begins so is said twice, or of
# the log itself.
_OF_HANDSHAKES = {"handshaker.cc", "channel_trace.h", "trace.cc"}
_REPEATED = "Handshake failed with error"
_OF_THE_LOG = "WARNING: All log messages before absl::InitializeLog()"

_FAILED = re.compile(r"CallNextHandshakerLocked: error=(?!OK )(.*?)shutdown=\w+ index", re.DOTALL)
_PEER = re.compile(r"endpoint_peer_address=([^,}]+)")
_OF_SERVER = "grpc.internal.server_credentials="

_REASONS = {
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "it sent no certificate",
    "certificate has expired": "its certificate has expired",
    "certificate is not yet valid": "its certificate is not valid yet",
    "unable to get local issuer certificate": "its certificate is of another authority",
    "certificate signature failure": "its certificate is of another authority",
    "self signed certificate": "its certificate is of another authority",
    "self-signed certificate": "its certificate is of another authority",
    "WRONG_VERSION_NUMBER": "it speaks no TLS",
    "HTTP_REQUEST": "it speaks no TLS",
}
_BROKEN_OFF = "Socket closed"


def trace_handshakes() -> None:
    """Have the core write of handshakes. It reads the environment once, when grpc is imported: call this before."""
    traced = os.environ.get("GRPC_TRACE", "").split(",")
    if _TRACER not in traced:
        os.environ["GRPC_TRACE"] = ",".join(filter(None, [*traced, _TRACER]))
    # These would silence what is traced.
    if os.environ.get("GRPC_VERBOSITY", "").upper() in {"ERROR", "NONE"}:
        del os.environ["GRPC_VERBOSITY"]


class CoreLog:
    """Takes over the file descriptor of standard error; ``sys.stderr`` goes on to write where it wrote before.

    Nothing waits for this: what is more than fits the pipe, and the last words of a process that crashes, are lost.
    In their stead `faulthandler` says where it crashed.
    """

    def __init__(self) -> None:
        sys.stderr = os.fdopen(os.dup(2), "w", buffering=1, errors="backslashreplace")
        faulthandler.enable(sys.stderr)
        self._end, write = os.pipe()
        # A core that waited for room here, in a thread that holds the GIL, would wait for ever.
        os.set_blocking(write, False)
        if hasattr(fcntl, "F_SETPIPE_SZ"):
            with contextlib.suppress(OSError):
                fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        os.dup2(write, 2)
        os.close(write)

    def start(self) -> None:
        """Begin to log; call it once logs are configured, and what each line shall hold is bound."""
        log = get_logger().bind(**structlog.contextvars.get_contextvars())
        self._reader = threading.Thread(target=self._read, args=(log,), name="core-log", daemon=True)
        self._reader.start()

    def stop(self) -> None:
        """Log what is left. What the core says later, as the process ends, goes nowhere: it is no line of a log."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        os.close(nowhere)
        self._reader.join(_LAST_WORDS_S)

    def _read(self, log: structlog.typing.FilteringBoundLogger) -> None:
        pending, open_still = "", True
        while open_still:
            # The end of a record shows only by the next one, or by silence.
            if select.select([self._end], [], [], _SILENCE_S if pending else None)[0]:
                read = os.read(self._end, _LONGEST)
                open_still = bool(read)
                *records, pending = _BEGINS.split(pending + read.decode(errors="backslashreplace"))
            else:
                records, pending = [pending], ""
            if len(pending) > _LONGEST or not open_still:
                records, pending = [*records, pending], ""
            for level, event, fields in filter(None, map(read_record, records)):
                getattr(log, level)(event, **fields)


def read_record(record: str) -> tuple[str, str, dict[str, str]] | None:
    """Level, event and fields of what to log; None for nothing."""
    head = _HEAD.match(record)
    if head is None:
        text = record.strip()
        return ("warning", "standard error", {"text": text}) if text and not text.startswith(_OF_THE_LOG) else None
    text = record[head.end() :].strip()
    failed = _FAILED.match(text)
    if failed is not None:
        return _handshake(text, failed[1].strip())
    if head[2] in _OF_HANDSHAKES or text.startswith(_REPEATED):
        return None
    return _LEVELS[head[1]], "grpc", {"text": text, "at": head[2]}


def _handshake(text: str, error: str) -> tuple[str, str, dict[str, str]]:
    peer = _PEER.search(text)
    fields = {"peer": peer[1] if peer else "unknown"}
    if _OF_SERVER not in text:
        return "warning", "handshake failed", {**fields, "reason": error}
    if _BROKEN_OFF in error:
        return "info", "handshake broken off", {**fields, "reason": "the client closed the connection"}
    reason = next((words for sign, words in _REASONS.items() if sign in error), error)
    return "warning", "handshake refused", {**fields, "reason": reason}
