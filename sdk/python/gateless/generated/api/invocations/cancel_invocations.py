from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.bulk_request import BulkRequest
from ...models.bulk_result import BulkResult
from ...models.problem import Problem
from ...types import UNSET, Response, Unset


def _get_kwargs(
    namespace: str,
    name: str,
    *,
    body: BulkRequest,
    idempotency_key: str | Unset = UNSET,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    if not isinstance(idempotency_key, Unset):
        headers["Idempotency-Key"] = idempotency_key

    _kwargs: dict[str, Any] = {
        "method": "post",
        "url": "/v1/namespaces/{namespace}/functions/{name}/invocations/cancel".format(
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
) -> BulkResult | Problem | None:
    if response.status_code == 200:
        response_200 = BulkResult.from_dict(response.json())

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
) -> Response[BulkResult | Problem]:
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
    body: BulkRequest,
    idempotency_key: str | Unset = UNSET,
) -> Response[BulkResult | Problem]:
    """Cancel many asynchronous calls

     Those named, or up to 1000 in a state. Each is cancelled as cancelInvocation would; `failed` names
    those that were not.

    Args:
        namespace (str):
        name (str):
        idempotency_key (str | Unset):
        body (BulkRequest): Which calls: either `ids` or `state`. Example: {'state':
            'queued,retrying'}.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[BulkResult | Problem]
    """

    kwargs = _get_kwargs(
        namespace=namespace,
        name=name,
        body=body,
        idempotency_key=idempotency_key,
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
    body: BulkRequest,
    idempotency_key: str | Unset = UNSET,
) -> BulkResult | Problem | None:
    """Cancel many asynchronous calls

     Those named, or up to 1000 in a state. Each is cancelled as cancelInvocation would; `failed` names
    those that were not.

    Args:
        namespace (str):
        name (str):
        idempotency_key (str | Unset):
        body (BulkRequest): Which calls: either `ids` or `state`. Example: {'state':
            'queued,retrying'}.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        BulkResult | Problem
    """

    return sync_detailed(
        namespace=namespace,
        name=name,
        client=client,
        body=body,
        idempotency_key=idempotency_key,
    ).parsed


async def asyncio_detailed(
    namespace: str,
    name: str,
    *,
    client: AuthenticatedClient | Client,
    body: BulkRequest,
    idempotency_key: str | Unset = UNSET,
) -> Response[BulkResult | Problem]:
    """Cancel many asynchronous calls

     Those named, or up to 1000 in a state. Each is cancelled as cancelInvocation would; `failed` names
    those that were not.

    Args:
        namespace (str):
        name (str):
        idempotency_key (str | Unset):
        body (BulkRequest): Which calls: either `ids` or `state`. Example: {'state':
            'queued,retrying'}.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[BulkResult | Problem]
    """

    kwargs = _get_kwargs(
        namespace=namespace,
        name=name,
        body=body,
        idempotency_key=idempotency_key,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    namespace: str,
    name: str,
    *,
    client: AuthenticatedClient | Client,
    body: BulkRequest,
    idempotency_key: str | Unset = UNSET,
) -> BulkResult | Problem | None:
    """Cancel many asynchronous calls

     Those named, or up to 1000 in a state. Each is cancelled as cancelInvocation would; `failed` names
    those that were not.

    Args:
        namespace (str):
        name (str):
        idempotency_key (str | Unset):
        body (BulkRequest): Which calls: either `ids` or `state`. Example: {'state':
            'queued,retrying'}.

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        BulkResult | Problem
    """

    return (
        await asyncio_detailed(
            namespace=namespace,
            name=name,
            client=client,
            body=body,
            idempotency_key=idempotency_key,
        )
    ).parsed
