from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.problem import Problem
from ...models.traffic import Traffic
from ...models.traffic_request import TrafficRequest
from ...types import UNSET, Response, Unset


def _get_kwargs(
    namespace: str,
    name: str,
    *,
    body: TrafficRequest,
    dry_run: bool | Unset = UNSET,
    if_match: str | Unset = UNSET,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    if not isinstance(if_match, Unset):
        headers["If-Match"] = if_match

    params: dict[str, Any] = {}

    params["dry_run"] = dry_run

    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}

    _kwargs: dict[str, Any] = {
        "method": "put",
        "url": "/v1/namespaces/{namespace}/functions/{name}/traffic".format(
            namespace=quote(str(namespace), safe=""),
            name=quote(str(name), safe=""),
        ),
        "params": params,
    }

    _kwargs["json"] = body.to_dict()

    headers["Content-Type"] = "application/json"

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Problem | Traffic | None:
    if response.status_code == 200:
        response_200 = Traffic.from_dict(response.json())

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
) -> Response[Problem | Traffic]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    namespace: str,
    name: str,
    *,
    client: AuthenticatedClient | Client,
    body: TrafficRequest,
    dry_run: bool | Unset = UNSET,
    if_match: str | Unset = UNSET,
) -> Response[Problem | Traffic]:
    """Set a function's traffic

     A revision that was never ready may have a tag but no share.

    Args:
        namespace (str):
        name (str):
        dry_run (bool | Unset):
        if_match (str | Unset):
        body (TrafficRequest): Who is to get which share of the calls. Example: {'targets':
            [{'percent': 90, 'revision': 'hello-00001'}, {'latest': True, 'percent': 10, 'tag':
            'next'}]}.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Problem | Traffic]
    """

    kwargs = _get_kwargs(
        namespace=namespace,
        name=name,
        body=body,
        dry_run=dry_run,
        if_match=if_match,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    namespace: str,
    name: str,
    *,
    client: AuthenticatedClient | Client,
    body: TrafficRequest,
    dry_run: bool | Unset = UNSET,
    if_match: str | Unset = UNSET,
) -> Problem | Traffic | None:
    """Set a function's traffic

     A revision that was never ready may have a tag but no share.

    Args:
        namespace (str):
        name (str):
        dry_run (bool | Unset):
        if_match (str | Unset):
        body (TrafficRequest): Who is to get which share of the calls. Example: {'targets':
            [{'percent': 90, 'revision': 'hello-00001'}, {'latest': True, 'percent': 10, 'tag':
            'next'}]}.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Problem | Traffic
    """

    return sync_detailed(
        namespace=namespace,
        name=name,
        client=client,
        body=body,
        dry_run=dry_run,
        if_match=if_match,
    ).parsed


async def asyncio_detailed(
    namespace: str,
    name: str,
    *,
    client: AuthenticatedClient | Client,
    body: TrafficRequest,
    dry_run: bool | Unset = UNSET,
    if_match: str | Unset = UNSET,
) -> Response[Problem | Traffic]:
    """Set a function's traffic

     A revision that was never ready may have a tag but no share.

    Args:
        namespace (str):
        name (str):
        dry_run (bool | Unset):
        if_match (str | Unset):
        body (TrafficRequest): Who is to get which share of the calls. Example: {'targets':
            [{'percent': 90, 'revision': 'hello-00001'}, {'latest': True, 'percent': 10, 'tag':
            'next'}]}.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Problem | Traffic]
    """

    kwargs = _get_kwargs(
        namespace=namespace,
        name=name,
        body=body,
        dry_run=dry_run,
        if_match=if_match,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    namespace: str,
    name: str,
    *,
    client: AuthenticatedClient | Client,
    body: TrafficRequest,
    dry_run: bool | Unset = UNSET,
    if_match: str | Unset = UNSET,
) -> Problem | Traffic | None:
    """Set a function's traffic

     A revision that was never ready may have a tag but no share.

    Args:
        namespace (str):
        name (str):
        dry_run (bool | Unset):
        if_match (str | Unset):
        body (TrafficRequest): Who is to get which share of the calls. Example: {'targets':
            [{'percent': 90, 'revision': 'hello-00001'}, {'latest': True, 'percent': 10, 'tag':
            'next'}]}.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Problem | Traffic
    """

    return (
        await asyncio_detailed(
            namespace=namespace,
            name=name,
            client=client,
            body=body,
            dry_run=dry_run,
            if_match=if_match,
        )
    ).parsed
