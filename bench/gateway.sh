# What keywheel serve costs beside nginx as a proxy to the same server, both on one
# core, by turns.  run.sh reads this; it has what is not defined here.
# shellcheck shell=sh

: "${build:?run.sh reads this}" "${bench:?}" "${tmp:?}" "${rounds:?}"

# on CORE COMMAND...: there, where there are two cores and taskset.
on ()
{
  on_core=$1
  shift
  if [ "$(getconf _NPROCESSORS_ONLN)" -gt 1 ] && command -v taskset > /dev/null; then
    exec taskset -c "$on_core" "$@"
  fi
  exec "$@"
}

# start_proxy PORT DIRECTIVE: to the server there.
start_proxy ()
{
  proxy_port=$("$bench/port")
  mkdir -p "$tmp/proxied"
  chmod 777 "$tmp/proxied"
  cat > "$tmp/proxy.conf" <<END
daemon off;
worker_processes 1;
worker_rlimit_nofile 20000;
pid $tmp/proxied/nginx.pid;
error_log $tmp/proxied/error.log;
events { worker_connections 16384; }
http {
  access_log off;
  client_body_temp_path $tmp/proxied/body;
  proxy_temp_path $tmp/proxied/proxy;
  fastcgi_temp_path $tmp/proxied/fastcgi;
  uwsgi_temp_path $tmp/proxied/uwsgi;
  scgi_temp_path $tmp/proxied/scgi;
  keepalive_timeout 1h;
  keepalive_requests 1000000000;
  upstream provider {
    server 127.0.0.1:$1;
    keepalive 256;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
  }
  server {
    listen 127.0.0.1:$proxy_port backlog=1024;
    location / {
      proxy_pass http://provider;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      $2
    }
  }
}
END
  (on 0 nginx -e "$tmp/proxied/error.log" -p "$tmp/proxied" -c "$tmp/proxy.conf" \
    > "$tmp/proxied/out" 2>&1 8>&-) &
  proxy_pid=$!
  "$bench/port" "$proxy_port" "$proxy_pid" || die "nginx does not start as a proxy"
}

# gateway_ini PORT: to the server there.
gateway_ini ()
{
  client_for "http://127.0.0.1:$1/openai/v1"
  printf '[keywheel]\nprovider = groq\nplugin_dir = %s\nstate = memory\n' \
    "$build/plugins/.libs" > "$tmp/gateway.ini"
  sed '1,/^$/d' "$tmp/keywheel.ini" >> "$tmp/gateway.ini"
}

# The milliseconds from its start to its first answer go to $started_ms.
start_gateway ()
{
  gateway_ini "${port:?}"
  gateway_port=$("$bench/port")
  # The program itself, and not libtool's wrapper.
  LD_LIBRARY_PATH=$build/.libs
  export LD_LIBRARY_PATH
  began=$(date +%s%N)
  (on 0 "$build/.libs/keywheel" serve -c "$tmp/gateway.ini" \
    --listen "127.0.0.1:$gateway_port" > "$tmp/gateway.out" 2>&1) &
  gateway_pid=$!
  until "$bench/gateway" "$gateway_port" /v1/chat/completions 1 1 > /dev/null 2>&1; do
    kill -0 "$gateway_pid" 2> /dev/null || { cat "$tmp/gateway.out" >&2; die "keywheel serve ends"; }
  done
  started_ms=$((($(date +%s%N) - began) / 1000000))
  unset LD_LIBRARY_PATH
}

# load PORT PATH CONNECTIONS REQUESTS FILE FIELD...: a line more in FILE.
load ()
{
  load_file=$5
  load_port=$1 load_path=$2 load_conns=$3 load_n=$4
  shift 5
  (on 1 "$bench/gateway" "$load_port" "$load_path" "$load_conns" "$load_n" "$@") \
    >> "$load_file" || die "a request failed"
}

# column N FILE: the median of a column.
column ()
{
  awk -v n="$1" '{ print $n }' "$2" | sort -n \
    | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}

