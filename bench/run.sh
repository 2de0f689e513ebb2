#!/bin/sh
# What keywheel costs beside bare libcurl: starts nginx on loopback, runs the
# benchmarks, prints their tables.  "make bench" calls it; by hand, for some of
# them only:
#
#   make bench BENCH='sequential stream'
#
# KW_BENCH_ROUNDS: how many rounds (at least 7 for figures to be believed).
set -eu

src=${KW_SRCDIR:?"run.sh is called by make bench"}
build=${KW_BUILDDIR:?"run.sh is called by make bench"}
rounds=${KW_BENCH_ROUNDS:-15}
bench=$build/bench

say ()
{
  printf '%s\n' "$*"
}

die ()
{
  printf 'make bench: %s\n' "$*" >&2
  exit 1
}

# nginx is often where only root has a path to it.
PATH=$PATH:/usr/sbin:/sbin
command -v nginx > /dev/null \
  || die "nginx is missing; it is the server that everything is measured against.
Debian, Ubuntu: apt-get install nginx-light; Fedora: dnf install nginx-core;
or ./setup.sh bench"

# ---- The servers -----------------------------------------------------------------

tmp=$(mktemp -d)
chmod 755 "$tmp"                # nginx's worker may be another user
nginx_pid=
serve_pid=
redis_pid=
proxy_pid=
gateway_pid=
portkey_pid=
feed_pid=
stop ()
{
  trap - EXIT INT TERM
  for one in $proxy_pid $gateway_pid $portkey_pid $feed_pid; do
    kill "$one" 2>/dev/null || :
    wait "$one" 2>/dev/null || :
  done
  if [ -n "$serve_pid" ]; then
    exec 7>&-
    wait "$serve_pid" 2>/dev/null || :
  fi
  for pid in $nginx_pid $redis_pid; do
    kill "$pid" 2>/dev/null || :
    wait "$pid" 2>/dev/null || :
  done
  rm -rf "$tmp"
}
trap stop EXIT
trap 'stop; exit 130' INT TERM

# Some 600 bytes, as a chat completion of one sentence is.
answer='{"id":"chatcmpl-0c9a8b7d-6e5f-4a3b-9c2d-1e0f9a8b7c6d","object":"chat.completion","created":1767225600,"model":"llama-3.3-70b-versatile","choices":[{"index":0,"message":{"role":"assistant","content":"A key wheel holds many keys and turns to the next one when one is used up, so that the door stays open for whoever comes."},"logprobs":null,"finish_reason":"stop"}],"usage":{"queue_time":0.02,"prompt_tokens":52,"prompt_time":0.003,"completion_tokens":29,"completion_time":0.1,"total_tokens":81,"total_time":0.103},"system_fingerprint":"fp_0123456789"}'

# start_nginx: on a free port of loopback, in the foreground of a job of ours.
start_nginx ()
{
  for try in 1 2 3 4 5; do
    port=$("$bench/port")
    cat > "$tmp/nginx.conf" <<END
daemon off;
worker_processes 1;
pid $tmp/nginx.pid;
error_log $tmp/error.log;
events { worker_connections 8192; }
http {
  access_log off;
  client_body_temp_path $tmp/body;
  proxy_temp_path $tmp/proxy;
  fastcgi_temp_path $tmp/fastcgi;
  uwsgi_temp_path $tmp/uwsgi;
  scgi_temp_path $tmp/scgi;
  keepalive_timeout 1h;
  keepalive_requests 1000000000;
  client_max_body_size 16m;
  server {
    listen 127.0.0.1:$port backlog=1024;
    location / {
      default_type application/json;
      return 200 '$answer';
    }
  }
}
END
    nginx -e "$tmp/error.log" -p "$tmp" -c "$tmp/nginx.conf" > "$tmp/nginx.out" 2>&1 &
    nginx_pid=$!
    if "$bench/port" "$port" "$nginx_pid"; then
      return 0
    fi
    kill "$nginx_pid" 2>/dev/null || :
    wait "$nginx_pid" 2>/dev/null || :
    nginx_pid=
    say "(nginx did not start on port $port, try $try)" >&2
  done
  cat "$tmp/nginx.out" "$tmp/error.log" >&2 || :
  die "nginx does not start"
}

