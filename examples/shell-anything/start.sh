#!/bin/sh
# Example function: anything a shell can start that serves HTTP on $PORT is a function.
#
# The shell prepares what is to be served (here: a page with this host's facts), then becomes the
# server with `exec`, so that SIGTERM reaches it. Any web server would do; Python's is on every host.
set -eu
page=$(mktemp -d)
cd "$page"
{
    echo "<h1>${K_SERVICE:-shell-anything}</h1><pre>"
    echo "revision $(printf %s "${K_REVISION:-none}")"
    uname -srm
    date -u +%Y-%m-%dT%H:%M:%SZ
    echo "</pre>"
} >index.html
printf '{"revision":"%s","pid":%d}\n' "${K_REVISION:-none}" "$$" >facts.json
exec python3 -u -m http.server --bind 127.0.0.1 --protocol HTTP/1.1 "$PORT"
