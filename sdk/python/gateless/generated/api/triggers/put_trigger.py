from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.problem import Problem
from ...models.trigger import Trigger
from ...models.trigger_request import TriggerRequest
from ...types import UNSET, Response, Unset


def _get_kwargs(
    namespace: str,
    name: str,
    *,
    body: TriggerRequest,
    dry_run: bool | Unset = UNSET,
    if_match: str | Unset = UNSET,
    if_none_match: str | Unset = UNSET,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    if not isinstance(if_match, Unset):
        headers["If-Match"] = if_match

    if not isinstance(if_none_match, Unset):
        headers["If-None-Match"] = if_none_match

    params: dict[str, Any] = {}

    params["dry_run"] = dry_run

    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}

    _kwargs: dict[str, Any] = {
        "method": "put",
        "url": "/v1/namespaces/{namespace}/triggers/{name}".format(
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
) -> Problem | Trigger | None:
    if response.status_code == 200:
        response_200 = Trigger.from_dict(response.json())

        return response_200

    if response.status_code == 201:
        response_201 = Trigger.from_dict(response.json())

        return response_201

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
) -> Response[Problem | Trigger]:
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
    body: TriggerRequest,
    dry_run: bool | Unset = UNSET,
    if_match: str | Unset = UNSET,
    if_none_match: str | Unset = UNSET,
) -> Response[Problem | Trigger]:
    """Create or replace a trigger

     Its function need not be there yet. A schedule begins with its change: no time before is ever fired.

    Args:
        namespace (str):
        name (str):
        dry_run (bool | Unset):
        if_match (str | Unset):
        if_none_match (str | Unset):
        body (TriggerRequest): What is put. Example: {'spec': {'cron': {'schedule': '0 3 * * *',
            'timezone': 'Europe/Berlin'}, 'function': 'hello', 'kind': 'cron'}}.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Problem | Trigger]
    """

    kwargs = _get_kwargs(
        namespace=namespace,
        name=name,
        body=body,
        dry_run=dry_run,
        if_match=if_match,
        if_none_match=if_none_match,
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
    body: TriggerRequest,
    dry_run: bool | Unset = UNSET,
    if_match: str | Unset = UNSET,
    if_none_match: str | Unset = UNSET,
) -> Problem | Trigger | None:
    """Create or replace a trigger

     Its function need not be there yet. A schedule begins with its change: no time before is ever fired.

    Args:
        namespace (str):
        name (str):
        dry_run (bool | Unset):
        if_match (str | Unset):
        if_none_match (str | Unset):
        body (TriggerRequest): What is put. Example: {'spec': {'cron': {'schedule': '0 3 * * *',
            'timezone': 'Europe/Berlin'}, 'function': 'hello', 'kind': 'cron'}}.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Problem | Trigger
    """

    return sync_detailed(
        namespace=namespace,
        name=name,
        client=client,
        body=body,
        dry_run=dry_run,
        if_match=if_match,
        if_none_match=if_none_match,
    ).parsed


async def asyncio_detailed(
    namespace: str,
    name: str,
    *,
    client: AuthenticatedClient | Client,
    body: TriggerRequest,
    dry_run: bool | Unset = UNSET,
    if_match: str | Unset = UNSET,
    if_none_match: str | Unset = UNSET,
) -> Response[Problem | Trigger]:
    """Create or replace a trigger

     Its function need not be there yet. A schedule begins with its change: no time before is ever fired.

    Args:
        namespace (str):
        name (str):
        dry_run (bool | Unset):
        if_match (str | Unset):
        if_none_match (str | Unset):
        body (TriggerRequest): What is put. Example: {'spec': {'cron': {'schedule': '0 3 * * *',
            'timezone': 'Europe/Berlin'}, 'function': 'hello', 'kind': 'cron'}}.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Problem | Trigger]
    """

    kwargs = _get_kwargs(
        namespace=namespace,
        name=name,
        body=body,
        dry_run=dry_run,
        if_match=if_match,
        if_none_match=if_none_match,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    namespace: str,
    name: str,
    *,
    client: AuthenticatedClient | Client,
    body: TriggerRequest,
    dry_run: bool | Unset = UNSET,
    if_match: str | Unset = UNSET,
    if_none_match: str | Unset = UNSET,
) -> Problem | Trigger | None:
    """Create or replace a trigger

     Its function need not be there yet. A schedule begins with its change: no time before is ever fired.

    Args:
        namespace (str):
        name (str):
        dry_run (bool | Unset):
        if_match (str | Unset):
        if_none_match (str | Unset):
        body (TriggerRequest): What is put. Example: {'spec': {'cron': {'schedule': '0 3 * * *',
            'timezone': 'Europe/Berlin'}, 'function': 'hello', 'kind': 'cron'}}.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Problem | Trigger
    """

    return (
        await asyncio_detailed(
            namespace=namespace,
            name=name,
            client=client,
            body=body,
            dry_run=dry_run,
            if_match=if_match,
            if_none_match=if_none_match,
        )
    ).parsed