# What both sides read: keywheel from its INI, the bare side in the environment.
KW_BENCH_KEY=gsk_bench0123456789abcdefghijklmnopqrstuvwxyz0123456789abcd
export KW_BENCH_KEY
unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY || :

# client_for BASE_URL: writes the INI that points keywheel there.
client_for ()
{
  cat > "$tmp/keywheel.ini" <<END
[keywheel]
provider = groq
plugin_dir = $build/plugins/.libs

[provider groq]
base_url = $1

[key groq/one]
env = KW_BENCH_KEY
END
}

# ---- Counting, by tools ------------------------------------------------------------
# The difference of two runs, so that what happens once does not count.

# row WHAT UNIT BARE KEYWHEEL WANTED: WANTED "" where no figure is asked for.
row ()
{
  awk -v what="$1" -v unit="$2" -v bare="$3" -v kw="$4" -v wanted="$5" 'BEGIN {
    ratio = bare > 0 ? kw / bare : 0
    verdict = wanted == "" ? "" : sprintf ("<= %.2f: %s", wanted, ratio <= wanted ? "holds" : "MISSED")
    printf "| %-44s | %10.1f | %10.1f | %-10s | %5.3f | %-12s | %-15s |\n", what, bare, kw, unit, ratio, "", verdict
  }'
}

header ()
{
  say
  say "### $1"
  say
  say "| what | bare libcurl | keywheel | unit | ratio | single rounds | wanted |"
  say "|---|---|---|---|---|---|---|"
}

# instructions SIDE N1 N2 PROGRAM ARG...: user space instructions a request.
# Leaves both profiles in $tmp/SIDE.1 and .2.
instructions ()
{
  ins_side=$1; ins_n1=$2; ins_n2=$3
  shift 3
  for ins_i in 1 2; do
    [ "$ins_i" = 1 ] && ins_n=$ins_n1 || ins_n=$ins_n2
    valgrind --tool=callgrind --callgrind-out-file="$tmp/$ins_side.$ins_i" \
      "$@" -o "$ins_side" -n "$ins_n" > "$tmp/valgrind.out" 2>&1 \
      || { cat "$tmp/valgrind.out" >&2; die "valgrind failed"; }
  done
  awk -v n=$((ins_n2 - ins_n1)) '/^(summary|totals):/ { v[FILENAME] = $2 }
    END { for (f in v) { if (lo == "" || v[f] < lo) lo = v[f]; if (v[f] > hi) hi = v[f] }
          printf "%.0f\n", (hi - lo) / n }' "$tmp/$ins_side.1" "$tmp/$ins_side.2"
}

# objects SIDE N: the same, by library, from the two profiles.
objects ()
{
  for obj_i in 1 2; do
    callgrind_annotate --threshold=100 --inclusive=no "$tmp/$1.$obj_i" > "$tmp/annotated.$obj_i"
  done
  awk -v n="$2" -f "$src/bench/objects.awk" "$tmp/annotated.1" "$tmp/annotated.2"
}

# calls SIDE N1 N2 PROGRAM ARG...: system calls a request.
calls ()
{
  call_side=$1; call_n1=$2; call_n2=$3
  shift 3
  for call_i in 1 2; do
    [ "$call_i" = 1 ] && call_n=$call_n1 || call_n=$call_n2
    strace -f -c -o "$tmp/strace.$call_i" "$@" -o "$call_side" -n "$call_n" \
      > "$tmp/strace.out" 2>&1 || { cat "$tmp/strace.out" >&2; return 1; }
  done
  awk -v n=$((call_n2 - call_n1)) '$NF == "total" { v[FILENAME] = $4 }
    END { for (f in v) { if (lo == "" || v[f] < lo) lo = v[f]; if (v[f] > hi) hi = v[f] }
          printf "%.2f\n", (hi - lo) / n }' "$tmp/strace.1" "$tmp/strace.2"
}

# ---- The benchmarks ----------------------------------------------------------------

