import datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.invocation_list import InvocationList
from ...models.problem import Problem
from ...types import UNSET, Response, Unset


def _get_kwargs(
    namespace: str,
    *,
    limit: int | Unset = UNSET,
    page_token: str | Unset = UNSET,
    state: str | Unset = UNSET,
    status: str | Unset = UNSET,
    cause: str | Unset = UNSET,
    idempotency_key: str | Unset = UNSET,
    since: datetime.datetime | Unset = UNSET,
    until: datetime.datetime | Unset = UNSET,
) -> dict[str, Any]:

    params: dict[str, Any] = {}

    params["limit"] = limit

    params["page_token"] = page_token

    params["state"] = state

    params["status"] = status

    params["cause"] = cause

    params["idempotency_key"] = idempotency_key

    json_since: str | Unset = UNSET
    if not isinstance(since, Unset):
        json_since = since.isoformat()
    params["since"] = json_since

    json_until: str | Unset = UNSET
    if not isinstance(until, Unset):
        json_until = until.isoformat()
    params["until"] = json_until

    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}

    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/v1/namespaces/{namespace}/invocations".format(
            namespace=quote(str(namespace), safe=""),
        ),
        "params": params,
    }

    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> InvocationList | Problem | None:
    if response.status_code == 200:
        response_200 = InvocationList.from_dict(response.json())

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
) -> Response[InvocationList | Problem]:
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
    limit: int | Unset = UNSET,
    page_token: str | Unset = UNSET,
    state: str | Unset = UNSET,
    status: str | Unset = UNSET,
    cause: str | Unset = UNSET,
    idempotency_key: str | Unset = UNSET,
    since: datetime.datetime | Unset = UNSET,
    until: datetime.datetime | Unset = UNSET,
) -> Response[InvocationList | Problem]:
    """List a namespace's asynchronous calls

     Every connected sidecar is asked; `warnings` names those that could not be. All conditions given
    have to hold. Only so many calls are looked at for one page, so one may be short, or empty, and have
    a next.

    Args:
        namespace (str):
        limit (int | Unset):
        page_token (str | Unset):
        state (str | Unset):
        status (str | Unset):
        cause (str | Unset):
        idempotency_key (str | Unset):
        since (datetime.datetime | Unset):
        until (datetime.datetime | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[InvocationList | Problem]
    """

    kwargs = _get_kwargs(
        namespace=namespace,
        limit=limit,
        page_token=page_token,
        state=state,
        status=status,
        cause=cause,
        idempotency_key=idempotency_key,
        since=since,
        until=until,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    namespace: str,
    *,
    client: AuthenticatedClient | Client,
    limit: int | Unset = UNSET,
    page_token: str | Unset = UNSET,
    state: str | Unset = UNSET,
    status: str | Unset = UNSET,
    cause: str | Unset = UNSET,
    idempotency_key: str | Unset = UNSET,
    since: datetime.datetime | Unset = UNSET,
    until: datetime.datetime | Unset = UNSET,
) -> InvocationList | Problem | None:
    """List a namespace's asynchronous calls

     Every connected sidecar is asked; `warnings` names those that could not be. All conditions given
    have to hold. Only so many calls are looked at for one page, so one may be short, or empty, and have
    a next.

    Args:
        namespace (str):
        limit (int | Unset):
        page_token (str | Unset):
        state (str | Unset):
        status (str | Unset):
        cause (str | Unset):
        idempotency_key (str | Unset):
        since (datetime.datetime | Unset):
        until (datetime.datetime | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        InvocationList | Problem
    """

    return sync_detailed(
        namespace=namespace,
        client=client,
        limit=limit,
        page_token=page_token,
        state=state,
        status=status,
        cause=cause,
        idempotency_key=idempotency_key,
        since=since,
        until=until,
    ).parsed


async def asyncio_detailed(
    namespace: str,
    *,
    client: AuthenticatedClient | Client,
    limit: int | Unset = UNSET,
    page_token: str | Unset = UNSET,
    state: str | Unset = UNSET,
    status: str | Unset = UNSET,
    cause: str | Unset = UNSET,
    idempotency_key: str | Unset = UNSET,
    since: datetime.datetime | Unset = UNSET,
    until: datetime.datetime | Unset = UNSET,
) -> Response[InvocationList | Problem]:
    """List a namespace's asynchronous calls

     Every connected sidecar is asked; `warnings` names those that could not be. All conditions given
    have to hold. Only so many calls are looked at for one page, so one may be short, or empty, and have
    a next.

    Args:
        namespace (str):
        limit (int | Unset):
        page_token (str | Unset):
        state (str | Unset):
        status (str | Unset):
        cause (str | Unset):
        idempotency_key (str | Unset):
        since (datetime.datetime | Unset):
        until (datetime.datetime | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[InvocationList | Problem]
    """

    kwargs = _get_kwargs(
        namespace=namespace,
        limit=limit,
        page_token=page_token,
        state=state,
        status=status,
        cause=cause,
        idempotency_key=idempotency_key,
        since=since,
        until=until,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    namespace: str,
    *,
    client: AuthenticatedClient | Client,
    limit: int | Unset = UNSET,
    page_token: str | Unset = UNSET,
    state: str | Unset = UNSET,
    status: str | Unset = UNSET,
    cause: str | Unset = UNSET,
    idempotency_key: str | Unset = UNSET,
    since: datetime.datetime | Unset = UNSET,
    until: datetime.datetime | Unset = UNSET,
) -> InvocationList | Problem | None:
    """List a namespace's asynchronous calls

     Every connected sidecar is asked; `warnings` names those that could not be. All conditions given
    have to hold. Only so many calls are looked at for one page, so one may be short, or empty, and have
    a next.

    Args:
        namespace (str):
        limit (int | Unset):
        page_token (str | Unset):
        state (str | Unset):
        status (str | Unset):
        cause (str | Unset):
        idempotency_key (str | Unset):
        since (datetime.datetime | Unset):
        until (datetime.datetime | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        InvocationList | Problem
    """

    return (
        await asyncio_detailed(
            namespace=namespace,
            client=client,
            limit=limit,
            page_token=page_token,
            state=state,
            status=status,
            cause=cause,
            idempotency_key=idempotency_key,
            since=since,
            until=until,
        )
    ).parsed
