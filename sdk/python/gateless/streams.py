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

from .errors import GatelessError

# No log line or event comes near it.
_MAX_CHARS = 4 * 1024 * 1024


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
        if len(rest) > _MAX_CHARS:
            raise GatelessError(0, "bad_answer", f"a line is longer than {_MAX_CHARS} characters")
    if rest:
        yield rest


def json_lines(response: httpx.Response) -> Iterator[dict[str, Any]]:
    """One JSON document a line."""
    for line in _lines(response):
        if line.strip():
            yield json.loads(line)


def server_events(response: httpx.Response) -> Iterator[Event]:
    """Server-sent events whose data is JSON."""
    id: str | None = None
    kind, data, size = "", [], 0
    for line in _lines(response):
        if line == "":
            if data:
                yield Event(id, kind or "message", json.loads("\n".join(data)))
            kind, data, size = "", [], 0
            continue
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        size += len(value)
        if size > _MAX_CHARS:
            raise GatelessError(0, "bad_answer", f"an event is longer than {_MAX_CHARS} characters")
        if name == "id":
            id = value
        elif name == "event":
            kind = value
        elif name == "data":
            data.append(value)