sequential ()
{
  client_for "http://127.0.0.1:$port/openai/v1"
  set -- "$bench/sequential" -c "$tmp/keywheel.ini" \
    -u "http://127.0.0.1:$port/openai/v1/chat/completions"
  header "One thread, a request at a time, keep-alive"
  "$@" -r "$rounds"
  "$@" -r "$rounds" -n 300 -b 102400
  if command -v valgrind > /dev/null; then
    bare=$(instructions bare 100 600 "$@")
    kw=$(instructions keywheel 100 600 "$@")
    row "sequential: instructions (callgrind)" "/request" "$bare" "$kw" 1.10
    objects bare 500 > "$tmp/objects.bare"
    objects keywheel 500 > "$tmp/objects.keywheel"
    bare=$(instructions bare 100 300 "$@" -b 102400)
    kw=$(instructions keywheel 100 300 "$@" -b 102400)
    row "the same, body of 102400 bytes" "/request" "$bare" "$kw" ""
  else
    say "(no instructions are counted: valgrind is missing)"
  fi
  if command -v strace > /dev/null && strace -o /dev/null true 2>/dev/null; then
    row "sequential: system calls (strace)" "/request" \
      "$(calls bare 100 600 "$@")" "$(calls keywheel 100 600 "$@")" ""
  else
    say "(no system calls are counted: strace is missing or may not trace)"
  fi
  if [ -s "$tmp/objects.keywheel" ]; then
    say
    say "Where a request's instructions go, by library:"
    say
    say "bare libcurl:"
    sed 's/^/    /' "$tmp/objects.bare"
    say "keywheel:"
    sed 's/^/    /' "$tmp/objects.keywheel"
  fi
}

concurrent ()
{
  client_for "http://127.0.0.1:$port/openai/v1"
  set -- "$bench/concurrent" -c "$tmp/keywheel.ini" \
    -u "http://127.0.0.1:$port/openai/v1/chat/completions" -r "$rounds"
  header "Many at once on one thread"
  "$@" -k 64
  "$@" -k 256
}

threads ()
{
  client_for "http://127.0.0.1:$port/openai/v1"
  header "Threads that block on one client"
  "$bench/threads" -c "$tmp/keywheel.ini" -r "$rounds" \
    -u "http://127.0.0.1:$port/openai/v1/chat/completions"
}

# serve: our own server of streams; $sport is its port.
serve ()
{
  [ -z "$serve_pid" ] || return 0
  mkfifo "$tmp/in" "$tmp/out"
  "$bench/serve" < "$tmp/in" > "$tmp/out" &
  serve_pid=$!
  exec 7> "$tmp/in"             # it ends when this is closed, and so when we end
  read -r sport < "$tmp/out" || die "bench/serve does not start"
}

stream ()
{
  serve
  header "A stream"
  for way in each bulk; do
    client_for "http://127.0.0.1:$sport/$way/v1"
    "$bench/stream" -c "$tmp/keywheel.ini" -r "$rounds" \
      -u "http://127.0.0.1:$sport/$way/v1/chat/completions" 7>&-
  done
}

# callers SIDE: user space instructions a request of the thread that makes it (the
# other one has all the time in the world under valgrind), and libkeywheel's of them.
callers ()
{
  for cal_i in 1 2; do
    [ "$cal_i" = 1 ] && cal_n=100 || cal_n=600
    valgrind --tool=callgrind --separate-threads=yes \
      --callgrind-out-file="$tmp/state-$1.$cal_i" "$bench/state" -c "$tmp/keywheel.ini" \
      -u "http://127.0.0.1:$port/openai/v1/chat/completions" -o "$1" -n "$cal_n" \
      > "$tmp/valgrind.out" 2>&1 || { cat "$tmp/valgrind.out" >&2; die "valgrind failed"; }
    mv "$tmp/state-$1.$cal_i-01" "$tmp/state-$1.$cal_i"
  done
  objects "state-$1" 500 | awk '/--/ { exit } { sum += $1 } $2 == "libkeywheel" { own = $1 }
    END { print sum, own }'
}

