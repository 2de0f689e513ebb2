# What it costs that the gateway's loops have keys, bounds and figures in common:
# keywheel serve with one loop and with two, which use both processors, by turns.
# run.sh reads this, behind gateway.sh.
# shellcheck shell=sh

: "${build:?run.sh reads this}" "${bench:?}" "${tmp:?}" "${rounds:?}"

# start_loops N: on $loops_port, as $loops_pid.
start_loops ()
{
  gateway_ini "${port:?}"
  printf '[gateway]\nloops = %s\n' "$1" >> "$tmp/gateway.ini"
  loops_port=$("$bench/port")
  (LD_LIBRARY_PATH=$build/.libs exec "$build/.libs/keywheel" serve -c "$tmp/gateway.ini" \
    --listen "127.0.0.1:$loops_port" > "$tmp/gateway.out" 2>&1) &
  loops_pid=$!
  "$bench/port" "$loops_port" "$loops_pid" || die "keywheel serve does not start"
}

loops ()
{
  start_loops 1
  one_port=$loops_port
  proxy_pid=$loops_pid
  start_loops 2
  two_port=$loops_port
  gateway_pid=$loops_pid
  begin_many "$one_port" "$two_port"
  i=0
  while [ "$i" -lt "$rounds" ]; do
    many "$one_port" "$proxy_pid" loop
    many "$two_port" "$gateway_pid" loops
    i=$((i + 1))
  done
  say
  say "### One loop of the gateway and two"
  say
  say "| what | one loop | two loops | unit | ratio | single rounds | wanted |"
  say "|---|---|---|---|---|---|---|"
  compare "64 connections, answers of 600 bytes" "requests/s" 1 "" "" "$tmp/many.loop" "$tmp/many.loops"
  compare "    processor time of it" "us each" 1 "" "" "$tmp/cpu.loop" "$tmp/cpu.loops"
  compare "the same: half of them within" "us" 2 "" "" "$tmp/many.loop" "$tmp/many.loops"
  compare "the same: 99 % of them within" "us" 3 "" "" "$tmp/many.loop" "$tmp/many.loops"
  say
  say "Both have the machine's $(getconf _NPROCESSORS_ONLN) processors, which the clients and the provider use, too."
  stop_both
}
