#!/bin/sh
# The gateway's units as systemd sees them: well formed, and hardened to an exposure
# of 2.0 at most.
set -eu
build=${KW_BUILDDIR:-.}
src=${KW_SRCDIR:-.}

if ! command -v systemd-analyze > /dev/null; then
  echo "systemd-analyze is not here: the units were not looked at"
  exit 77
fi

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
# As installed, but for a program and a manual that are not there yet.
sed -e 's|^ExecStart=[^ ]*|ExecStart=/bin/true|' -e '/^Documentation=/d' \
  "$build/gateway/systemd/keywheel.service" > "$tmp/keywheel.service"
sed '/^Documentation=/d' "$src/gateway/systemd/keywheel.socket" > "$tmp/keywheel.socket"
grep -q '^ExecStart=/.*/keywheel serve ' "$build/gateway/systemd/keywheel.service"

if ! systemd-analyze verify "$tmp/keywheel.service" "$tmp/keywheel.socket" > "$tmp/said" 2>&1 \
   || [ -s "$tmp/said" ]; then
  cat "$tmp/said"
  exit 1
fi
systemd-analyze security --offline=true --threshold=20 --no-pager "$tmp/keywheel.service" \
  > "$tmp/said" 2>&1 || { cat "$tmp/said"; exit 1; }
tail -n 1 "$tmp/said"
