from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.artifact import Artifact
from ...models.problem import Problem
from ...types import File, Response


def _get_kwargs(
    namespace: str,
    sha256: str,
    *,
    body: File,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}

    _kwargs: dict[str, Any] = {
        "method": "put",
        "url": "/v1/namespaces/{namespace}/artifacts/{sha256}".format(
            namespace=quote(str(namespace), safe=""),
            sha256=quote(str(sha256), safe=""),
        ),
    }

    _kwargs["content"] = body.payload
    headers["Content-Type"] = "application/octet-stream"

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Artifact | Problem | None:
    if response.status_code == 200:
        response_200 = Artifact.from_dict(response.json())

        return response_200

    if response.status_code == 201:
        response_201 = Artifact.from_dict(response.json())

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
) -> Response[Artifact | Problem]:
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
    body: File,
) -> Response[Artifact | Problem]:
    """Upload an artifact

     At most 256 MiB. What no revision names is removed a day after its last upload.

    Args:
        namespace (str):
        sha256 (str):
        body (File):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Artifact | Problem]
    """

    kwargs = _get_kwargs(
        namespace=namespace,
        sha256=sha256,
        body=body,
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
    body: File,
) -> Artifact | Problem | None:
    """Upload an artifact

     At most 256 MiB. What no revision names is removed a day after its last upload.

    Args:
        namespace (str):
        sha256 (str):
        body (File):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Artifact | Problem
    """

    return sync_detailed(
        namespace=namespace,
        sha256=sha256,
        client=client,
        body=body,
    ).parsed


async def asyncio_detailed(
    namespace: str,
    sha256: str,
    *,
    client: AuthenticatedClient | Client,
    body: File,
) -> Response[Artifact | Problem]:
    """Upload an artifact

     At most 256 MiB. What no revision names is removed a day after its last upload.

    Args:
        namespace (str):
        sha256 (str):
        body (File):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Artifact | Problem]
    """

    kwargs = _get_kwargs(
        namespace=namespace,
        sha256=sha256,
        body=body,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    namespace: str,
    sha256: str,
    *,
    client: AuthenticatedClient | Client,
    body: File,
) -> Artifact | Problem | None:
    """Upload an artifact

     At most 256 MiB. What no revision names is removed a day after its last upload.

    Args:
        namespace (str):
        sha256 (str):
        body (File):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Artifact | Problem
    """

    return (
        await asyncio_detailed(
            namespace=namespace,
            sha256=sha256,
            client=client,
            body=body,
        )
    ).parsed
