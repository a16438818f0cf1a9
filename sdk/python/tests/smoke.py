"""What the package promises, tried on a live server. Started by sdk/test.py, which says where that is."""

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor

from gateless import Gateless, GatelessError, RetryPolicy
from gateless.generated.api.dead_letters import list_dead_letters, replay_dead_letters
from gateless.generated.api.functions import delete_function, get_function, list_functions
from gateless.generated.api.instances import list_instances
from gateless.generated.models import ReplayRequest

ECHO = os.environ["SDK_ECHO"]
NAME = os.environ["SDK_FUNCTION"]
SPEC = {"kind": "process", "process": {"command": ["python3", ECHO]}, "async": {"max_attempts": 1},
        "limits": {"container_concurrency": 1}}


def failure(status, code, run, *arguments, **options):
    """The error of something that must fail."""
    try:
        run(*arguments, **options)
    except GatelessError as error:
        assert (error.status, error.code) == (status, code), error
        return error
    raise AssertionError(f"{code} expected")


def create(gateless):
    made = gateless.apply(NAME, SPEC, labels={"sdk": "python"})
    assert made.name == NAME
    listed = list_functions.sync("default", client=gateless.client, label="sdk=python")
    assert [item.name for item in listed.items] == [NAME]


def wait(gateless):
    gateless.wait_ready(NAME, 60)


def invoke(gateless):
    answer = gateless.invoke(NAME, path="/a?b=c", body="hello", deadline=30).json()
    assert (answer["method"], answer["path"], answer["body"]) == ("POST", "/a?b=c", "hello"), answer
    own = gateless.invoke(NAME, path="/status/404")
    assert own.status_code == 404, "a function's own 404 is its answer"


def queue(gateless):
    call = gateless.invoke_async(NAME, path="/later", body=b"x", idempotency_key=f"key-{NAME}")
    result = call.result(60)
    assert (result.status_code, result.json()["path"]) == (200, "/later")
    again = gateless.invoke_async(NAME, path="/later", body=b"x", idempotency_key=f"key-{NAME}")
    assert again.id == call.id, "the same key is the same call"
    assert gateless.call(call.id, call.token).status()["state"] == "succeeded"


def dead_letter(gateless):
    call = gateless.invoke_async(NAME, path="/fails-once/python", body=b"x")
    failure(0, "call_dead", call.result, 60)
    found = list_dead_letters.sync("default", NAME, client=gateless.client)
    assert [item.id for item in found.items] == [call.id]
    replayed = replay_dead_letters.sync("default", NAME, client=gateless.client, body=ReplayRequest())
    assert replayed.count == 1
    assert call.result(60).status_code == 200


def scale(gateless):
    with ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(gateless.invoke, NAME, path="/slow") for _ in range(4)]
        while ready(gateless) < 2:
            assert not all(call.done() for call in calls), "one instance took all calls, one after the other"
        assert {call.result().status_code for call in calls} == {200}


def ready(gateless):
    found = list_instances.sync("default", NAME, client=gateless.client)
    return sum(item.state == "ready" for item in found.items)


def deadline(gateless):
    error = failure(504, "deadline_exceeded", gateless.invoke, NAME, path="/slow", method="POST", deadline=0.3)
    assert error.hint


def not_found(gateless):
    error = failure(404, "function_not_found", get_function.sync, "default", "nobody", client=gateless.client)
    assert "nobody" in error.detail
    failure(404, "function_not_found", gateless.invoke, "nobody")


def changed_meanwhile(gateless):
    seen = get_function.sync("default", NAME, client=gateless.client)
    gateless.apply(NAME, SPEC, labels={"sdk": "python", "changed": "yes"}, version=seen.version)
    failure(412, "precondition_failed", gateless.apply, NAME, SPEC, version=seen.version)


def stream(gateless):
    marker = f"/marker-{time.time_ns()}"
    gateless.invoke(NAME, path=marker)
    lines = gateless.logs(NAME, follow=True, tail=10)
    assert any(marker in line["line"] for line in lines), "the stream ended"
    lines.close()


def unreachable(_):
    with Gateless("http://127.0.0.1:1", retry=RetryPolicy(attempts=2, base=0.001)) as nowhere:
        failure(0, "unreachable", nowhere.wait_ready, "x")


def events(gateless):
    stream = gateless.events(types=["hello", "function"])
    assert next(stream).type == "hello"
    gateless.apply(NAME, SPEC, labels={"event": "yes"})
    assert any(event.type == "function" and event.data["function"] == NAME for event in stream)
    stream.close()


def failover(_):
    # The first sidecar of the list is gone, the second refuses once: a POST without a key goes on to it, and no further.
    with faulty() as client:
        failure(503, "overflow", client.invoke, "flaky", path="/python/once", body="x")
        assert client.invoke("flaky", path="/python/once", body="x").json() == {"attempt": 2}


def retry(_):
    with faulty() as client:
        answer = client.invoke("flaky", path="/python/keyed", body="x", idempotency_key="k")
        assert answer.json() == {"attempt": 2}


def resume(_):
    with faulty() as client:
        seen = [next(stream) for stream in [client.events()] for _ in range(3)]
    assert [(event.id, event.data["number"]) for event in seen] == [("e-1", 1), ("e-2", 2), ("e-3", 3)]


def endless(_):
    with faulty(namespace="endless") as client:
        stream = client.events()
        assert next(stream).id == "e-1"
        failure(0, "bad_answer", next, stream)


def faulty(**options):
    return Gateless(os.environ["SDK_FAKE"], token="t", **options, retry=RetryPolicy(base=0.001))


def delete(gateless):
    delete_function.sync_detailed("default", NAME, client=gateless.client)


CHECKS = {
    "create": create, "wait": wait, "invoke": invoke, "dead letter": dead_letter, "async": queue, "scale": scale, "deadline": deadline, "404": not_found,
    "412": changed_meanwhile, "stream": stream, "unreachable": unreachable, "failover": failover,
    "retry": retry, "resume": resume, "endless": endless, "events": events, "delete": delete,
}

if not os.environ.get("SDK_EVENTS"):
    del CHECKS["events"]
with Gateless(os.environ["GATELESS_SERVER"], token=os.environ["GATELESS_TOKEN"]) as client:
    for check in CHECKS.values():
        check(client)
print(json.dumps({"sdk": "python", "checks": list(CHECKS)}))
