from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.call_record import CallRecord
from ...models.problem import Problem
from ...types import Response


def _get_kwargs(
    namespace: str,
    id: str,
) -> dict[str, Any]:

    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/v1/namespaces/{namespace}/calls/{id}".format(
            namespace=quote(str(namespace), safe=""),
            id=quote(str(id), safe=""),
        ),
    }

    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> CallRecord | Problem | None:
    if response.status_code == 200:
        response_200 = CallRecord.from_dict(response.json())

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
) -> Response[CallRecord | Problem]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    namespace: str,
    id: str,
    *,
    client: AuthenticatedClient | Client,
) -> Response[CallRecord | Problem]:
    """Get a call on record

     The sidecar that it came in at is asked. 404 when it is on record no more.

    Args:
        namespace (str):
        id (str):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[CallRecord | Problem]
    """

    kwargs = _get_kwargs(
        namespace=namespace,
        id=id,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    namespace: str,
    id: str,
    *,
    client: AuthenticatedClient | Client,
) -> CallRecord | Problem | None:
    """Get a call on record

     The sidecar that it came in at is asked. 404 when it is on record no more.

    Args:
        namespace (str):
        id (str):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        CallRecord | Problem
    """

    return sync_detailed(
        namespace=namespace,
        id=id,
        client=client,
    ).parsed


async def asyncio_detailed(
    namespace: str,
    id: str,
    *,
    client: AuthenticatedClient | Client,
) -> Response[CallRecord | Problem]:
    """Get a call on record

     The sidecar that it came in at is asked. 404 when it is on record no more.

    Args:
        namespace (str):
        id (str):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[CallRecord | Problem]
    """

    kwargs = _get_kwargs(
        namespace=namespace,
        id=id,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    namespace: str,
    id: str,
    *,
    client: AuthenticatedClient | Client,
) -> CallRecord | Problem | None:
    """Get a call on record

     The sidecar that it came in at is asked. 404 when it is on record no more.

    Args:
        namespace (str):
        id (str):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        CallRecord | Problem
    """

    return (
        await asyncio_detailed(
            namespace=namespace,
            id=id,
            client=client,
        )
    ).parsed
