from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.namespace_quota import NamespaceQuota
from ...models.problem import Problem
from ...models.quota import Quota
from ...types import UNSET, Response, Unset


def _get_kwargs(
    namespace: str,
    *,
    body: Quota,
    dry_run: bool | Unset = UNSET,
    if_match: str | Unset = UNSET,
    if_none_match: str | Unset = UNSET,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    if not isinstance(if_match, Unset):
        headers["If-Match"] = if_match

    if not isinstance(if_none_match, Unset):
        headers["If-None-Match"] = if_none_match

    params: dict[str, Any] = {}

    params["dry_run"] = dry_run

    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}

    _kwargs: dict[str, Any] = {
        "method": "put",
        "url": "/v1/namespaces/{namespace}/quota".format(
            namespace=quote(str(namespace), safe=""),
        ),
        "params": params,
    }

    _kwargs["json"] = body.to_dict()

    headers["Content-Type"] = "application/json"

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> NamespaceQuota | Problem | None:
    if response.status_code == 200:
        response_200 = NamespaceQuota.from_dict(response.json())

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
) -> Response[NamespaceQuota | Problem]:
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
    body: Quota,
    dry_run: bool | Unset = UNSET,
    if_match: str | Unset = UNSET,
    if_none_match: str | Unset = UNSET,
) -> Response[NamespaceQuota | Problem]:
    """Set what a namespace may have

     All bounds at once; one that is left out is none. What the namespace has beyond it stays, and may
    become less. Needs an admin of all namespaces.

    Args:
        namespace (str):
        dry_run (bool | Unset):
        if_match (str | Unset):
        if_none_match (str | Unset):
        body (Quota): A namespace's bounds; one that is left out or null is none. Example:
            {'cpu_millicores': 16000, 'functions': 20, 'instances': 100, 'memory_bytes': 8589934592,
            'secrets': 50, 'tokens': 50}.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[NamespaceQuota | Problem]
    """

    kwargs = _get_kwargs(
        namespace=namespace,
        body=body,
        dry_run=dry_run,
        if_match=if_match,
        if_none_match=if_none_match,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    namespace: str,
    *,
    client: AuthenticatedClient | Client,
    body: Quota,
    dry_run: bool | Unset = UNSET,
    if_match: str | Unset = UNSET,
    if_none_match: str | Unset = UNSET,
) -> NamespaceQuota | Problem | None:
    """Set what a namespace may have

     All bounds at once; one that is left out is none. What the namespace has beyond it stays, and may
    become less. Needs an admin of all namespaces.

    Args:
        namespace (str):
        dry_run (bool | Unset):
        if_match (str | Unset):
        if_none_match (str | Unset):
        body (Quota): A namespace's bounds; one that is left out or null is none. Example:
            {'cpu_millicores': 16000, 'functions': 20, 'instances': 100, 'memory_bytes': 8589934592,
            'secrets': 50, 'tokens': 50}.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        NamespaceQuota | Problem
    """

    return sync_detailed(
        namespace=namespace,
        client=client,
        body=body,
        dry_run=dry_run,
        if_match=if_match,
        if_none_match=if_none_match,
    ).parsed


async def asyncio_detailed(
    namespace: str,
    *,
    client: AuthenticatedClient | Client,
    body: Quota,
    dry_run: bool | Unset = UNSET,
    if_match: str | Unset = UNSET,
    if_none_match: str | Unset = UNSET,
) -> Response[NamespaceQuota | Problem]:
    """Set what a namespace may have

     All bounds at once; one that is left out is none. What the namespace has beyond it stays, and may
    become less. Needs an admin of all namespaces.

    Args:
        namespace (str):
        dry_run (bool | Unset):
        if_match (str | Unset):
        if_none_match (str | Unset):
        body (Quota): A namespace's bounds; one that is left out or null is none. Example:
            {'cpu_millicores': 16000, 'functions': 20, 'instances': 100, 'memory_bytes': 8589934592,
            'secrets': 50, 'tokens': 50}.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[NamespaceQuota | Problem]
    """

    kwargs = _get_kwargs(
        namespace=namespace,
        body=body,
        dry_run=dry_run,
        if_match=if_match,
        if_none_match=if_none_match,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    namespace: str,
    *,
    client: AuthenticatedClient | Client,
    body: Quota,
    dry_run: bool | Unset = UNSET,
    if_match: str | Unset = UNSET,
    if_none_match: str | Unset = UNSET,
) -> NamespaceQuota | Problem | None:
    """Set what a namespace may have

     All bounds at once; one that is left out is none. What the namespace has beyond it stays, and may
    become less. Needs an admin of all namespaces.

    Args:
        namespace (str):
        dry_run (bool | Unset):
        if_match (str | Unset):
        if_none_match (str | Unset):
        body (Quota): A namespace's bounds; one that is left out or null is none. Example:
            {'cpu_millicores': 16000, 'functions': 20, 'instances': 100, 'memory_bytes': 8589934592,
            'secrets': 50, 'tokens': 50}.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        NamespaceQuota | Problem
    """

    return (
        await asyncio_detailed(
            namespace=namespace,
            client=client,
            body=body,
            dry_run=dry_run,
            if_match=if_match,
            if_none_match=if_none_match,
        )
    ).parsed
