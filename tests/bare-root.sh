#!/usr/bin/env bash
# Runs the README's two commands in a bare Debian: a fresh debootstrap with the
# Rust toolchain, gcc, Python 3 and Node in it, and nothing else.
set -euo pipefail

usage() {
    cat <<'TEXT'
Usage: tests/bare-root.sh [--worktree] [--keep] [DIR]

Makes a bare Debian in DIR (a new temporary folder if none is given), clones
this repository into it, and there
  1. runs `cargo xtask run` until the appliance is ready, and stops it;
  2. runs `cargo xtask test`;
  3. runs `cargo xtask run` once more, with no network but loopback: what is
     there is not downloaded again.
Takes root, debootstrap, git, and ports 1883 and 8080 free for step 1.

  --worktree   copy the files as they are here, committed or not, not a clone
  --keep       keep DIR at the end, and take a base system that is in it already

The network is this machine's, and so are name resolution, certificates, and
the settings of apt, pip and Cargo: they are copied. Variables:
  SUITE     the Debian release (bookworm)
  MIRROR    where debootstrap fetches it from (its own default)
  PASS      names of more variables to pass on, separated by spaces
  COMMANDS  which of the steps to take ("run test rerun")
TEXT
}

worktree=false keep=false dir=
for word in "$@"; do
    case $word in
        --worktree) worktree=true ;;
        --keep) keep=true ;;
        -h | --help) usage; exit 0 ;;
        -*) usage >&2; exit 64 ;;
        *) dir=$word ;;
    esac
done
suite=${SUITE:-bookworm}
commands=${COMMANDS-run test rerun}
repo=$(cd "$(dirname "$0")/.." && pwd)

fail() {
    echo "error: $*" >&2
    exit 1
}
say() {
    printf '\n== %s\n' "$*"
}

[ "$(id -u)" = 0 ] || fail "this takes root"
for program in debootstrap git ip unshare chroot rustup; do
    command -v "$program" >/dev/null || fail "$program is missing; install it"
done

# Mounts and processes of the bare system live in namespaces of their own, and
# go with them: nothing is left mounted when the folder is removed.
if [ -z "${BARE_ROOT_INSIDE:-}" ]; then
    [ -n "$dir" ] || dir=$(mktemp -d /var/tmp/bare-root.XXXXXX)
    mkdir -p "$dir"
    dir=$(cd "$dir" && pwd)
    [ "$dir" != / ] || fail "the folder must not be the root"
    if ! $keep && [ -n "$(ls -A "$dir")" ]; then
        fail "$dir is not empty; empty it, or give --keep"
    fi
    code=0
    BARE_ROOT_INSIDE=1 unshare --mount --pid --fork --kill-child --propagation private \
        bash "$0" "$@" "$dir" || code=$?
    if $keep; then
        echo "kept: $dir"
    else
        rm -rf --one-file-system "$dir"
    fi
    exit "$code"
fi

in_bare() {
    chroot "$dir" /usr/bin/env -i "${environment[@]}" "$@"
}

# Copies a file or folder of this machine to its place in the bare system.
copy() {
    [ -e "$1" ] || return 0
    mkdir -p "$dir$(dirname "${2:-$1}")"
    cp -aLT "$1" "$dir${2:-$1}"
}

environment=(
    HOME=/root LANG=C.UTF-8 TERM=dumb CI=1 RUSTUP_AUTO_INSTALL=0
    PATH=/root/.cargo/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
)
pass="http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY
    SSL_CERT_FILE SSL_CERT_DIR CARGO_HTTP_CAINFO CARGO_HTTP_PROXY REQUESTS_CA_BUNDLE
    PIP_CERT PIP_INDEX_URL PIP_EXTRA_INDEX_URL PIP_TRUSTED_HOST PIP_PROXY PIP_DEFAULT_TIMEOUT
    ${PASS:-}"
for name in $pass; do
    [ -z "${!name:-}" ] || environment+=("$name=${!name}")
done

if [ ! -e "$dir/etc/debian_version" ]; then
    say "debootstrap $suite"
    # shellcheck disable=SC2086 # No mirror is no argument.
    debootstrap --variant=minbase --include=ca-certificates "$suite" "$dir" ${MIRROR:-}
fi

