"""GET says hello, POST gives the body back as it comes. What is printed becomes the function's log."""

from urllib.parse import parse_qs, urlsplit

from componentize_py_types import Err, Ok
from wit_world import exports
from wit_world.imports.streams import StreamError_Closed
from wit_world.imports.types import (
    Fields, IncomingRequest, Method_Get, Method_Post, OutgoingBody, OutgoingResponse, ResponseOutparam,
)


class IncomingHandler(exports.IncomingHandler):
    def handle(self, request: IncomingRequest, response_out: ResponseOutparam) -> None:
        match request.method():
            case Method_Get():
                query = parse_qs(urlsplit(request.path_with_query() or "").query)
                name = query.get("name", ["world"])[0]
                body = begin(response_out, 200, "text/plain")
                with body.write() as output:
                    output.blocking_write_and_flush(f"Hello, {name}, from Python!\n".encode())
            case Method_Post():
                body = begin(response_out, 200, "application/octet-stream")
                incoming = request.consume()
                with incoming.stream() as source, body.write() as output:
                    copy(source, output)
            case _:
                body = begin(response_out, 405, "text/plain")
        OutgoingBody.finish(body, None)


def begin(response_out: ResponseOutparam, status: int, content_type: str) -> OutgoingBody:
    """Sends the response's head; the body can be written while the caller reads it."""
    response = OutgoingResponse(Fields.from_list([("content-type", content_type.encode())]))
    response.set_status_code(status)
    body = response.body()
    ResponseOutparam.set(response_out, Ok(response))
    return body


def copy(source, output) -> None:
    while True:
        try:
            output.blocking_splice(source, 64 * 1024)
        except Err as error:
            if isinstance(error.value, StreamError_Closed):
                return output.blocking_flush()
            raise
