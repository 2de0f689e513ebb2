#!/bin/sh
# demo.sh [BUILD-FOLDER] - the wheel turning, in under a minute.
#
# Starts keywheel-sim with three keys of three organizations, each with a daily
# allowance of one chat, in a world where a day takes 20 seconds; then runs
# real "keywheel chat -v" calls against it.  Everything stays on this machine.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "${1:-$here/../../build}" && pwd)
day=20
tmp=$(mktemp -d)
sim=

stop ()
{
  # shellcheck disable=SC2317  # the trap calls it
  if [ -n "$sim" ]; then
    kill "$sim" 2>/dev/null || true
    wait "$sim" 2>/dev/null || true
  fi
  # shellcheck disable=SC2317
  rm -rf "$tmp"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

if [ -t 1 ]; then
  bold=$(printf '\033[1m')
  plain=$(printf '\033[0m')
else
  bold=
  plain=
fi

step ()
{
  printf '\n%s%s%s\n' "$bold" "$*" "$plain"
}

# chat WANTED PROMPT: shows the command, runs it, and says how it ended.
chat ()
{
  wanted=$1
  shift
  printf '$ keywheel chat -v "%s"\n' "$*"
  rc=0
  "$build/run" keywheel chat -c "$tmp/keywheel.ini" -v "$*" 2>&1 || rc=$?
  printf '(exit code %s)\n' "$rc"
  if [ "$rc" -ne "$wanted" ]; then
    echo "demo: exit code $wanted was expected; the simulator saw:" >&2
    cat "$tmp/requests" >&2
    exit 1
  fi
}

# What is learnt here is about no real key: not into the user's own state.
XDG_STATE_HOME=$tmp/state
export XDG_STATE_HOME

# The three keys are in the environment, as a real program's would be.
DEMO_KEY_1=sk-demo-1 DEMO_KEY_2=sk-demo-2 DEMO_KEY_3=sk-demo-3
export DEMO_KEY_1 DEMO_KEY_2 DEMO_KEY_3
# Nor does a proxy stand between two programs of one machine.
no_proxy=127.0.0.1
NO_PROXY=$no_proxy
export no_proxy NO_PROXY

step "A simulated provider: three keys, each good for one chat a day; a day takes $day seconds."
"$build/run" keywheel-sim --port 0 --port-file "$tmp/port" --log "$tmp/requests" \
  --time-scale $((86400 / day)) --reply-tokens 900 \
  --key sk-demo-1,name=primary,org=org_a,tpd=1000 \
  --key sk-demo-2,name=team-b,org=org_b,tpd=1000 \
  --key sk-demo-3,name=team-c,org=org_c,tpd=1000 \
  --fault status=503,key=primary,count=2 \
  --fault status=429,retry-after=1,key=team-b,count=1 > "$tmp/sim" 2>&1 &
sim=$!

# It writes its port when it listens; 10 seconds are for a very slow machine.
tries=100
while [ ! -s "$tmp/port" ]; do
  tries=$((tries - 1))
  if [ "$tries" -eq 0 ] || ! kill -0 "$sim" 2>/dev/null; then
    echo "demo: keywheel-sim did not start:" >&2
    cat "$tmp/sim" >&2
    exit 1
  fi
  sleep 0.1
done
sed "s|@BASE_URL@|http://127.0.0.1:$(cat "$tmp/port")/v1|" \
  "$here/keywheel.ini.in" > "$tmp/keywheel.ini"
echo "keywheel-sim listens on 127.0.0.1:$(cat "$tmp/port")."

step "1. The provider stumbles twice (503): keywheel backs off and stays on the key."
chat 0 "Why is the sky blue?"

step "2. primary's day is used up: keywheel switches to team-b, whose minute is full (429): it waits as told."
chat 0 "And the sea?"

step "3. Two allowances are gone: primary is not even asked, team-b says so, and team-c serves."
chat 0 "And the wheel?"

step "4. All three are gone: an error (exit code 4) that says when the first comes back."
chat 4 "Anyone there?"

step "5. A simulated day later primary is back, and the wheel begins again."
echo "(waiting $day seconds: a day)"
sleep "$day"
chat 0 "Good morning?"

step "What the simulator saw: one line a request."
sed -n 's/.*"key":"\([^"]*\)".*"verdict":"\([^"]*\)".*/   \1: \2/p' "$tmp/requests"

cat <<'END'

Each "keywheel chat" above is a process of its own, and knows which keys the ones
before it found exhausted: they share a state, in a file (see state in
man/keywheel.ini.5).  "keywheel status --watch" shows it, live.

Next: put a real key into GROQ_API_KEY, a few more, separated by commas, into
GROQ_API_KEY_BACKUP, and try:  build/run keywheel chat -v "hi"
END
