# Many streams at once through keywheel serve, beside nginx as a proxy that does not
# buffer, by turns: one core for the gateway, the other for the provider and the
# client.  run.sh reads this, behind gateway.sh.
# shellcheck shell=sh

: "${build:?run.sh reads this}" "${bench:?}" "${tmp:?}" "${rounds:?}"

# start_feed EVENTS/S: its port is $feed_port; it ends with descriptor 8.
start_feed ()
{
  rm -f "$tmp/feed.in" "$tmp/feed.out"
  mkfifo "$tmp/feed.in" "$tmp/feed.out"
  (on 1 "$bench/feed" "$1" < "$tmp/feed.in" > "$tmp/feed.out") &
  feed_pid=$!
  exec 8> "$tmp/feed.in"
  read -r feed_port < "$tmp/feed.out" || die "bench/feed does not start"
}

descriptors ()
{
  find "/proc/$1/fd" -mindepth 1 2> /dev/null | wc -l
}

# listen_through PORT PID STREAMS SIDE: a line more in $tmp/STREAMS.SIDE.
listen_through ()
{
  (on 1 "$bench/streams" "$1" "$stream_path" "$3" 10 "$2") >> "$tmp/$3.$4" 8>&- \
    || die "a stream failed"
}

# within WHAT UNIT COLUMN BY LIMIT NGINX KEYWHEEL: a row, whose figures are divided by
# BY; keywheel's is to be within LIMIT ("": no figure is asked for).
within ()
{
  awk -v n="$3" '{ print $n }' "$7" | sort -n > "$tmp/figures"
  awk -v what="$1" -v unit="$2" -v by="$4" -v limit="$5" -v a="$(column "$3" "$6")" \
    -v b="$(column "$3" "$7")" '{ v[NR] = $1 / by } END {
      verdict = limit == "" ? "" : sprintf ("< %s: %s", limit, b / by < limit ? "holds" : "MISSED")
      ratio = a > 0 ? b / a : 0
      printf "| %-44s | %10.1f | %10.1f | %-10s | %5.3f | %5.1f..%-6.1f | %-15s |\n", \
        what, a / by, b / by, unit, ratio, v[1], v[NR], verdict }' "$tmp/figures"
}

streams ()
{
  stream_path=/v1/chat/completions
  few=$((rounds / 5))
  [ "$few" -ge 3 ] || few=3
  start_feed 4
  start_proxy "$feed_port" "proxy_buffering off;"
  gateway_ini "$feed_port"
  gateway_port=$("$bench/port")
  (LD_LIBRARY_PATH=$build/.libs on 0 "$build/.libs/keywheel" serve -c "$tmp/gateway.ini" \
    --listen "127.0.0.1:$gateway_port" > "$tmp/gateway.out" 2>&1 8>&-) &
  gateway_pid=$!
  "$bench/port" "$gateway_port" "$gateway_pid" || die "keywheel serve does not start"
  worker=$(cut -d ' ' -f 1 "/proc/${proxy_pid:?}/task/$proxy_pid/children")
  (on 1 "$bench/streams" "$feed_port" "$stream_path" 5000 5 "$feed_pid") > "$tmp/direct" 8>&-
  descriptors_before=$(descriptors "$gateway_pid")
  i=0
  while [ "$i" -lt "$few" ]; do
    for n in 500 5000; do
      listen_through "${proxy_port:?}" "$worker" "$n" nginx
      listen_through "$gateway_port" "$gateway_pid" "$n" keywheel
    done
    i=$((i + 1))
  done
  for _ in 1 2 3 4 5 6 7 8 9 10; do
    descriptors_after=$(descriptors "$gateway_pid")
    [ "$descriptors_after" -gt "$descriptors_before" ] || break
    sleep 0.5
  done
  say
  say "### Streams through the gateway beside nginx, one core each by turns"
  say
  say "| what | nginx | keywheel | unit | ratio | single rounds | wanted |"
  say "|---|---|---|---|---|---|---|"
  set -- "$tmp/5000.nginx" "$tmp/5000.keywheel"
  compare "5,000 streams, 4 events a second each" "us/event" 5 "<=" 1.5 "$@"
  within "the same: half of the events late by" "ms" 2 1000 "" "$@"
  within "the same: 99 % of them by no more than" "ms" 3 1000 50 "$@"
  within "the same: the latest" "ms" 4 1000 "" "$@"
  within "the same: resident memory" "MB" 6 1024 100 "$@"
  set -- "$tmp/500.nginx" "$tmp/500.keywheel"
  compare "500 streams, 4 events a second each" "us/event" 5 "<=" 1.5 "$@"
  within "the same: 99 % of the events late by" "ms" 3 1000 50 "$@"
  say
  say "The single rounds are ratios where the unit is us/event, and keywheel's own figures in the other rows. Without a gateway between, $(awk '{ printf "half of the events are late by %.2f ms, 99 %% by no more than %.2f, the latest by %.2f", $2 / 1000, $3 / 1000, $4 / 1000 }' "$tmp/direct")."
  say
  leaked="none leaked: holds"
  [ "$descriptors_after" -le "$descriptors_before" ] || leaked="leaked: MISSED"
  say "Descriptors of keywheel serve: $descriptors_before before the streams, $descriptors_after when all had hung up ($leaked); $(resident_mb "$gateway_pid") MB resident then."
  exec 8>&-
  wait "$feed_pid" || :
  feed_pid=
  stop_both
}
