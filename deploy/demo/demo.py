#!/usr/bin/env python3
"""`make demo`: what Gateless does, shown with real processes, and checked.

One server and three sidecars on loopback run the functions of examples/. Every step states what must
happen and prints what did; the first that goes otherwise ends the demo with exit code 1. Standard
library only. GATELESS_BIN names the binary; the checksum example is looked for beside it.
"""

import hashlib
import os
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cluster import ROOT, call, connect, expect, run, wait_until

BINARY = Path(os.environ.get("GATELESS_BIN", ROOT / "target/demo/gateless")).resolve()
EXAMPLES = ROOT / "examples"
PAYLOAD = os.urandom(256 * 1024)
# Of one function, for another to look for.
PASSWORD = os.urandom(16).hex()
FORKS = 2000
DIGEST = hashlib.sha256(PAYLOAD).hexdigest()
step_number = 0


def step(title):
    global step_number
    step_number += 1
    print(f"\n{step_number}. {title}", flush=True)


def say(text):
    print(f"   {text}", flush=True)


def steps(cluster):
    callbacks = cluster.callbacks
    gather(cluster)
    deploy_examples(cluster)
    deploy_component(cluster)
    first, second, third = cluster.sidecars
    cold_call(cluster, first)
    warm_calls(first)
    other_languages(first)
    component_calls(first)
    burst(cluster)
    async_with_retries(first, second, callbacks)
    dead_letter(cluster, first)
    hostile(cluster, first)

    at_zero(cluster, "checksum", "slow")
    step("The server is killed (SIGKILL). Nothing on a call's way needed it")
    cluster.server.kill()
    checksum(second, "cold, through another sidecar", cold=True)
    checksum(second, "warm")
    async_with_retries(second, third, callbacks, again=True)

    step("A sidecar is killed too. The others go on")
    first.kill()
    say(f"{first.name} is gone; every call now goes through the other two")
    checksum(second, "through sidecar-2")
    checksum(third, "through sidecar-3")
    answer = call(third, "/function/slow.default/?ms=1")
    expect(answer.status == 200, f"slow answered {answer.status}: {answer.body[:500]}")
    say(f"slow, scaled to zero before: {answer.millis:.1f} ms, cold: {answer.cold}")

    step("The killed sidecar comes back on its own data folder, without a server")
    first.start()
    checksum(first, "through it")

    step("Everything ends")
    bad = cluster.end()
    expect(not bad, f"did not end as it should: {', '.join(bad)}")
    say("every process that was started has ended, none had to be killed")
    callbacks.server.shutdown()
    print(f"\nAll {step_number} steps went as they must.")


def gather(cluster):
    step("One server, three sidecars, one machine")
    if BINARY.parent.name == "demo":
        say("built to be compiled quickly; what is shipped (make dist) is several times faster than the numbers below")
    for part in cluster.parts:
        say(f"{part.name:10} pid {part.process.pid}, {part.ready.get('api') or part.ready['public']}")

    def connected():
        return sum(s["connected"] for s in cluster.gateless("sidecars")["items"]) == 3

    wait_until(connected, "three sidecars are connected to the server")


def deploy_examples(cluster):
    step("Deploy the examples: Rust, Python, Node and a shell script")
    extra = {
        "checksum-rust": ["--bundle", BINARY.parent / "checksum"],
        "flaky-python": ["-e", f"FLAKY_DIR={cluster.shared}", "-e", f"PASSWORD={PASSWORD}"],
    }
    for name in ("checksum-rust", "thumbnail-python", "pipeline-node", "slow-node", "flaky-python", "shell-anything"):
        start = time.perf_counter()
        function = cluster.gateless("deploy", EXAMPLES / name, *extra.get(name, []))
        took = time.perf_counter() - start
        say(f"{function['status']['latest_ready_revision']:22} ready in {took * 1000:.0f} ms, {function['status']['url_path']}")


def deploy_component(cluster):
    step("Build and deploy a wasm component: no process, no port, it runs inside the sidecars")
    start = time.perf_counter()
    function = cluster.gateless("deploy", EXAMPLES / "hello-wasm-rust", "--set", "scaling.initial_scale=0")
    took = time.perf_counter() - start
    say(f"{function['name']} built, judged and deployed in {took:.1f} s; nothing of it runs yet")


