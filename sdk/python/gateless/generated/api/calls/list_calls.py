import datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import httpx

from ... import errors
from ...client import AuthenticatedClient, Client
from ...models.call_record_list import CallRecordList
from ...models.problem import Problem
from ...types import UNSET, Response, Unset


def _get_kwargs(
    namespace: str,
    *,
    limit: int | Unset = UNSET,
    page_token: str | Unset = UNSET,
    function: str | Unset = UNSET,
    state: str | Unset = UNSET,
    kept: str | Unset = UNSET,
    status: str | Unset = UNSET,
    cause: str | Unset = UNSET,
    caller: str | Unset = UNSET,
    min_duration_ms: int | Unset = UNSET,
    cold: bool | Unset = UNSET,
    since: datetime.datetime | Unset = UNSET,
    until: datetime.datetime | Unset = UNSET,
    trace: str | Unset = UNSET,
    call: str | Unset = UNSET,
) -> dict[str, Any]:

    params: dict[str, Any] = {}

    params["limit"] = limit

    params["page_token"] = page_token

    params["function"] = function

    params["state"] = state

    params["kept"] = kept

    params["status"] = status

    params["cause"] = cause

    params["caller"] = caller

    params["min_duration_ms"] = min_duration_ms

    params["cold"] = cold

    json_since: str | Unset = UNSET
    if not isinstance(since, Unset):
        json_since = since.isoformat()
    params["since"] = json_since

    json_until: str | Unset = UNSET
    if not isinstance(until, Unset):
        json_until = until.isoformat()
    params["until"] = json_until

    params["trace"] = trace

    params["call"] = call

    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}

    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/v1/namespaces/{namespace}/calls".format(
            namespace=quote(str(namespace), safe=""),
        ),
        "params": params,
    }

    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> CallRecordList | Problem | None:
    if response.status_code == 200:
        response_200 = CallRecordList.from_dict(response.json())

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
) -> Response[CallRecordList | Problem]:
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
    limit: int | Unset = UNSET,
    page_token: str | Unset = UNSET,
    function: str | Unset = UNSET,
    state: str | Unset = UNSET,
    kept: str | Unset = UNSET,
    status: str | Unset = UNSET,
    cause: str | Unset = UNSET,
    caller: str | Unset = UNSET,
    min_duration_ms: int | Unset = UNSET,
    cold: bool | Unset = UNSET,
    since: datetime.datetime | Unset = UNSET,
    until: datetime.datetime | Unset = UNSET,
    trace: str | Unset = UNSET,
    call: str | Unset = UNSET,
) -> Response[CallRecordList | Problem]:
    """List calls on record

     Sync calls and attempts of asynchronous ones that are over: all that failed, waited for an instance
    or took long, and a share of the rest, for as long as sidecars have room. Every connected sidecar is
    asked; `warnings` names those that could not be. All conditions given have to hold.

    Args:
        namespace (str):
        limit (int | Unset):
        page_token (str | Unset):
        function (str | Unset):
        state (str | Unset):
        kept (str | Unset):
        status (str | Unset):
        cause (str | Unset):
        caller (str | Unset):
        min_duration_ms (int | Unset):
        cold (bool | Unset):
        since (datetime.datetime | Unset):
        until (datetime.datetime | Unset):
        trace (str | Unset):
        call (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[CallRecordList | Problem]
    """

    kwargs = _get_kwargs(
        namespace=namespace,
        limit=limit,
        page_token=page_token,
        function=function,
        state=state,
        kept=kept,
        status=status,
        cause=cause,
        caller=caller,
        min_duration_ms=min_duration_ms,
        cold=cold,
        since=since,
        until=until,
        trace=trace,
        call=call,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    namespace: str,
    *,
    client: AuthenticatedClient | Client,
    limit: int | Unset = UNSET,
    page_token: str | Unset = UNSET,
    function: str | Unset = UNSET,
    state: str | Unset = UNSET,
    kept: str | Unset = UNSET,
    status: str | Unset = UNSET,
    cause: str | Unset = UNSET,
    caller: str | Unset = UNSET,
    min_duration_ms: int | Unset = UNSET,
    cold: bool | Unset = UNSET,
    since: datetime.datetime | Unset = UNSET,
    until: datetime.datetime | Unset = UNSET,
    trace: str | Unset = UNSET,
    call: str | Unset = UNSET,
) -> CallRecordList | Problem | None:
    """List calls on record

     Sync calls and attempts of asynchronous ones that are over: all that failed, waited for an instance
    or took long, and a share of the rest, for as long as sidecars have room. Every connected sidecar is
    asked; `warnings` names those that could not be. All conditions given have to hold.

    Args:
        namespace (str):
        limit (int | Unset):
        page_token (str | Unset):
        function (str | Unset):
        state (str | Unset):
        kept (str | Unset):
        status (str | Unset):
        cause (str | Unset):
        caller (str | Unset):
        min_duration_ms (int | Unset):
        cold (bool | Unset):
        since (datetime.datetime | Unset):
        until (datetime.datetime | Unset):
        trace (str | Unset):
        call (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        CallRecordList | Problem
    """

    return sync_detailed(
        namespace=namespace,
        client=client,
        limit=limit,
        page_token=page_token,
        function=function,
        state=state,
        kept=kept,
        status=status,
        cause=cause,
        caller=caller,
        min_duration_ms=min_duration_ms,
        cold=cold,
        since=since,
        until=until,
        trace=trace,
        call=call,
    ).parsed


