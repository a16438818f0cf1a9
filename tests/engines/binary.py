"""From cargo's messages on stdin: where the binary with the sidecar's unit tests is."""

import json
import sys

for line in sys.stdin:
    message = json.loads(line)
    if message.get("executable") and message["target"]["name"] == "gateless_sidecar" and message["profile"]["test"]:
        print(message["executable"])
