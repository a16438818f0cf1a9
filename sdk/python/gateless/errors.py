"""Every failure, as one exception: what the server or a sidecar said, or why there was no answer.

Deliberately one class: programs branch on `code`, which is stable, not on types.
"""

from __future__ import annotations

import json
from typing import Any

import httpx


class GatelessError(Exception):
    """A failed request.

    Codes beside the server's and the sidecars' own: `unreachable`, `timeout`, `transport` (there was no answer), `http` (the answer
    was no problem document), `call_dead` and `call_cancelled` (an async call ended so), `no_sidecar`, `bad_answer`.
    """

    def __init__(self, status: int, code: str, detail: str, *, document: dict[str, Any] | None = None,
                 hint: str | None = None, retry_after: float | None = None) -> None:
        super().__init__(f"{code}: {detail}")
        self.status = status
        """HTTP status; 0: there was no answer."""
        self.code = code
        """What is the matter, for programs; stable."""
        self.detail = detail
        """What is the matter, for people."""
        self.document = document or {}
        """The problem as it came."""
        self.hint: str | None = hint or self.document.get("hint")
        """The way out, if there is one to name."""
        self.errors: list[dict[str, str]] = self.document.get("errors") or []
        """What is wrong in the request, all at once."""
        self.retry_after = retry_after
        """What `retry-after` asked for, in seconds."""

    @classmethod
    def from_response(cls, response: httpx.Response) -> GatelessError:
        """The error an answer stands for. Its body must have been read."""
        document = problem_in(response.content)
        asked = retry_after(response.headers)
        if document is None:
            detail = response.text[:500] or f"HTTP {response.status_code}"
            return cls(response.status_code, "http", detail, retry_after=asked)
        detail = document.get("detail") or document["code"]
        return cls(response.status_code, document["code"], detail, document=document, retry_after=asked)

    @classmethod
    def from_transport(cls, request: httpx.Request, error: httpx.TransportError) -> GatelessError:
        """Why there is no answer."""
        what = f"{request.method} {request.url}"
        if isinstance(error, httpx.TimeoutException) and not isinstance(error, httpx.ConnectTimeout):
            return cls(0, "timeout", f"{what}: no answer in time")
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
            return cls(0, "unreachable", f"{what}: {error}", hint="is it running, and is this its address?")
        return cls(0, "transport", f"{what}: {error}")


def problem_in(content: bytes) -> dict[str, Any] | None:
    """The problem document, if it is one."""
    try:
        document = json.loads(content)
    except ValueError:
        return None
    is_problem = isinstance(document, dict) and isinstance(document.get("code"), str)
    return document if is_problem else None


def is_platform_problem(document: dict[str, Any] | None) -> bool:
    """Whether Gateless itself said it; a function may answer problems, too, and those are its answer."""
    return document is not None and str(document.get("type", "")).startswith("urn:gateless:problem:")


def retry_after(headers: httpx.Headers) -> float | None:
    """`retry-after` in seconds. Its other form, a date, nobody sends here."""
    try:
        return max(0.0, float(headers["retry-after"]))
    except (KeyError, ValueError):
        return None
