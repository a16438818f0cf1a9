import datetime
from http import HTTPStatus
from typing import Any

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.audit_list import AuditList
from ...models.problem import Problem
from ...types import UNSET, Response, Unset


def _get_kwargs(
    *,
    limit: int | Unset = UNSET,
    page_token: str | Unset = UNSET,
    namespace: str | Unset = UNSET,
    token_id: str | Unset = UNSET,
    action: str | Unset = UNSET,
    refused: bool | Unset = UNSET,
    since: datetime.datetime | Unset = UNSET,
) -> dict[str, Any]:

    params: dict[str, Any] = {}

    params["limit"] = limit

    params["page_token"] = page_token

    params["namespace"] = namespace

    params["token_id"] = token_id

    params["action"] = action

    params["refused"] = refused

    json_since: str | Unset = UNSET
    if not isinstance(since, Unset):
        json_since = since.isoformat()
    params["since"] = json_since

    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}

    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/v1/audit",
        "params": params,
    }

    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> AuditList | Problem | None:
    if response.status_code == 200:
        response_200 = AuditList.from_dict(response.json())

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
) -> Response[AuditList | Problem]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    *,
    client: AuthenticatedClient | Client,
    limit: int | Unset = UNSET,
    page_token: str | Unset = UNSET,
    namespace: str | Unset = UNSET,
    token_id: str | Unset = UNSET,
    action: str | Unset = UNSET,
    refused: bool | Unset = UNSET,
    since: datetime.datetime | Unset = UNSET,
) -> Response[AuditList | Problem]:
    """Who changed what

     Every change and every one that was refused at this server, newest first, as far back as the log is
    kept (128 MiB of changes, 48 MiB of what changed nothing). An admin of one namespace sees what
    concerns that namespace.

    Args:
        limit (int | Unset):
        page_token (str | Unset):
        namespace (str | Unset):
        token_id (str | Unset):
        action (str | Unset):
        refused (bool | Unset):
        since (datetime.datetime | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[AuditList | Problem]
    """

    kwargs = _get_kwargs(
        limit=limit,
        page_token=page_token,
        namespace=namespace,
        token_id=token_id,
        action=action,
        refused=refused,
        since=since,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    *,
    client: AuthenticatedClient | Client,
    limit: int | Unset = UNSET,
    page_token: str | Unset = UNSET,
    namespace: str | Unset = UNSET,
    token_id: str | Unset = UNSET,
    action: str | Unset = UNSET,
    refused: bool | Unset = UNSET,
    since: datetime.datetime | Unset = UNSET,
) -> AuditList | Problem | None:
    """Who changed what

     Every change and every one that was refused at this server, newest first, as far back as the log is
    kept (128 MiB of changes, 48 MiB of what changed nothing). An admin of one namespace sees what
    concerns that namespace.

    Args:
        limit (int | Unset):
        page_token (str | Unset):
        namespace (str | Unset):
        token_id (str | Unset):
        action (str | Unset):
        refused (bool | Unset):
        since (datetime.datetime | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        AuditList | Problem
    """

    return sync_detailed(
        client=client,
        limit=limit,
        page_token=page_token,
        namespace=namespace,
        token_id=token_id,
        action=action,
        refused=refused,
        since=since,
    ).parsed


async def asyncio_detailed(
    *,
    client: AuthenticatedClient | Client,
    limit: int | Unset = UNSET,
    page_token: str | Unset = UNSET,
    namespace: str | Unset = UNSET,
    token_id: str | Unset = UNSET,
    action: str | Unset = UNSET,
    refused: bool | Unset = UNSET,
    since: datetime.datetime | Unset = UNSET,
) -> Response[AuditList | Problem]:
    """Who changed what

     Every change and every one that was refused at this server, newest first, as far back as the log is
    kept (128 MiB of changes, 48 MiB of what changed nothing). An admin of one namespace sees what
    concerns that namespace.

    Args:
        limit (int | Unset):
        page_token (str | Unset):
        namespace (str | Unset):
        token_id (str | Unset):
        action (str | Unset):
        refused (bool | Unset):
        since (datetime.datetime | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[AuditList | Problem]
    """

    kwargs = _get_kwargs(
        limit=limit,
        page_token=page_token,
        namespace=namespace,
        token_id=token_id,
        action=action,
        refused=refused,
        since=since,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    *,
    client: AuthenticatedClient | Client,
    limit: int | Unset = UNSET,
    page_token: str | Unset = UNSET,
    namespace: str | Unset = UNSET,
    token_id: str | Unset = UNSET,
    action: str | Unset = UNSET,
    refused: bool | Unset = UNSET,
    since: datetime.datetime | Unset = UNSET,
) -> AuditList | Problem | None:
    """Who changed what

     Every change and every one that was refused at this server, newest first, as far back as the log is
    kept (128 MiB of changes, 48 MiB of what changed nothing). An admin of one namespace sees what
    concerns that namespace.

    Args:
        limit (int | Unset):
        page_token (str | Unset):
        namespace (str | Unset):
        token_id (str | Unset):
        action (str | Unset):
        refused (bool | Unset):
        since (datetime.datetime | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        AuditList | Problem
    """

    return (
        await asyncio_detailed(
            client=client,
            limit=limit,
            page_token=page_token,
            namespace=namespace,
            token_id=token_id,
            action=action,
            refused=refused,
            since=since,
        )
    ).parsed