def component_calls(sidecar):
    step("Call the component: cold from disk, then warm")
    connection = connect(sidecar)
    first = call(sidecar, "/function/hello-wasm-rust.default/", connection=connection)
    expect(first.status == 200, f"the component answered {first.status}: {first.body[:500]}")
    expect(first.cold, "nothing ran, and the call was not cold")
    warm = [call(sidecar, "/function/hello-wasm-rust.default/", connection=connection) for _ in range(100)]
    expect(all(answer.status == 200 and not answer.cold for answer in warm), "a warm call went wrong")
    median = statistics.median(answer.millis for answer in warm)
    say(f"{first.body.decode().strip()!r}: cold {first.millis:.2f} ms, warm {median:.2f} ms (median of 100)")


def at_zero(cluster, *functions):
    """Waits until nothing of them runs, and says how long that took."""
    start = time.monotonic()
    for function in functions:
        wait_until(lambda: not cluster.instances(function), f"{function} is at zero instances", 90)
    say(f"{' and '.join(functions)} at zero instances after {time.monotonic() - start:.1f} s of waiting")


def checksum(sidecar, label, cold=None, connection=None):
    answer = call(sidecar, "/function/checksum.default/", PAYLOAD, connection=connection)
    expect(answer.status == 200, f"checksum answered {answer.status}: {answer.body[:500]}")
    expect(answer.json()["sha256"] == DIGEST, "checksum answered with a wrong digest")
    expect(cold is None or answer.cold == cold, f"cold start must be {cold}: {answer.headers}")
    if label:
        say(f"{label}: {answer.millis:.1f} ms   {answer.timing}")
    return answer


def cold_call(cluster, sidecar):
    step("A cold call: nothing runs, the sidecar holds the call, starts an instance, forwards")
    at_zero(cluster, "checksum")
    checksum(sidecar, "cold, 256 KiB", cold=True)


def warm_calls(sidecar):
    step("Warm calls: the same, with the instance there")
    connection = connect(sidecar)
    times = sorted(checksum(sidecar, None, cold=False, connection=connection).millis for _ in range(200))
    connection.close()
    say(f"200 calls, one after the other: median {statistics.median(times):.2f} ms, p99 {times[197]:.2f} ms")


def other_languages(sidecar):
    step("A function calls another through its own sidecar; an image; a shell script")
    trace = "00-" + "ab" * 16 + "-" + "cd" * 8 + "-01"
    answer = call(sidecar, "/function/pipeline.default/", PAYLOAD, {"traceparent": trace})
    expect(answer.status == 200, f"pipeline answered {answer.status}: {answer.body[:500]}")
    body = answer.json()
    expect(body["sha256"] == DIGEST, "pipeline answered with a wrong digest")
    expect(trace[3:35] in (body["traceparent"] or ""), f"the trace did not travel: {body['traceparent']}")
    say(f"pipeline (Node) -> {body['from']} (Rust): {answer.millis:.1f} ms, of which {body['took_ms']} ms inside")
    image = b"P6 320 200 255\n" + bytes(x * y & 255 for y in range(200) for x in range(320) for _ in "rgb")
    answer = call(sidecar, "/function/thumbnail.default/?width=64", image)
    expect(answer.status == 200, f"thumbnail answered {answer.status}: {answer.body[:500]}")
    expect(answer.headers["x-image-size"] == "64x40", "the thumbnail has a wrong size")
    say(f"thumbnail (Python): {len(image)} bytes in, {len(answer.body)} bytes PNG out, {answer.millis:.0f} ms")
    answer = call(sidecar, "/function/shell-anything.default/facts.json")
    expect(answer.status == 200, f"shell-anything answered {answer.status}: {answer.body[:500]}")
    say(f"shell-anything: {answer.body.decode().strip()}")


def burst(cluster):
    step("A burst: 60 calls of 2 s at once over three entrances; 4 at a time per instance")
    at_zero(cluster, "slow")

    def one(number):
        return call(cluster.sidecars[number % 3], "/function/slow.default/?ms=2000")

    with ThreadPoolExecutor(60) as pool:
        start = time.perf_counter()
        pending = [pool.submit(one, number) for number in range(60)]
        most = {}
        while not all(future.done() for future in pending):
            running = cluster.instances("slow")
            if len(running) > len(most):
                most = {instance["id"]: instance["sidecar"] for instance in running}
            time.sleep(0.05)
        took = time.perf_counter() - start
    answers = [future.result() for future in pending]
    wrong = [answer for answer in answers if answer.status != 200]
    expect(not wrong, f"{len(wrong)} of 60 calls failed, one with {wrong[0].body[:500] if wrong else ''}")
    expect(len(most) > 1, "it did not scale up")
    hosts = len(set(most.values()))
    say(f"60 of 60 answered in {took:.1f} s by up to {len(most)} instances on {hosts} sidecar(s), from zero")
    say("one instance alone would have needed 30 s")
    at_zero(cluster, "slow")


