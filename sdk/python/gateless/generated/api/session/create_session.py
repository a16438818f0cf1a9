from http import HTTPStatus
from typing import Any, cast

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.problem import Problem
from ...models.session_request import SessionRequest
from ...types import Response


def _get_kwargs(
    *,
    body: SessionRequest,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}

    _kwargs: dict[str, Any] = {
        "method": "post",
        "url": "/v1/session",
    }

    _kwargs["json"] = body.to_dict()

    headers["Content-Type"] = "application/json"

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Any | Problem | None:
    if response.status_code == 204:
        response_204 = cast(Any, None)
        return response_204

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
) -> Response[Any | Problem]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    *,
    client: AuthenticatedClient,
    body: SessionRequest,
) -> Response[Any | Problem]:
    """Begin a browser's session

     For browsers: a session that acts for the token, its id in an HttpOnly cookie. It ends after two
    hours without use, after twelve in any case, and with the token; a token's ninth session ends the
    one used least recently. Over http only on the server's own machine. Programs send the token as a
    bearer token.

    Args:
        body (SessionRequest): Whom a browser is to act for: a token or a code, one of both.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | Problem]
    """

    kwargs = _get_kwargs(
        body=body,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    *,
    client: AuthenticatedClient,
    body: SessionRequest,
) -> Any | Problem | None:
    """Begin a browser's session

     For browsers: a session that acts for the token, its id in an HttpOnly cookie. It ends after two
    hours without use, after twelve in any case, and with the token; a token's ninth session ends the
    one used least recently. Over http only on the server's own machine. Programs send the token as a
    bearer token.

    Args:
        body (SessionRequest): Whom a browser is to act for: a token or a code, one of both.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | Problem
    """

    return sync_detailed(
        client=client,
        body=body,
    ).parsed


async def asyncio_detailed(
    *,
    client: AuthenticatedClient,
    body: SessionRequest,
) -> Response[Any | Problem]:
    """Begin a browser's session

     For browsers: a session that acts for the token, its id in an HttpOnly cookie. It ends after two
    hours without use, after twelve in any case, and with the token; a token's ninth session ends the
    one used least recently. Over http only on the server's own machine. Programs send the token as a
    bearer token.

    Args:
        body (SessionRequest): Whom a browser is to act for: a token or a code, one of both.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | Problem]
    """

    kwargs = _get_kwargs(
        body=body,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    *,
    client: AuthenticatedClient,
    body: SessionRequest,
) -> Any | Problem | None:
    """Begin a browser's session

     For browsers: a session that acts for the token, its id in an HttpOnly cookie. It ends after two
    hours without use, after twelve in any case, and with the token; a token's ninth session ends the
    one used least recently. Over http only on the server's own machine. Programs send the token as a
    bearer token.

    Args:
        body (SessionRequest): Whom a browser is to act for: a token or a code, one of both.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | Problem
    """

    return (
        await asyncio_detailed(
            client=client,
            body=body,
        )
    ).parsed
