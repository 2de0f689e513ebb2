# keywheel serve beside the gateway of Portkey, as its package has it, to the same
# server on the same core, by turns.  run.sh reads this, behind gateway.sh.
# shellcheck shell=sh

: "${src:?run.sh reads this}" "${bench:?}" "${tmp:?}" "${rounds:?}"

# 0, or 1: it says why not.  The packages are those of package-lock.json.
portkey_install ()
{
  for tool in node npm; do
    command -v $tool > /dev/null || {
      say "(not measured: $tool is not here)"
      return 1
    }
  done
  mkdir "$tmp/portkey"
  cp "$src/bench/portkey/package.json" "$src/bench/portkey/package-lock.json" \
    "$src/bench/portkey/.npmrc" "$tmp/portkey"
  # No scripts: no package is to run anything of its own here.
  (cd "$tmp/portkey" && npm ci --ignore-scripts --prefer-offline) > "$tmp/npm.out" 2>&1 || {
    say "(not measured: npm could not install it; is its registry in reach?)"
    return 1
  }
}

start_portkey ()
{
  portkey_port=$("$bench/port")
  (on 0 env NODE_ENV=production node \
    "$tmp/portkey/node_modules/@portkey-ai/gateway/build/start-server.js" \
    "--port=$portkey_port" --headless > "$tmp/portkey.out" 2>&1) &
  portkey_pid=$!
  "$bench/port" "$portkey_port" "$portkey_pid" || die "Portkey's gateway does not start"
}

# portkey_round PORT PID REQUESTS SIDE FIELD...: a line more in $tmp/portkey.SIDE, with the
# processor time of a request and the resident memory behind what bench/gateway says.
portkey_round ()
{
  round_port=$1 round_pid=$2 round_n=$3 round_side=$4
  shift 4
  before=$(ticks "$round_pid")
  load "$round_port" "$path" 64 "$round_n" "$tmp/portkey.line" "$@"
  echo "$(tail -n 1 "$tmp/portkey.line") $before $(ticks "$round_pid") $(resident_mb "$round_pid")" \
    | awk -v n="$round_n" -v hz="$(getconf CLK_TCK)" \
      '{ printf "%s %s %s %.2f %s\n", $1, $2, $3, ($5 - $4) * 1e6 / hz / n, $6 }' \
      >> "$tmp/portkey.$round_side"
}

portkey ()
{
  say
  say "### The gateway beside Portkey's, the same core by turns"
  say
  portkey_install || return 0
  start_portkey
  start_gateway
  path=/v1/chat/completions
  few=$((rounds / 2))
  [ "$few" -ge 3 ] || few=3
  provider="x-portkey-provider: openai"
  host="x-portkey-custom-host: http://127.0.0.1:${port:?}/openai/v1"
  load "$portkey_port" "$path" 64 3000 "$tmp/warm" "$provider" "$host"
  load "${gateway_port:?}" "$path" 64 3000 "$tmp/warm"
  i=0
  while [ "$i" -lt "$few" ]; do
    portkey_round "$portkey_port" "$portkey_pid" 2000 portkey "$provider" "$host"
    portkey_round "$gateway_port" "$gateway_pid" 20000 keywheel
    i=$((i + 1))
  done
  say "| what | Portkey | keywheel | unit | ratio | single rounds | wanted |"
  say "|---|---|---|---|---|---|---|"
  set -- "$tmp/portkey.portkey" "$tmp/portkey.keywheel"
  compare "64 connections, answers of 600 bytes" "requests/s" 1 ">=" 25 "$@"
  compare "    processor time of it" "us each" 4 "" "" "$@"
  compare "the same: half of them within" "us" 2 "" "" "$@"
  compare "the same: 99 % of them within" "us" 3 "" "" "$@"
  compare "resident memory then" "MB" 5 "<=" 0.1 "$@"
  say
  say "@portkey-ai/gateway $(sed -n 's/^  "version": "\(.*\)",$/\1/p' "$tmp/portkey/node_modules/@portkey-ai/gateway/package.json"), node $(node --version)."
  kill "$portkey_pid"
  wait "$portkey_pid" 2> /dev/null || :
  portkey_pid=
  kill "$gateway_pid"
  wait "$gateway_pid" 2> /dev/null || :
  gateway_pid=
}