def hostile(cluster, sidecar):
    step("A hostile function looks for another's secret and the sidecar's data, and forks without end")
    isolated = [c for s in cluster.gateless("sidecars")["items"] for c in s["conditions"] if c["type"] == "Isolated"]
    if lacking := {c["message"] for c in isolated if c["status"] != "true"}:
        say(f"not tried, as it would get somewhere: {'; '.join(lacking)} (gateless doctor says what to do)")
        return
    cluster.gateless("deploy", ROOT / "deploy" / "demo" / "hostile")

    def attempt(path):
        answer = call(sidecar, f"/function/hostile.default{path}")
        expect(answer.status == 200, f"hostile answered {answer.status}: {answer.body[:500]}")
        return answer.json()

    # So that there is a process with the secret to be found.
    expect(call(sidecar, "/function/flaky.default/", b"x", {"x-call-id": "awake"}).status, "flaky does not answer")
    secret = attempt("/secret?of=PASSWORD")
    expect(not secret["found"], "it read another function's secret")
    say(f"another's secret in /proc: not in the {secret['processes']} other process(es) it sees")
    for file in ("server/identity/authority.json", "join-token", "sidecar-1/node-id", "sidecar-2/node-id", "sidecar-3/node-id"):
        expect((cluster.folder / file).exists(), f"{file} is not there to be read")
        found = attempt(f"/read?path={cluster.folder / file}")
        expect(found["found"] is None, f"it reads {file}: {found}")
    say(f"the authority's key, the join token, the sidecars' data: {found['error']}")
    forks = attempt(f"/fork?most={FORKS}")
    expect(forks["refused"], f"it forked {forks['forks']} times and was not stopped")
    say(f"forks: refused after {forks['forks']} ({forks['refused']})")
    checksum(sidecar, "others answer as before")


def finished(sidecar, accepted):
    """The call as `sidecar` tells it, once it is finished."""
    call_id, shown = accepted["id"], {"x-call-token": accepted["token"]}

    def look():
        status = call(sidecar, f"/_gateless/calls/{call_id}", headers=shown).json()
        return status if status["state"] in ("succeeded", "dead", "cancelled") else None

    return wait_until(look, f"call {call_id} is finished", 90)


def async_with_retries(sidecar, other, callbacks, again=False):
    if not again:
        step("An async call that fails twice, is retried, succeeds, and is called back")
    headers = {"x-callback-url": callbacks.url}
    accepted = call(sidecar, "/async-function/flaky.default/", b"an order", headers)
    expect(accepted.status == 202, f"async call answered {accepted.status}: {accepted.body[:500]}")
    call_id = accepted.json()["id"]
    say(f"202 after {accepted.millis:.1f} ms, on disk, id {call_id}")
    status = finished(other, accepted.json())
    expect(status["state"] == "succeeded", f"the call is {status}")
    tries = [attempt["status"] for attempt in status["attempts"]]
    expect(tries == [503, 500, 200], f"attempts must be 503, 500, 200 and were {tries}")
    say(f"attempts {', '.join(map(str, tries))}; status read at {other.name}, not where it was queued")
    headers, body = wait_until(lambda: callbacks.of(call_id), "the callback arrives")
    expect(headers["x-function-status"] == "200", f"callback with {headers}")
    say(f"called back with status {headers['x-function-status']}: {body.decode().strip()}")


def dead_letter(cluster, sidecar):
    step("A call that keeps failing ends as a dead letter, and is replayed once its cause is gone")
    accepted = call(sidecar, "/async-function/flaky.default/?fail=always", b"a bad order")
    expect(accepted.status == 202, f"async call answered {accepted.status}: {accepted.body[:500]}")
    call_id = accepted.json()["id"]
    status = finished(sidecar, accepted.json())
    expect(status["state"] == "dead", f"the call must be dead and is {status}")
    letters = cluster.gateless("dlq", "ls", "flaky")["items"]
    expect([letter["id"] for letter in letters] == [call_id], f"the dead letters are {letters}")
    say(f"dead after {len(status['attempts'])} attempts, listed by `gateless dlq ls flaky`")
    call(sidecar, "/function/flaky.default/heal", b"")
    cluster.gateless("dlq", "replay", "flaky")
    status = finished(sidecar, accepted.json())
    expect(status["state"] == "succeeded", f"the replayed call is {status}")
    say("cause removed, `gateless dlq replay flaky`: succeeded")


if __name__ == "__main__":
    if not os.access(BINARY, os.X_OK) or not os.access(BINARY.parent / "checksum", os.X_OK):
        raise SystemExit(f"{BINARY} or checksum beside it is missing: make build")
    raise SystemExit(run(steps, BINARY))
