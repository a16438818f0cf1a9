from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.invoke_request import InvokeRequest
from ...models.invoke_response import InvokeResponse
from ...models.problem import Problem
from ...types import Response


def _get_kwargs(
    namespace: str,
    name: str,
    *,
    body: InvokeRequest,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}

    _kwargs: dict[str, Any] = {
        "method": "post",
        "url": "/v1/namespaces/{namespace}/functions/{name}/invoke".format(
            namespace=quote(str(namespace), safe=""),
            name=quote(str(name), safe=""),
        ),
    }

    _kwargs["json"] = body.to_dict()

    headers["Content-Type"] = "application/json"

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> InvokeResponse | Problem | None:
    if response.status_code == 200:
        response_200 = InvokeResponse.from_dict(response.json())

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
) -> Response[InvokeResponse | Problem]:
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
    body: InvokeRequest,
) -> Response[InvokeResponse | Problem]:
    """Try a function out

     Calls it through a live sidecar, as any caller would, and tells how that went. For people: programs
    call a sidecar's public_url, which needs no server.

    Args:
        namespace (str):
        name (str):
        body (InvokeRequest): A call to make. Example: {'body': 'hello', 'headers': {'content-
            type': 'text/plain'}, 'method': 'POST', 'path': '/'}.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[InvokeResponse | Problem]
    """

    kwargs = _get_kwargs(
        namespace=namespace,
        name=name,
        body=body,
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
    body: InvokeRequest,
) -> InvokeResponse | Problem | None:
    """Try a function out

     Calls it through a live sidecar, as any caller would, and tells how that went. For people: programs
    call a sidecar's public_url, which needs no server.

    Args:
        namespace (str):
        name (str):
        body (InvokeRequest): A call to make. Example: {'body': 'hello', 'headers': {'content-
            type': 'text/plain'}, 'method': 'POST', 'path': '/'}.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        InvokeResponse | Problem
    """

    return sync_detailed(
        namespace=namespace,
        name=name,
        client=client,
        body=body,
    ).parsed


async def asyncio_detailed(
    namespace: str,
    name: str,
    *,
    client: AuthenticatedClient | Client,
    body: InvokeRequest,
) -> Response[InvokeResponse | Problem]:
    """Try a function out

     Calls it through a live sidecar, as any caller would, and tells how that went. For people: programs
    call a sidecar's public_url, which needs no server.

    Args:
        namespace (str):
        name (str):
        body (InvokeRequest): A call to make. Example: {'body': 'hello', 'headers': {'content-
            type': 'text/plain'}, 'method': 'POST', 'path': '/'}.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[InvokeResponse | Problem]
    """

    kwargs = _get_kwargs(
        namespace=namespace,
        name=name,
        body=body,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    namespace: str,
    name: str,
    *,
    client: AuthenticatedClient | Client,
    body: InvokeRequest,
) -> InvokeResponse | Problem | None:
    """Try a function out

     Calls it through a live sidecar, as any caller would, and tells how that went. For people: programs
    call a sidecar's public_url, which needs no server.

    Args:
        namespace (str):
        name (str):
        body (InvokeRequest): A call to make. Example: {'body': 'hello', 'headers': {'content-
            type': 'text/plain'}, 'method': 'POST', 'path': '/'}.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        InvokeResponse | Problem
    """

    return (
        await asyncio_detailed(
            namespace=namespace,
            name=name,
            client=client,
            body=body,
        )
    ).parsed
