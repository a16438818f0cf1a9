"""The client people make: the generated operations configured, and what needs more than one request.

Deliberately synchronous, like most scripts; the generated functions have asynchronous twins, without the layer here.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

import httpx

from .calls import Body, Call, Sidecars
from .errors import GatelessError
from .generated.api.functions import apply_function, wait_for_function
from .generated.api.sidecars import list_sidecars
from .generated.client import Client
from .generated.models.apply_request import ApplyRequest
from .generated.models.function import Function
from .generated.models.wait_for_function_condition import WaitForFunctionCondition
from .generated.types import UNSET
from .retry import RetryPolicy, RetryTransport, new_key
from .streams import Event, json_lines, server_events

# Long enough for a slow disk, short enough that a dead server is noticed.
_TIMEOUT_SECONDS = 60.0
# The longest the server is asked to wait at once.
_WAIT_PART_SECONDS = 30.0


def _raise_problem(response: httpx.Response) -> None:
    if response.status_code >= 400:
        response.read()
        raise GatelessError.from_response(response)


class Gateless:
    """A connection to one server as one user, in one namespace."""

    def __init__(self, url: str, *, token: str | None = None, namespace: str = "default", sidecar: str | None = None,
                 retry: RetryPolicy = RetryPolicy(), timeout: float = _TIMEOUT_SECONDS,
                 transport: httpx.BaseTransport | None = None) -> None:
        """`url` is the management API's; `sidecar` a sidecar's public URL, without which the server is asked for them."""
        self.namespace = namespace
        self._retry = retry
        self.client = Client(
            base_url=url.rstrip("/"),
            headers={} if token is None else {"authorization": f"Bearer {token}"},
            timeout=httpx.Timeout(timeout, connect=5.0),
            httpx_args={
                "transport": RetryTransport(retry, transport),
                "event_hooks": {"response": [_raise_problem]},
                "trust_env": False,
            },
        )
        """For the generated functions: `get_function.sync("default", "hello", client=gateless.client)`."""
        self._sidecars = Sidecars(sidecar and sidecar.rstrip("/"), self._list_sidecars, retry)

    def close(self) -> None:
        """Ends idle connections."""
        self._sidecars.close()
        self.client.get_httpx_client().close()

    def __enter__(self) -> Gateless:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _list_sidecars(self) -> list[str]:
        listed = list_sidecars.sync(client=self.client, limit=1000)
        return [sidecar.public_url.rstrip("/") for sidecar in listed.items if sidecar.connected]

    def apply(self, name: str, spec: Mapping[str, Any], *, labels: Mapping[str, str] | None = None,
              version: int | None = None, namespace: str | None = None) -> Function:
        """Creates a function, or makes it what is asked. `version` is that of the function last seen: 412 when it changed."""
        document = {"spec": dict(spec), **({} if labels is None else {"labels": dict(labels)})}
        return apply_function.sync(
            namespace or self.namespace, name, client=self.client, body=ApplyRequest.from_dict(document),
            if_match=UNSET if version is None else f'"{version}"',
        )

    def wait_ready(self, name: str, timeout: float = 60.0, *, namespace: str | None = None) -> Function:
        """Waits until the newest revision is ready. Raises `wait_timeout`, whose detail says what is the matter."""
        until = time.monotonic() + timeout
        while True:
            # In parts: one request that lasts ten minutes looks like a dead server to everything on its way.
            part = max(0.0, min(_WAIT_PART_SECONDS, until - time.monotonic()))
            try:
                return wait_for_function.sync(
                    namespace or self.namespace, name, client=self.client,
                    condition=WAIT_READY, timeout_ms=int(part * 1000),
                )
            except GatelessError as error:
                if error.code != "wait_timeout" or time.monotonic() >= until:
                    raise

    def invoke(self, name: str, *, method: str | None = None, path: str = "/", body: Body = None,
               headers: Mapping[str, str] | None = None, deadline: float | None = None,
               idempotency_key: str | None = None, namespace: str | None = None) -> httpx.Response:
        """Calls a function through a sidecar; its answer is returned whatever the status. `deadline` is in seconds from now.

        The key says that calling twice does no harm, so the call may be tried again.
        """
        return self._call("function", name, method, path, body, headers, deadline, idempotency_key, namespace)

    def invoke_async(self, name: str, *, method: str | None = None, path: str = "/", body: Body = None,
                     headers: Mapping[str, str] | None = None, callback_url: str | None = None,
                     idempotency_key: str | None = None, namespace: str | None = None) -> Call:
        """Queues a call. When this returns, the call is on disk. The same key is the same call."""
        headers = {**(headers or {}), **({} if callback_url is None else {"x-callback-url": callback_url})}
        key = idempotency_key or new_key()
        response = self._call("async-function", name, method, path, body, headers, None, key, namespace)
        if response.status_code != 202:
            raise GatelessError.from_response(response)
        accepted = json.loads(response.content)
        return self.call(accepted["id"], accepted["token"])

    def call(self, id: str, token: str) -> Call:
        """A call queued earlier, by its id and the token that reads it."""
        return Call(self._sidecars, id, token)

    def _call(self, kind: str, name: str, method: str | None, path: str, body: Body, headers: Mapping[str, str] | None,
              deadline: float | None, key: str | None, namespace: str | None) -> httpx.Response:
        slash = "" if path.startswith(("/", "?")) else "/"
        at = f"/{kind}/{quote(name, safe='')}.{quote(namespace or self.namespace, safe='')}{slash}{path}"
        headers = {**(headers or {}), **({} if key is None else {"idempotency-key": key})}
        default = "GET" if body is None else "POST"
        return self._sidecars.exchange(method or default, at, headers=headers, body=body, deadline=deadline)

    def _stream(self, url: str, params: Mapping[str, Any], headers: Mapping[str, str]):
        # Silence is no failure of a stream.
        timeout = httpx.Timeout(None, connect=5.0)
        params = {key: value for key, value in params.items() if value is not None}
        return self.client.get_httpx_client().stream("GET", url, params=params, headers=headers, timeout=timeout)

    def logs(self, name: str, *, follow: bool = False, tail: int | None = None, since_ms: int | None = None,
             revision: str | None = None, instance: str | None = None, namespace: str | None = None) -> Iterator[dict[str, Any]]:
        """A function's log lines; with `follow` until the loop is left or the server ends it."""
        url = f"/v1/namespaces/{quote(namespace or self.namespace, safe='')}/functions/{quote(name, safe='')}/logs"
        params = {"follow": str(follow).lower(), "tail": tail, "since_ms": since_ms, "revision": revision, "instance": instance}
        with self._stream(url, params, {}) as response:
            yield from json_lines(response)

    def events(self, *, types: list[str] | None = None, function: str | None = None, last_event_id: str | None = None,
               all_namespaces: bool = False) -> Iterator[Event]:
        """What happens, as it happens. A connection that breaks is taken up again after the last event, as often as the
        retry policy allows without an event in between; `reset` says that events were missed."""
        url = "/v1/events" if all_namespaces else f"/v1/namespaces/{quote(self.namespace, safe='')}/events"
        params = {"types": ",".join(types) if types else None, "function": function}
        failures = 0
        while True:
            headers = {"accept": "text/event-stream"}
            if last_event_id is not None:
                headers["last-event-id"] = last_event_id
            failed = GatelessError(0, "transport", f"GET {url}: the stream ended")
            try:
                with self._stream(url, params, headers) as response:
                    for event in server_events(response):
                        failures = 0
                        last_event_id = event.id or last_event_id
                        yield event
            except httpx.TransportError as error:
                failed = GatelessError(0, "transport", f"GET {url}: {error}")
            failures += 1
            pause = self._retry.pause(failures)
            if pause is None:
                raise failed
            time.sleep(pause)


# With literal_enums the generated type is a Literal, whose value is the word itself.
WAIT_READY: WaitForFunctionCondition = "ready"