# compare WHAT UNIT COLUMN SIGN WANTED NGINX KEYWHEEL: a row, from two files; ratios
# are those of the rounds.  SIGN: >= or <=, or "" where no figure is asked for.
compare ()
{
  paste "$6" "$7" | awk -v n="$3" '{ m = NF / 2; print $(n + m) / $n }' | sort -n > "$tmp/ratios"
  awk -v what="$1" -v unit="$2" -v sign="$4" -v wanted="$5" -v a="$(column "$3" "$6")" \
    -v b="$(column "$3" "$7")" '{ v[NR] = $1 } END {
      r = NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2
      holds = sign == ">=" ? r >= wanted : r <= wanted
      verdict = sign == "" ? "" : sprintf ("%s %.2f: %s", sign, wanted, holds ? "holds" : "MISSED")
      printf "| %-44s | %10.1f | %10.1f | %-10s | %5.3f | %5.2f..%-6.2f | %-15s |\n", \
        what, a, b, unit, r, v[1], v[NR], verdict }' "$tmp/ratios"
}

# ticks PID: of processor time, its children's that live with it.
ticks ()
{
  cat "/proc/$1/stat" "/proc/$1/task/$1/children" 2> /dev/null | {
    read -r stat
    read -r children || :
    for child in $children; do
      stat="$stat
$(cat "/proc/$child/stat")"
    done
    printf '%s\n' "$stat" | sed 's/.*) //' | awk '{ n += $12 + $13 } END { print n }'
  }
}

# many PORT PID SIDE: a round of 64 connections, and the processor time of it.
many ()
{
  before=$(ticks "$2")
  load "$1" "$path" 64 "$many" "$tmp/many.$3"
  echo "$before $(ticks "$2")" | awk -v n="$many" -v hz="$(getconf CLK_TCK)" \
    '{ printf "%.2f\n", ($2 - $1) * 1e6 / hz / n }' >> "$tmp/cpu.$3"
}

resident_mb ()
{
  awk '/^VmRSS:/ { printf "%.1f", $2 / 1024 }' "/proc/$1/status"
}

# What either adds to a request that goes to the server itself.
added ()
{
  for side in nginx keywheel; do
    paste "$tmp/one.direct" "$tmp/one.$side" | awk '{ print $5 - $2 }' > "$tmp/added.$side"
  done
}

# begin_many PORT PORT: what many goes by, and both are warm.
begin_many ()
{
  path=/v1/chat/completions
  many=20000
  for _ in 1 2 3; do
    load "$1" "$path" 64 3000 "$tmp/warm"
    load "$2" "$path" 64 3000 "$tmp/warm"
  done
}

gateway ()
{
  start_proxy "$port" ""
  start_gateway
  idle=$(resident_mb "$gateway_pid")
  begin_many "$proxy_port" "$gateway_port"
  i=0
  while [ "$i" -lt "$rounds" ]; do
    many "$proxy_port" "$proxy_pid" nginx
    many "$gateway_port" "$gateway_pid" keywheel
    load "$port" "$path" 1 1000 "$tmp/one.direct"
    load "$proxy_port" "$path" 1 1000 "$tmp/one.nginx"
    load "$gateway_port" "$path" 1 1000 "$tmp/one.keywheel"
    i=$((i + 1))
  done
  added
  say
  say "### The gateway beside nginx, one core each by turns"
  say
  say "| what | nginx | keywheel | unit | ratio | single rounds | wanted |"
  say "|---|---|---|---|---|---|---|"
  compare "64 connections, answers of 600 bytes" "requests/s" 1 ">=" 0.65 "$tmp/many.nginx" "$tmp/many.keywheel"
  compare "    processor time of it" "us each" 1 "" "" "$tmp/cpu.nginx" "$tmp/cpu.keywheel"
  compare "the same: half of them within" "us" 2 "<=" 1.7 "$tmp/many.nginx" "$tmp/many.keywheel"
  compare "the same: 99 % of them within" "us" 3 "<=" 1.7 "$tmp/many.nginx" "$tmp/many.keywheel"
  compare "1 connection: what it adds" "us" 1 "<=" 1.3 "$tmp/added.nginx" "$tmp/added.keywheel"
  say
  say "keywheel serve: $started_ms ms from its start to its first answer (< 50), $idle MB resident then (< 15), $(resident_mb "$gateway_pid") MB after the rounds."
  stop_both
}

stop_both ()
{
  kill "$proxy_pid" "$gateway_pid"
  wait "$proxy_pid" "$gateway_pid" 2> /dev/null || :
  proxy_pid=
  gateway_pid=
}
