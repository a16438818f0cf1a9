from http import HTTPStatus
from io import BytesIO
from typing import Any
from urllib.parse import quote

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.problem import Problem
from ...types import File, Response


def _get_kwargs(
    namespace: str,
    sha256: str,
) -> dict[str, Any]:

    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/v1/namespaces/{namespace}/artifacts/{sha256}".format(
            namespace=quote(str(namespace), safe=""),
            sha256=quote(str(sha256), safe=""),
        ),
    }

    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> File | Problem | None:
    if response.status_code == 200:
        response_200 = File(payload=BytesIO(response.content))

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
) -> Response[File | Problem]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    namespace: str,
    sha256: str,
    *,
    client: AuthenticatedClient | Client,
) -> Response[File | Problem]:
    """Download an artifact

     The bytes as they were uploaded. Sidecars fetch bundles and components from the server by
    themselves; this is for people.

    Args:
        namespace (str):
        sha256 (str):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[File | Problem]
    """

    kwargs = _get_kwargs(
        namespace=namespace,
        sha256=sha256,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    namespace: str,
    sha256: str,
    *,
    client: AuthenticatedClient | Client,
) -> File | Problem | None:
    """Download an artifact

     The bytes as they were uploaded. Sidecars fetch bundles and components from the server by
    themselves; this is for people.

    Args:
        namespace (str):
        sha256 (str):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        File | Problem
    """

    return sync_detailed(
        namespace=namespace,
        sha256=sha256,
        client=client,
    ).parsed


async def asyncio_detailed(
    namespace: str,
    sha256: str,
    *,
    client: AuthenticatedClient | Client,
) -> Response[File | Problem]:
    """Download an artifact

     The bytes as they were uploaded. Sidecars fetch bundles and components from the server by
    themselves; this is for people.

    Args:
        namespace (str):
        sha256 (str):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[File | Problem]
    """

    kwargs = _get_kwargs(
        namespace=namespace,
        sha256=sha256,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    namespace: str,
    sha256: str,
    *,
    client: AuthenticatedClient | Client,
) -> File | Problem | None:
    """Download an artifact

     The bytes as they were uploaded. Sidecars fetch bundles and components from the server by
    themselves; this is for people.

    Args:
        namespace (str):
        sha256 (str):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        File | Problem
    """

    return (
        await asyncio_detailed(
            namespace=namespace,
            sha256=sha256,
            client=client,
        )
    ).parsed
