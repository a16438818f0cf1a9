"""When a request is sent again: only if a second one can do no harm, and only so often.

Deliberately no circuit breaker and no hedging, and no retry of a body that can be read but once.
"""

from __future__ import annotations

import random
import time
import uuid
from dataclasses import dataclass

import httpx

from .errors import GatelessError, retry_after

_HARMLESS = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})


@dataclass(frozen=True)
class RetryPolicy:
    """How often and how patiently; times in seconds."""

    attempts: int = 4
    """Attempts in all; 1: no retries."""
    base: float = 0.1
    """Upper bound of the first pause, doubled from one to the next."""
    max: float = 10.0
    """Upper bound of every pause; whoever is told by `retry-after` to wait longer fails."""

    def pause(self, attempt: int, asked: float | None = None) -> float | None:
        """The pause after `attempt` (from 1); None: give up. Full jitter, so that clients that failed together part."""
        if attempt >= self.attempts or (asked or 0.0) > self.max:
            return None
        bound = min(self.max, self.base * 2 ** (attempt - 1))
        return (asked or 0.0) + random.uniform(0.0, bound)


def is_repeatable(method: str, headers: httpx.Headers) -> bool:
    """Whether sending it twice has no more effect than sending it once."""
    return method.upper() in _HARMLESS or "idempotency-key" in headers


def asks_again(status: int) -> bool:
    """Whether an answer asks to try again."""
    return status in (429, 503)


def new_key() -> str:
    """A key nobody else has."""
    return uuid.uuid4().hex


class RetryTransport(httpx.BaseTransport):
    """Sends to the server, again where that is right, and raises `GatelessError` where there is no answer."""

    def __init__(self, policy: RetryPolicy, inner: httpx.BaseTransport | None = None) -> None:
        self._policy = policy
        self._inner = inner or httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.method == "POST" and "idempotency-key" not in request.headers:
            # The server answers a repeated POST with the first one's answer, if it can tell.
            request.headers["idempotency-key"] = new_key()
        # A body httpx made of bytes or JSON can be read again; a stream cannot.
        repeatable = is_repeatable(request.method, request.headers) and isinstance(request.stream, httpx.ByteStream)
        attempt = 0
        while True:
            attempt += 1
            asked = None
            failed: GatelessError | None = None
            try:
                response = self._inner.handle_request(request)
            except httpx.TransportError as error:
                failed = GatelessError.from_transport(request, error)
                failed.__cause__ = error
            else:
                asked = retry_after(response.headers)
                if not asks_again(response.status_code):
                    return response
            pause = self._policy.pause(attempt, asked) if repeatable else None
            if pause is None or (failed is not None and failed.code == "timeout"):
                if failed is not None:
                    raise failed
                return response
            if failed is None:
                response.close()
            time.sleep(pause)

    def close(self) -> None:
        self._inner.close()