async def asyncio_detailed(
    namespace: str,
    *,
    client: AuthenticatedClient | Client,
    limit: int | Unset = UNSET,
    page_token: str | Unset = UNSET,
    function: str | Unset = UNSET,
    state: str | Unset = UNSET,
    kept: str | Unset = UNSET,
    status: str | Unset = UNSET,
    cause: str | Unset = UNSET,
    caller: str | Unset = UNSET,
    min_duration_ms: int | Unset = UNSET,
    cold: bool | Unset = UNSET,
    since: datetime.datetime | Unset = UNSET,
    until: datetime.datetime | Unset = UNSET,
    trace: str | Unset = UNSET,
    call: str | Unset = UNSET,
) -> Response[CallRecordList | Problem]:
    """List calls on record

     Sync calls and attempts of asynchronous ones that are over: all that failed, waited for an instance
    or took long, and a share of the rest, for as long as sidecars have room. Every connected sidecar is
    asked; `warnings` names those that could not be. All conditions given have to hold.

    Args:
        namespace (str):
        limit (int | Unset):
        page_token (str | Unset):
        function (str | Unset):
        state (str | Unset):
        kept (str | Unset):
        status (str | Unset):
        cause (str | Unset):
        caller (str | Unset):
        min_duration_ms (int | Unset):
        cold (bool | Unset):
        since (datetime.datetime | Unset):
        until (datetime.datetime | Unset):
        trace (str | Unset):
        call (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[CallRecordList | Problem]
    """

    kwargs = _get_kwargs(
        namespace=namespace,
        limit=limit,
        page_token=page_token,
        function=function,
        state=state,
        kept=kept,
        status=status,
        cause=cause,
        caller=caller,
        min_duration_ms=min_duration_ms,
        cold=cold,
        since=since,
        until=until,
        trace=trace,
        call=call,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    namespace: str,
    *,
    client: AuthenticatedClient | Client,
    limit: int | Unset = UNSET,
    page_token: str | Unset = UNSET,
    function: str | Unset = UNSET,
    state: str | Unset = UNSET,
    kept: str | Unset = UNSET,
    status: str | Unset = UNSET,
    cause: str | Unset = UNSET,
    caller: str | Unset = UNSET,
    min_duration_ms: int | Unset = UNSET,
    cold: bool | Unset = UNSET,
    since: datetime.datetime | Unset = UNSET,
    until: datetime.datetime | Unset = UNSET,
    trace: str | Unset = UNSET,
    call: str | Unset = UNSET,
) -> CallRecordList | Problem | None:
    """List calls on record

     Sync calls and attempts of asynchronous ones that are over: all that failed, waited for an instance
    or took long, and a share of the rest, for as long as sidecars have room. Every connected sidecar is
    asked; `warnings` names those that could not be. All conditions given have to hold.

    Args:
        namespace (str):
        limit (int | Unset):
        page_token (str | Unset):
        function (str | Unset):
        state (str | Unset):
        kept (str | Unset):
        status (str | Unset):
        cause (str | Unset):
        caller (str | Unset):
        min_duration_ms (int | Unset):
        cold (bool | Unset):
        since (datetime.datetime | Unset):
        until (datetime.datetime | Unset):
        trace (str | Unset):
        call (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        CallRecordList | Problem
    """

    return (
        await asyncio_detailed(
            namespace=namespace,
            client=client,
            limit=limit,
            page_token=page_token,
            function=function,
            state=state,
            kept=kept,
            status=status,
            cause=cause,
            caller=caller,
            min_duration_ms=min_duration_ms,
            cold=cold,
            since=since,
            until=until,
            trace=trace,
            call=call,
        )
    ).parsed