say "network settings, apt, pip, certificates"
copy /etc/resolv.conf
copy /etc/hosts
copy /etc/pip.conf
copy /etc/ssl/certs/ca-certificates.crt
copy /usr/local/share/ca-certificates
if grep -qs "VERSION_CODENAME=$suite" /etc/os-release; then
    for part in sources.list sources.list.d keyrings trusted.gpg.d auth.conf.d; do
        copy "/etc/apt/$part"
    done
    grep -ls '^Acquire::' /etc/apt/apt.conf.d/* | while read -r file; do copy "$file"; done
fi

mount -t proc proc "$dir/proc"
mount -t sysfs -o ro sys "$dir/sys"
mount --rbind /dev "$dir/dev"

say "gcc, Python 3 and Node"
in_bare apt-get update --quiet
in_bare DEBIAN_FRONTEND=noninteractive apt-get install --quiet --yes --no-install-recommends \
    gcc libc6-dev python3 nodejs

say "the Rust toolchain"
cargo_home=${CARGO_HOME:-$HOME/.cargo} rustup_home=${RUSTUP_HOME:-$HOME/.rustup}
toolchain=$(cd "$repo" && rustup show active-toolchain | cut -d' ' -f1)
mkdir -p "$dir/root/.cargo/bin" "$dir/root/.rustup/toolchains/$toolchain"
for program in rustup cargo rustc rustdoc rustfmt cargo-fmt cargo-clippy clippy-driver; do
    cp -a "$cargo_home/bin/$program" "$dir/root/.cargo/bin/"
done
for settings in config config.toml credentials.toml; do
    copy "$cargo_home/$settings" "/root/.cargo/$settings"
done
printf 'version = "12"\ndefault_toolchain = "%s"\n' "$toolchain" >"$dir/root/.rustup/settings.toml"
# All but the manuals, which are more than half of it.
tar -C "$rustup_home/toolchains/$toolchain/" --exclude ./share/doc -c . |
    tar -C "$dir/root/.rustup/toolchains/$toolchain" -x
in_bare cargo --version

say "the repository"
rm -rf "$dir/root/shoal"
if $worktree; then
    mkdir "$dir/root/shoal"
    git -C "$repo" ls-files -z --cached --others --exclude-standard |
        tar -C "$repo" --null --ignore-failed-read -T - -c |
        tar -C "$dir/root/shoal" --no-same-owner -x
else
    git clone --quiet --no-hardlinks "file://$repo" "$dir/root/shoal"
fi

cat >"$dir/root/run-until-ready" <<'PYTHON'
"""Runs `cargo xtask run` until the appliance is ready, and stops it."""

import signal
import socket
import subprocess
import sys
import time
import urllib.request

seconds = int(sys.argv[1])


def listens(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


if listens(8080):
    sys.exit("error: something listens on port 8080 already")
had_broker = listens(1883)
start = time.monotonic()
child = subprocess.Popen(["cargo", "xtask", "run"], cwd="/root/shoal")
while True:
    try:
        with urllib.request.urlopen("http://127.0.0.1:8080/readyz", timeout=5) as reply:
            text = reply.read().decode()
            break
    except OSError:
        pass
    if child.poll() is not None:
        sys.exit(f"error: cargo xtask run ended with {child.returncode} before it was ready")
    if time.monotonic() - start > seconds:
        child.send_signal(signal.SIGTERM)
        child.wait(60)
        sys.exit(f"error: not ready after {seconds} s")
    time.sleep(0.1)
print(f"ready after {time.monotonic() - start:.1f} s: {text}", flush=True)
child.send_signal(signal.SIGINT)
code = child.wait(60)
if code != 0:
    sys.exit(f"error: Ctrl-C ended cargo xtask run with {code}, not 0")
if listens(8080):
    sys.exit("error: the appliance still listens after it was stopped")
print(f"stopped; a broker was there before: {had_broker}, is there now: {listens(1883)}")
PYTHON

for command in $commands; do
    case $command in
        run)
            say "cargo xtask run, for the first time"
            in_bare python3 /root/run-until-ready 3600
            ;;
        test)
            say "cargo xtask test"
            in_bare sh -c 'cd /root/shoal && cargo xtask test'
            ;;
        rerun)
            say "cargo xtask run again, with no network"
            unshare --net sh -c 'ip link set lo up && exec "$@"' sh \
                chroot "$dir" /usr/bin/env -i "${environment[@]}" python3 /root/run-until-ready 60
            ;;
        *) fail "COMMANDS names an unknown step: $command" ;;
    esac
done
say "done in a bare $suite: $commands"
