from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.problem import Problem
from ...types import UNSET, Response, Unset


def _get_kwargs(
    namespace: str,
    name: str,
    *,
    follow: bool | Unset = UNSET,
    tail: int | Unset = UNSET,
    since_ms: int | Unset = UNSET,
    until_ms: int | Unset = UNSET,
    revision: str | Unset = UNSET,
    instance: str | Unset = UNSET,
) -> dict[str, Any]:

    params: dict[str, Any] = {}

    params["follow"] = follow

    params["tail"] = tail

    params["since_ms"] = since_ms

    params["until_ms"] = until_ms

    params["revision"] = revision

    params["instance"] = instance

    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}

    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/v1/namespaces/{namespace}/functions/{name}/logs".format(
            namespace=quote(str(namespace), safe=""),
            name=quote(str(name), safe=""),
        ),
        "params": params,
    }

    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Problem | None:
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
) -> Response[Problem]:
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
    follow: bool | Unset = UNSET,
    tail: int | Unset = UNSET,
    since_ms: int | Unset = UNSET,
    until_ms: int | Unset = UNSET,
    revision: str | Unset = UNSET,
    instance: str | Unset = UNSET,
) -> Response[Problem]:
    """Read a function's log lines

     One JSON object a line. Without follow they are sorted by time; with it, lines of sidecars that
    connect later are not in it. Sidecars that could not be asked are named in x-gateless-unreachable.

    Args:
        namespace (str):
        name (str):
        follow (bool | Unset):
        tail (int | Unset):
        since_ms (int | Unset):
        until_ms (int | Unset):
        revision (str | Unset):
        instance (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Problem]
    """

    kwargs = _get_kwargs(
        namespace=namespace,
        name=name,
        follow=follow,
        tail=tail,
        since_ms=since_ms,
        until_ms=until_ms,
        revision=revision,
        instance=instance,
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
    follow: bool | Unset = UNSET,
    tail: int | Unset = UNSET,
    since_ms: int | Unset = UNSET,
    until_ms: int | Unset = UNSET,
    revision: str | Unset = UNSET,
    instance: str | Unset = UNSET,
) -> Problem | None:
    """Read a function's log lines

     One JSON object a line. Without follow they are sorted by time; with it, lines of sidecars that
    connect later are not in it. Sidecars that could not be asked are named in x-gateless-unreachable.

    Args:
        namespace (str):
        name (str):
        follow (bool | Unset):
        tail (int | Unset):
        since_ms (int | Unset):
        until_ms (int | Unset):
        revision (str | Unset):
        instance (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Problem
    """

    return sync_detailed(
        namespace=namespace,
        name=name,
        client=client,
        follow=follow,
        tail=tail,
        since_ms=since_ms,
        until_ms=until_ms,
        revision=revision,
        instance=instance,
    ).parsed


async def asyncio_detailed(
    namespace: str,
    name: str,
    *,
    client: AuthenticatedClient | Client,
    follow: bool | Unset = UNSET,
    tail: int | Unset = UNSET,
    since_ms: int | Unset = UNSET,
    until_ms: int | Unset = UNSET,
    revision: str | Unset = UNSET,
    instance: str | Unset = UNSET,
) -> Response[Problem]:
    """Read a function's log lines

     One JSON object a line. Without follow they are sorted by time; with it, lines of sidecars that
    connect later are not in it. Sidecars that could not be asked are named in x-gateless-unreachable.

    Args:
        namespace (str):
        name (str):
        follow (bool | Unset):
        tail (int | Unset):
        since_ms (int | Unset):
        until_ms (int | Unset):
        revision (str | Unset):
        instance (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Problem]
    """

    kwargs = _get_kwargs(
        namespace=namespace,
        name=name,
        follow=follow,
        tail=tail,
        since_ms=since_ms,
        until_ms=until_ms,
        revision=revision,
        instance=instance,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    namespace: str,
    name: str,
    *,
    client: AuthenticatedClient | Client,
    follow: bool | Unset = UNSET,
    tail: int | Unset = UNSET,
    since_ms: int | Unset = UNSET,
    until_ms: int | Unset = UNSET,
    revision: str | Unset = UNSET,
    instance: str | Unset = UNSET,
) -> Problem | None:
    """Read a function's log lines

     One JSON object a line. Without follow they are sorted by time; with it, lines of sidecars that
    connect later are not in it. Sidecars that could not be asked are named in x-gateless-unreachable.

    Args:
        namespace (str):
        name (str):
        follow (bool | Unset):
        tail (int | Unset):
        since_ms (int | Unset):
        until_ms (int | Unset):
        revision (str | Unset):
        instance (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Problem
    """

    return (
        await asyncio_detailed(
            namespace=namespace,
            name=name,
            client=client,
            follow=follow,
            tail=tail,
            since_ms=since_ms,
            until_ms=until_ms,
            revision=revision,
            instance=instance,
        )
    ).parsed
