"""A function that tries to get at what is not its own, and says how far it got. For `make demo`.

/secret?of=NAME looks for a variable in every process's environment, /read?path=PATH reads a folder or file, /fork?most=N forks until it may not,
or N times. What it started it ends again.
"""

import json
import os
import signal
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit


def secret(of):
    """Every value of a variable that some other process has, and how many processes there are to see."""
    processes = [path for path in Path("/proc").iterdir() if path.name.isdigit() and int(path.name) != os.getpid()]
    found = []
    for process in processes:
        try:
            variables = (process / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        found += [variable.decode(errors="replace") for variable in variables if variable.startswith(f"{of}=".encode())]
    return {"processes": len(processes), "found": found}


def read(path):
    try:
        return {"found": os.listdir(path) if os.path.isdir(path) else len(Path(path).read_bytes())}
    except OSError as error:
        return {"found": None, "error": error.strerror}


def fork(most):
    children, refused = [], None
    try:
        while len(children) < int(most):
            child = os.fork()
            if child == 0:
                signal.pause()
                os._exit(0)
            children.append(child)
    except OSError as error:
        refused = error.strerror
    for child in children:
        os.kill(child, signal.SIGKILL)
    for child in children:
        os.waitpid(child, 0)
    return {"forks": len(children), "refused": refused}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        tries = {"/secret": secret, "/read": read, "/fork": fork}
        body = json.dumps(tries[url.path](**query)).encode() if url.path in tries else b"{}"
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


# One at a time, without threads: it forks.
server = HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler)
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
server.serve_forever()
