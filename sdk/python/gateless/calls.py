"""Calling functions: at any sidecar, and never through the server.

A function's own answer is returned whatever its status; only what Gateless itself says is raised. Deliberately trusts the
server's list of sidecars as a hint: the next is tried when one takes no connection.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import quote

import httpx

from .errors import GatelessError, is_platform_problem, problem_in
from .retry import RetryPolicy, asks_again, is_repeatable

_LIST_SECONDS = 30.0
# The sidecar ends a call at its deadline and says in which phase; this much later nobody waits for that.
_GRACE_SECONDS = 1.0
# Between looks at an async call: doubled from the first to the last.
_POLL_SECONDS = (0.02, 0.5)

Body = bytes | str | Iterable[bytes] | None


class Sidecars:
    """The sidecars calls go to."""

    def __init__(self, given: str | None, list_urls: Callable[[], list[str]], policy: RetryPolicy) -> None:
        self._given = given
        self._list_urls = list_urls
        self._policy = policy
        self._known: list[str] = []
        self._until = 0.0
        self._http = httpx.Client(timeout=httpx.Timeout(None, connect=5.0), trust_env=False)

    def close(self) -> None:
        self._http.close()

    def _entrances(self) -> list[str]:
        if self._given is not None:
            return [self._given]
        if not self._known or time.monotonic() >= self._until:
            self._known = self._list_urls()
            self._until = time.monotonic() + _LIST_SECONDS
        if not self._known:
            hint = "start one with `gateless sidecar`, or name one with sidecar="
            raise GatelessError(0, "no_sidecar", "the server knows no connected sidecar", hint=hint)
        return self._known

    def exchange(self, method: str, path: str, *, headers: Mapping[str, str] | None = None, body: Body = None,
                 deadline: float | None = None) -> httpx.Response:
        """What the function, or the sidecar for itself, answers; read whole. `deadline` is in seconds from now."""
        until = None if deadline is None else time.monotonic() + deadline
        repeatable = is_repeatable(method, httpx.Headers(headers)) and (body is None or isinstance(body, bytes | str))
        entrances = self._entrances()
        attempt = tried = 0
        while True:
            base = entrances[attempt % len(entrances)]
            attempt += 1
            tried += 1
            try:
                return self._once(base, method, path, headers, body, until)
            except GatelessError as error:
                failed = error
            gone = failed.code == "unreachable"
            pause: float | None = None
            if gone and tried < len(entrances):
                # Nothing was sent, so the next sidecar may have it whatever it is.
                pause = 0.0
            elif repeatable and (gone or asks_again(failed.status)):
                pause = self._policy.pause(attempt, failed.retry_after)
            if pause is None or (until is not None and time.monotonic() + pause >= until):
                raise failed
            time.sleep(pause)
            if gone and tried >= len(entrances):
                # None of them is there: the server may know others by now.
                self._until = 0.0
                entrances, tried = self._entrances(), 0

    def _once(self, base: str, method: str, path: str, headers: Mapping[str, str] | None, body: Body,
              until: float | None) -> httpx.Response:
        headers = dict(headers or {})
        timeout = httpx.Timeout(None, connect=5.0)
        if until is not None:
            left = max(0.001, until - time.monotonic())
            headers["x-gateless-timeout-ms"] = str(max(1, int(left * 1000)))
            timeout = httpx.Timeout(left + _GRACE_SECONDS, connect=min(5.0, left + _GRACE_SECONDS))
        request = self._http.build_request(method, f"{base}{path}", headers=headers, content=body, timeout=timeout)
        try:
            response = self._http.send(request)
        except httpx.TransportError as error:
            raise GatelessError.from_transport(request, error) from error
        kind = response.headers.get("content-type", "")
        if response.status_code >= 400 and kind.startswith("application/problem+json"):
            if is_platform_problem(problem_in(response.content)):
                raise GatelessError.from_response(response)
        return response


class Call:
    """A queued call: it is on disk, and is delivered at least once.

    Deliberately polled: sidecars tell the state of a call when asked, and a pause of half a second at most is soon enough.
    """

    def __init__(self, sidecars: Sidecars, id: str, token: str) -> None:
        self._sidecars = sidecars
        self.id = id
        # Reads its state and result: whoever has it may. A secret, as the id is not.
        self.token = token

    def __repr__(self) -> str:
        return f"Call({self.id!r})"

    def _get(self, rest: str = "") -> httpx.Response:
        path = f"/_gateless/calls/{quote(self.id, safe='')}{rest}"
        return self._sidecars.exchange("GET", path, headers={"x-call-token": self.token}, deadline=30.0)

    def status(self) -> dict[str, Any]:
        """How it is now: `state`, `attempts`, `reason` and more."""
        return json.loads(self._get().content)

    def result(self, timeout: float = 300.0) -> httpx.Response:
        """Waits for the function's answer; its status is the function's own.

        Raises `call_dead`, `call_cancelled`, or `timeout`; after a timeout the call goes on, and can be asked again.
        """
        until = time.monotonic() + timeout
        pause = _POLL_SECONDS[0]
        while True:
            call = self.status()
            state = call["state"]
            if state == "succeeded":
                return _as_answered(self._get("/result"))
            if state in ("dead", "cancelled"):
                reason = call.get("reason") or "no reason given"
                hint = "its attempts say more; a dead letter can be replayed"
                raise GatelessError(0, f"call_{state}", f"call {self.id} is {state}: {reason}", hint=hint)
            left = until - time.monotonic()
            if left <= 0:
                hint = "it goes on; ask for its result again later"
                raise GatelessError(0, "timeout", f"call {self.id} is still {state} after {timeout} s", hint=hint)
            time.sleep(min(pause, left))
            pause = min(pause * 2, _POLL_SECONDS[1])


def _as_answered(response: httpx.Response) -> httpx.Response:
    """A result carries the function's status in a header: makes it the status again."""
    response.status_code = int(response.headers.get("x-function-status", response.status_code))
    return response
