"""Deploys a function, calls it, queues a call and awaits its answer. README shows this file; the smoke test runs it."""

import os

from gateless import Gateless, GatelessError
from gateless.generated.api.functions import delete_function

url = os.environ.get("GATELESS_SERVER", "http://127.0.0.1:7780")

with Gateless(url, token=os.environ["GATELESS_TOKEN"]) as gateless:
    server = "exec python3 -m http.server --bind 127.0.0.1 $PORT"
    gateless.apply("site", {"kind": "process", "process": {"command": ["sh", "-c", server]}})
    gateless.wait_ready("site")

    answer = gateless.invoke("site", deadline=30)
    print("invoked:", answer.status_code)

    call = gateless.invoke_async("site")
    print("queued:", call.result(timeout=30).status_code)

    try:
        gateless.invoke("nobody")
    except GatelessError as error:
        print("refused:", error.status, error.code)

    # Every other operation is a generated function.
    delete_function.sync_detailed("default", "site", client=gateless.client)
