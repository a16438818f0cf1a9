"""Answers that do not end: log lines as JSON lines, and server-sent events.

Deliberately bounded: a line too large to be one is an error.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
from httpx_sse import EventSource, SSEError

from .errors import GatelessError

# No log line or event comes near it.
_MAX_SIZE = 4 * 1024 * 1024


@dataclass(frozen=True)
class Event:
    """What happened."""

    id: str | None
    """Where to go on after it."""
    type: str
    data: dict[str, Any]


def _lines(response: httpx.Response) -> Iterator[str]:
    # httpx's own iter_lines also ends lines at characters a log line may well have in it.
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    rest = ""
    for chunk in response.iter_raw():
        rest += decoder.decode(chunk)
        *whole, rest = rest.split("\n")
        yield from (line.removesuffix("\r") for line in whole)
        if len(rest) > _MAX_SIZE:
            raise GatelessError(0, "bad_answer", f"a line is longer than {_MAX_SIZE} characters")
    if rest:
        yield rest


def json_lines(response: httpx.Response) -> Iterator[dict[str, Any]]:
    """One JSON document a line."""
    for line in _lines(response):
        if line.strip():
            yield json.loads(line)


class _Bounded(httpx.SyncByteStream):
    """A body of events, of which none may be endless: what comes without a blank line is counted."""

    def __init__(self, body: httpx.SyncByteStream) -> None:
        self._body = body

    def __iter__(self) -> Iterator[bytes]:
        size = 0
        for chunk in self._body:
            blank = max(chunk.rfind(b"\n\n"), chunk.rfind(b"\r\n\r\n"))
            size = size + len(chunk) if blank < 0 else len(chunk) - blank
            if size > _MAX_SIZE:
                raise GatelessError(0, "bad_answer", f"an event is longer than {_MAX_SIZE} bytes")
            yield chunk

    def close(self) -> None:
        self._body.close()


def server_events(response: httpx.Response) -> Iterator[Event]:
    """Server-sent events whose data is JSON."""
    assert isinstance(response.stream, httpx.SyncByteStream)
    response.stream = _Bounded(response.stream)
    try:
        for event in EventSource(response).iter_sse():
            # A block that only sets the id is none for a program.
            if event.data:
                yield Event(event.id or None, event.event, json.loads(event.data))
    except SSEError as error:
        raise GatelessError(0, "bad_answer", str(error)) from error
