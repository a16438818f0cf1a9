from http import HTTPStatus
from typing import Any

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.problem import Problem
from ...models.restore_request import RestoreRequest
from ...models.restored_catalogue import RestoredCatalogue
from ...types import UNSET, Response, Unset


def _get_kwargs(
    *,
    body: RestoreRequest,
    idempotency_key: str | Unset = UNSET,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    if not isinstance(idempotency_key, Unset):
        headers["Idempotency-Key"] = idempotency_key

    _kwargs: dict[str, Any] = {
        "method": "post",
        "url": "/v1/catalogue/restore",
    }

    _kwargs["json"] = body.to_dict()

    headers["Content-Type"] = "application/json"

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Problem | RestoredCatalogue | None:
    if response.status_code == 200:
        response_200 = RestoredCatalogue.from_dict(response.json())

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
) -> Response[Problem | RestoredCatalogue]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    *,
    client: AuthenticatedClient | Client,
    body: RestoreRequest,
    idempotency_key: str | Unset = UNSET,
) -> Response[Problem | RestoredCatalogue]:
    """Take the catalogue back from the sidecars

     Replaces functions, secrets and triggers by those that a connected sidecar has, and fetches the
    artifacts they name. Tokens, quotas and revisions without traffic or tag are not with sidecars and
    do not come back.

    Args:
        idempotency_key (str | Unset):
        body (RestoreRequest): Whose catalogue is to count. Example: {'sidecar': '0badcafe'}.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Problem | RestoredCatalogue]
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
    body: RestoreRequest,
    idempotency_key: str | Unset = UNSET,
) -> Problem | RestoredCatalogue | None:
    """Take the catalogue back from the sidecars

     Replaces functions, secrets and triggers by those that a connected sidecar has, and fetches the
    artifacts they name. Tokens, quotas and revisions without traffic or tag are not with sidecars and
    do not come back.

    Args:
        idempotency_key (str | Unset):
        body (RestoreRequest): Whose catalogue is to count. Example: {'sidecar': '0badcafe'}.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Problem | RestoredCatalogue
    """

    return sync_detailed(
        client=client,
        body=body,
        idempotency_key=idempotency_key,
    ).parsed


async def asyncio_detailed(
    *,
    client: AuthenticatedClient | Client,
    body: RestoreRequest,
    idempotency_key: str | Unset = UNSET,
) -> Response[Problem | RestoredCatalogue]:
    """Take the catalogue back from the sidecars

     Replaces functions, secrets and triggers by those that a connected sidecar has, and fetches the
    artifacts they name. Tokens, quotas and revisions without traffic or tag are not with sidecars and
    do not come back.

    Args:
        idempotency_key (str | Unset):
        body (RestoreRequest): Whose catalogue is to count. Example: {'sidecar': '0badcafe'}.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Problem | RestoredCatalogue]
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
    body: RestoreRequest,
    idempotency_key: str | Unset = UNSET,
) -> Problem | RestoredCatalogue | None:
    """Take the catalogue back from the sidecars

     Replaces functions, secrets and triggers by those that a connected sidecar has, and fetches the
    artifacts they name. Tokens, quotas and revisions without traffic or tag are not with sidecars and
    do not come back.

    Args:
        idempotency_key (str | Unset):
        body (RestoreRequest): Whose catalogue is to count. Example: {'sidecar': '0badcafe'}.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Problem | RestoredCatalogue
    """

    return (
        await asyncio_detailed(
            client=client,
            body=body,
            idempotency_key=idempotency_key,
        )
    ).parsed
