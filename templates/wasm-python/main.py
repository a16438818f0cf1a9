"""{{name}}: answers every call. A component that handles HTTP requests, run inside the sidecar.

What is printed is in `gateless logs {{name}}`.
"""

from componentize_py_types import Err, Ok
from wit_world import exports
from wit_world.imports.streams import StreamError_Closed
from wit_world.imports.types import Fields, OutgoingBody, OutgoingResponse, ResponseOutparam


class IncomingHandler(exports.IncomingHandler):
    def handle(self, request, response_out):
        body = read(request)
        text = f"hello from {{name}}: {method(request)} {request.path_with_query()}, {len(body)} bytes\n"
        headers = Fields.from_list([("content-type", b"text/plain; charset=utf-8")])
        response = OutgoingResponse(headers)
        outgoing = response.body()
        ResponseOutparam.set(response_out, Ok(response))
        with outgoing.write() as stream:
            stream.blocking_write_and_flush(text.encode())
        OutgoingBody.finish(outgoing, None)


def read(request):
    parts = []
    with request.consume() as body, body.stream() as stream:
        while True:
            try:
                parts.append(stream.blocking_read(64 * 1024))
            except Err as error:
                if isinstance(error.value, StreamError_Closed):
                    return b"".join(parts)
                raise


def method(request):
    """GET of Method_Get(), or the value of Method_Other."""
    given = request.method()
    return getattr(given, "value", None) or type(given).__name__.removeprefix("Method_").upper()
