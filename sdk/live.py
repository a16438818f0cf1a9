"""A live `gateless up` for tests: server and sidecar in one process, on free ports of this machine, with a folder of its own."""

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile

LISTENERS = ["listen", "grpc-listen", "function-listen", "local-listen", "peer-listen", "gossip-listen", "metrics-listen"]
STOP_SECONDS = 60


@contextlib.contextmanager
def gateless(binary, *arguments):
    """Yields its ready line: `api`, `public` and more, with an admin's `token`. Ends the process in any case."""
    with tempfile.TemporaryDirectory() as folder:
        command = [str(pathlib.Path(binary).resolve()), "up", "--data", folder, *arguments]
        for listener in LISTENERS:
            command += [f"--{listener}", "127.0.0.1:0"]
        # Its login file goes into the folder, too, and not over the developer's own.
        own = {name: value for name, value in os.environ.items() if not name.startswith("GATELESS_")}
        env = {**own, "HOME": folder, "XDG_CONFIG_HOME": folder, "GATELESS_LOG": "warn"}
        log_path = pathlib.Path(folder) / "log"
        with open(log_path, "wb") as log:
            process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=log)
        try:
            line = process.stdout.readline()
            if not line:
                sys.exit("gateless up did not start:\n" + log_path.read_text())
            ready = json.loads(line)
            token = pathlib.Path(ready["admin_token_file"]).read_text().strip()
            yield {**ready, "token": token}
            if process.poll() is not None:
                sys.exit("gateless up ended by itself:\n" + log_path.read_text())
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
