from http import HTTPStatus
from typing import Any

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.created_join_token import CreatedJoinToken
from ...models.join_token_request import JoinTokenRequest
from ...models.problem import Problem
from ...types import UNSET, Response, Unset


def _get_kwargs(
    *,
    body: JoinTokenRequest,
    idempotency_key: str | Unset = UNSET,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    if not isinstance(idempotency_key, Unset):
        headers["Idempotency-Key"] = idempotency_key

    _kwargs: dict[str, Any] = {
        "method": "post",
        "url": "/v1/join-tokens",
    }

    _kwargs["json"] = body.to_dict()

    headers["Content-Type"] = "application/json"

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> CreatedJoinToken | Problem | None:
    if response.status_code == 201:
        response_201 = CreatedJoinToken.from_dict(response.json())

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
) -> Response[CreatedJoinToken | Problem]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    *,
    client: AuthenticatedClient | Client,
    body: JoinTokenRequest,
    idempotency_key: str | Unset = UNSET,
) -> Response[CreatedJoinToken | Problem]:
    """Make a join token

     A new sidecar shows it once and gets its certificate. The token proves the server to the sidecar,
    too.

    Args:
        idempotency_key (str | Unset):
        body (JoinTokenRequest): What is asked of a new join token. Example: {'description': 'rack
            4', 'ttl_seconds': 3600, 'uses': 3}.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[CreatedJoinToken | Problem]
    """

    kwargs = _get_kwargs(
        body=body,
        idempotency_key=idempotency_key,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    *,
    client: AuthenticatedClient | Client,
    body: JoinTokenRequest,
    idempotency_key: str | Unset = UNSET,
) -> CreatedJoinToken | Problem | None:
    """Make a join token

     A new sidecar shows it once and gets its certificate. The token proves the server to the sidecar,
    too.

    Args:
        idempotency_key (str | Unset):
        body (JoinTokenRequest): What is asked of a new join token. Example: {'description': 'rack
            4', 'ttl_seconds': 3600, 'uses': 3}.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        CreatedJoinToken | Problem
    """

    return sync_detailed(
        client=client,
        body=body,
        idempotency_key=idempotency_key,
    ).parsed


async def asyncio_detailed(
    *,
    client: AuthenticatedClient | Client,
    body: JoinTokenRequest,
    idempotency_key: str | Unset = UNSET,
) -> Response[CreatedJoinToken | Problem]:
    """Make a join token

     A new sidecar shows it once and gets its certificate. The token proves the server to the sidecar,
    too.

    Args:
        idempotency_key (str | Unset):
        body (JoinTokenRequest): What is asked of a new join token. Example: {'description': 'rack
            4', 'ttl_seconds': 3600, 'uses': 3}.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[CreatedJoinToken | Problem]
    """

    kwargs = _get_kwargs(
        body=body,
        idempotency_key=idempotency_key,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    *,
    client: AuthenticatedClient | Client,
    body: JoinTokenRequest,
    idempotency_key: str | Unset = UNSET,
) -> CreatedJoinToken | Problem | None:
    """Make a join token

     A new sidecar shows it once and gets its certificate. The token proves the server to the sidecar,
    too.

    Args:
        idempotency_key (str | Unset):
        body (JoinTokenRequest): What is asked of a new join token. Example: {'description': 'rack
            4', 'ttl_seconds': 3600, 'uses': 3}.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        CreatedJoinToken | Problem
    """

    return (
        await asyncio_detailed(
            client=client,
            body=body,
            idempotency_key=idempotency_key,
        )
    ).parsed
