from http import HTTPStatus
from typing import Any

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.created_token import CreatedToken
from ...models.problem import Problem
from ...models.token_request import TokenRequest
from ...types import UNSET, Response, Unset


def _get_kwargs(
    *,
    body: TokenRequest,
    idempotency_key: str | Unset = UNSET,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    if not isinstance(idempotency_key, Unset):
        headers["Idempotency-Key"] = idempotency_key

    _kwargs: dict[str, Any] = {
        "method": "post",
        "url": "/v1/tokens",
    }

    _kwargs["json"] = body.to_dict()

    headers["Content-Type"] = "application/json"

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> CreatedToken | Problem | None:
    if response.status_code == 201:
        response_201 = CreatedToken.from_dict(response.json())

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
) -> Response[CreatedToken | Problem]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    *,
    client: AuthenticatedClient | Client,
    body: TokenRequest,
    idempotency_key: str | Unset = UNSET,
) -> Response[CreatedToken | Problem]:
    """Issue a token

     The token is in this answer and nowhere else: it is not kept. Its rights cannot be larger than those
    of who asks.

    Args:
        idempotency_key (str | Unset):
        body (TokenRequest): What is asked of a new token. Example: {'description': 'ci',
            'namespace': 'default', 'role': 'deployer', 'ttl_seconds': 86400}.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[CreatedToken | Problem]
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
    body: TokenRequest,
    idempotency_key: str | Unset = UNSET,
) -> CreatedToken | Problem | None:
    """Issue a token

     The token is in this answer and nowhere else: it is not kept. Its rights cannot be larger than those
    of who asks.

    Args:
        idempotency_key (str | Unset):
        body (TokenRequest): What is asked of a new token. Example: {'description': 'ci',
            'namespace': 'default', 'role': 'deployer', 'ttl_seconds': 86400}.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        CreatedToken | Problem
    """

    return sync_detailed(
        client=client,
        body=body,
        idempotency_key=idempotency_key,
    ).parsed


async def asyncio_detailed(
    *,
    client: AuthenticatedClient | Client,
    body: TokenRequest,
    idempotency_key: str | Unset = UNSET,
) -> Response[CreatedToken | Problem]:
    """Issue a token

     The token is in this answer and nowhere else: it is not kept. Its rights cannot be larger than those
    of who asks.

    Args:
        idempotency_key (str | Unset):
        body (TokenRequest): What is asked of a new token. Example: {'description': 'ci',
            'namespace': 'default', 'role': 'deployer', 'ttl_seconds': 86400}.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[CreatedToken | Problem]
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
    body: TokenRequest,
    idempotency_key: str | Unset = UNSET,
) -> CreatedToken | Problem | None:
    """Issue a token

     The token is in this answer and nowhere else: it is not kept. Its rights cannot be larger than those
    of who asks.

    Args:
        idempotency_key (str | Unset):
        body (TokenRequest): What is asked of a new token. Example: {'description': 'ci',
            'namespace': 'default', 'role': 'deployer', 'ttl_seconds': 86400}.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        CreatedToken | Problem
    """

    return (
        await asyncio_detailed(
            client=client,
            body=body,
            idempotency_key=idempotency_key,
        )
    ).parsed
