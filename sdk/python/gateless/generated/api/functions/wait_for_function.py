from http import HTTPStatus
from typing import Any, cast
from urllib.parse import quote

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.function import Function
from ...models.problem import Problem
from ...models.wait_for_function_condition import (
    WaitForFunctionCondition,
)
from ...types import UNSET, Response, Unset


def _get_kwargs(
    namespace: str,
    name: str,
    *,
    condition: WaitForFunctionCondition,
    timeout_ms: int | Unset = UNSET,
) -> dict[str, Any]:

    params: dict[str, Any] = {}

    json_condition: str = condition
    params["condition"] = json_condition

    params["timeout_ms"] = timeout_ms

    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}

    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/v1/namespaces/{namespace}/functions/{name}/wait".format(
            namespace=quote(str(namespace), safe=""),
            name=quote(str(name), safe=""),
        ),
        "params": params,
    }

    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Any | Function | Problem | None:
    if response.status_code == 200:
        response_200 = Function.from_dict(response.json())

        return response_200

    if response.status_code == 204:
        response_204 = cast(Any, None)
        return response_204

    if response.status_code == 409:
        response_409 = Problem.from_dict(response.json())

        return response_409

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
) -> Response[Any | Function | Problem]:
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
    condition: WaitForFunctionCondition,
    timeout_ms: int | Unset = UNSET,
) -> Response[Any | Function | Problem]:
    """Wait until a function is ready or deleted

     Answers as soon as the condition holds, and 408 when it did not within the time.

    Args:
        namespace (str):
        name (str):
        condition (WaitForFunctionCondition): What can be waited for.
        timeout_ms (int | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | Function | Problem]
    """

    kwargs = _get_kwargs(
        namespace=namespace,
        name=name,
        condition=condition,
        timeout_ms=timeout_ms,
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
    condition: WaitForFunctionCondition,
    timeout_ms: int | Unset = UNSET,
) -> Any | Function | Problem | None:
    """Wait until a function is ready or deleted

     Answers as soon as the condition holds, and 408 when it did not within the time.

    Args:
        namespace (str):
        name (str):
        condition (WaitForFunctionCondition): What can be waited for.
        timeout_ms (int | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | Function | Problem
    """

    return sync_detailed(
        namespace=namespace,
        name=name,
        client=client,
        condition=condition,
        timeout_ms=timeout_ms,
    ).parsed


async def asyncio_detailed(
    namespace: str,
    name: str,
    *,
    client: AuthenticatedClient | Client,
    condition: WaitForFunctionCondition,
    timeout_ms: int | Unset = UNSET,
) -> Response[Any | Function | Problem]:
    """Wait until a function is ready or deleted

     Answers as soon as the condition holds, and 408 when it did not within the time.

    Args:
        namespace (str):
        name (str):
        condition (WaitForFunctionCondition): What can be waited for.
        timeout_ms (int | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Any | Function | Problem]
    """

    kwargs = _get_kwargs(
        namespace=namespace,
        name=name,
        condition=condition,
        timeout_ms=timeout_ms,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    namespace: str,
    name: str,
    *,
    client: AuthenticatedClient | Client,
    condition: WaitForFunctionCondition,
    timeout_ms: int | Unset = UNSET,
) -> Any | Function | Problem | None:
    """Wait until a function is ready or deleted

     Answers as soon as the condition holds, and 408 when it did not within the time.

    Args:
        namespace (str):
        name (str):
        condition (WaitForFunctionCondition): What can be waited for.
        timeout_ms (int | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Any | Function | Problem
    """

    return (
        await asyncio_detailed(
            namespace=namespace,
            name=name,
            client=client,
            condition=condition,
            timeout_ms=timeout_ms,
        )
    ).parsed
