from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.event import Event
from ...models.problem import Problem
from ...types import UNSET, Response, Unset


def _get_kwargs(
    namespace: str,
    *,
    types: str | Unset = UNSET,
    function: str | Unset = UNSET,
    last_event_id: str | Unset = UNSET,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    if not isinstance(last_event_id, Unset):
        headers["Last-Event-ID"] = last_event_id

    params: dict[str, Any] = {}

    params["types"] = types

    params["function"] = function

    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}

    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/v1/namespaces/{namespace}/events".format(
            namespace=quote(str(namespace), safe=""),
        ),
        "params": params,
    }

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Event | Problem | None:
    if response.status_code == 200:
        response_200 = Event.from_dict(response.text)

        return response_200

    if 400 <= response.status_code <= 499:
        response_4xx = Problem.from_dict(response.json())

        return response_4xx

    if 500 <= response.status_code <= 599:
        response_5xx = Problem.from_dict(response.json())

        return response_5xx

    if client.raise_on_unexpected_status:
        raise errors.UnexpectedStatus(response.status_code, response.content)
    else:
        return None


def _build_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Response[Event | Problem]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    namespace: str,
    *,
    client: AuthenticatedClient | Client,
    types: str | Unset = UNSET,
    function: str | Unset = UNSET,
    last_event_id: str | Unset = UNSET,
) -> Response[Event | Problem]:
    """Follow what happens in a namespace

     Server-sent events, as /v1/events.

    Args:
        namespace (str):
        types (str | Unset):
        function (str | Unset):
        last_event_id (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Event | Problem]
    """

    kwargs = _get_kwargs(
        namespace=namespace,
        types=types,
        function=function,
        last_event_id=last_event_id,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    namespace: str,
    *,
    client: AuthenticatedClient | Client,
    types: str | Unset = UNSET,
    function: str | Unset = UNSET,
    last_event_id: str | Unset = UNSET,
) -> Event | Problem | None:
    """Follow what happens in a namespace

     Server-sent events, as /v1/events.

    Args:
        namespace (str):
        types (str | Unset):
        function (str | Unset):
        last_event_id (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Event | Problem
    """

    return sync_detailed(
        namespace=namespace,
        client=client,
        types=types,
        function=function,
        last_event_id=last_event_id,
    ).parsed


async def asyncio_detailed(
    namespace: str,
    *,
    client: AuthenticatedClient | Client,
    types: str | Unset = UNSET,
    function: str | Unset = UNSET,
    last_event_id: str | Unset = UNSET,
) -> Response[Event | Problem]:
    """Follow what happens in a namespace

     Server-sent events, as /v1/events.

    Args:
        namespace (str):
        types (str | Unset):
        function (str | Unset):
        last_event_id (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Event | Problem]
    """

    kwargs = _get_kwargs(
        namespace=namespace,
        types=types,
        function=function,
        last_event_id=last_event_id,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    namespace: str,
    *,
    client: AuthenticatedClient | Client,
    types: str | Unset = UNSET,
    function: str | Unset = UNSET,
    last_event_id: str | Unset = UNSET,
) -> Event | Problem | None:
    """Follow what happens in a namespace

     Server-sent events, as /v1/events.

    Args:
        namespace (str):
        types (str | Unset):
        function (str | Unset):
        last_event_id (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Event | Problem
    """

    return (
        await asyncio_detailed(
            namespace=namespace,
            client=client,
            types=types,
            function=function,
            last_event_id=last_event_id,
        )
    ).parsed