# start_redis: on a Unix socket, in the foreground of a job of ours.
start_redis ()
{
  for redis in redis-server valkey-server; do
    command -v "$redis" > /dev/null || continue
    "$redis" --port 0 --unixsocket "$tmp/redis.sock" --save "" --appendonly no \
      --dir "$tmp" > "$tmp/redis.out" 2>&1 &
    redis_pid=$!
    for try in 1 2 3 4 5 6 7 8 9 10; do
      [ -S "$tmp/redis.sock" ] && return 0
      sleep 0.2
    done
    cat "$tmp/redis.out" >&2
    die "$redis does not start"
  done
  return 1
}

# The stores that were built, and redis where there is a server of it.
state ()
{
  client_for "http://127.0.0.1:$port/openai/v1"
  say
  say "### The state, shared"
  say
  set -- "$bench/state" -c "$tmp/keywheel.ini" -r "$rounds" \
    -u "http://127.0.0.1:$port/openai/v1/chat/completions"
  states=memory
  [ -f "$build/stores/.libs/sqlite.so" ] && states="$states sqlite:$tmp/state.db"
  if [ -f "$build/stores/.libs/redis.so" ] && start_redis; then
    states="$states redis+unix://$tmp/redis.sock"
  else
    say "(not with redis: no server of it is installed, or the module was not built)"
    say
  fi
  export KW_BENCH_STATES="$states" KEYWHEEL_STORE_PATH="$build/stores/.libs"
  export XDG_STATE_HOME="$tmp"
  "$@"
  command -v valgrind > /dev/null || return 0
  say
  say "Instructions a request (callgrind), of the thread that makes it:"
  say
  say "| state | in all | keywheel's |"
  say "|---|--:|--:|"
  for spec in $states; do
    counts=$(callers "${spec%%[:+]*}")
    say "| ${spec%%[:+]*} | ${counts% *} | ${counts#* } |"
  done
}

memory ()
{
  serve
  client_for "http://127.0.0.1:$sport/hold/v1"
  header "Idle streams"
  set -- "$bench/memory" -c "$tmp/keywheel.ini" \
    -u "http://127.0.0.1:$sport/hold/v1/chat/completions"
  bare=$("$@" -o bare 7>&-)
  kw=$("$@" -o keywheel 7>&-)
  row "10,000 idle streams: resident memory" "bytes each" "$bare" "$kw" ""
}

# The core alone, without a network: prints a table of its own.
engine ()
{
  [ -x "$bench/engine" ] || { say; say "(bench/engine was not built)"; return 0; }
  say
  say "### The engine alone"
  say
  "$bench/engine"
}

# ---- Machine, versions, and all of it ------------------------------------------------

about ()
{
  say "- when: $(date -u '+%Y-%m-%d %H:%M UTC'), load before: $(cut -d ' ' -f 1-3 /proc/loadavg)"
  say "- machine: $(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -n 1), $(getconf _NPROCESSORS_ONLN) processors, Linux $(uname -r)"
  say "- libcurl $(curl-config --version 2>/dev/null | sed 's/^libcurl //' || :), $(nginx -v 2>&1 | sed 's/^nginx version: //'), $(${KW_CC:-cc} --version | head -n 1), libc $(getconf GNU_LIBC_VERSION 2>/dev/null || :)"
  say "- compiled with: ${KW_CC:-?}; $rounds rounds, the two sides by turns; medians"
}

# gateway: keywheel serve beside nginx as a proxy; loops: with one loop and with two;
# streams: beside nginx with many of them; portkey: beside Portkey's gateway.
. "$src/bench/gateway.sh"
. "$src/bench/loops.sh"
. "$src/bench/streams.sh"
. "$src/bench/portkey.sh"

[ "$#" -gt 0 ] || set -- sequential concurrent threads stream state memory engine gateway \
  loops streams portkey
start_nginx
about
for what in "$@"; do
  case $what in
    sequential | concurrent | threads | stream | state | memory | engine | gateway | loops \
      | streams | portkey) "$what" ;;
    *) die "there is no benchmark \"$what\"; there are:
sequential, concurrent, threads, stream, state, memory, engine, gateway, loops,
streams, portkey" ;;
  esac
done
