#!/bin/sh
# Feeds every plugin to libFuzzer for KW_FUZZ_SECONDS (60) in all, one process a
# core; make check-fuzz calls it.  Says how much was tried, and of what was
# found where it lies and how to repeat it.
#
#   KW_FUZZ_SECONDS  how long, shared out over all runs
#   KW_FUZZ_SEED     what libFuzzer's dice begin with (1)
#   KW_FUZZ_JOBS     how many at once (one a core)
#   KW_FUZZ_ONLY     only runs whose name has this in it, "classify-groq"
#
# With the time for it, valgrind gets a fifth and looks at what libFuzzer found
# worth keeping: variables that nobody has set are its affair.  (KW_PLAIN is a
# build without sanitizers, VALGRIND the program.)
set -eu

src=$(cd "${KW_SRCDIR:-.}" && pwd)
build=$(cd "${KW_BUILDDIR:-.}" && pwd)
seconds=${KW_FUZZ_SECONDS:-60}
seed=${KW_FUZZ_SEED:-1}
jobs=${KW_FUZZ_JOBS:-$(getconf _NPROCESSORS_ONLN 2> /dev/null || echo 2)}
work=$build/fuzzing             # inputs, what was said and what was found

mkdir -p "$work/inputs" "$work/said" "$work/found"
rm -rf "$work/seeds" "$work"/said/*
mkdir "$work/seeds"
# Work from found/ first: what failed once may fail again.
"$build/tests/fuzz/make_seeds" "$work/seeds" "$src"/tests/fixtures/*.jsonl
for f in "$src"/tests/fuzz/found/*.txt "$src"/tests/fuzz/seeds/*.txt; do
  if [ -f "$f" ]; then
    cp "$f" "$work/seeds"
  fi
done

# ---- What runs ------------------------------------------------------------------

# A line each: PROGRAM PLUGIN.  Translating is fuzzed in those that do it; and
# preparing in all, in one run more.
list ()
{
  for so in "$build"/plugins/.libs/*.so; do
    name=$(basename "$so" .so)
    echo "classify $name"
    if grep -q 'keywheel\.translate/1' "$so"; then
      echo "translate $name"
    fi
  done
  echo "translate all"
}

list | while read -r program plugin; do
  case $program-$plugin in
    *"${KW_FUZZ_ONLY-}"*) ;;
    *) continue ;;
  esac
  if [ -x "$build/tests/fuzz/fuzz_$program" ]; then
    echo "$program $plugin"
  fi
done > "$work/runs"
total=$(wc -l < "$work/runs")
if [ "$total" -eq 0 ]; then
  echo "nothing to run in $build ${KW_FUZZ_ONLY:+for \"$KW_FUZZ_ONLY\"}" >&2
  exit 1
fi
each=$((seconds * jobs / total))
watch=0
if [ -n "${VALGRIND-}" ] && [ -n "${KW_PLAIN-}" ] && [ "$each" -ge 25 ]; then
  watch=$((each / 5))
  each=$((each - watch))
fi
[ "$each" -ge 1 ] || each=1
if [ "$watch" -gt 0 ]; then
  "${KW_MAKE:-make}" -C "$KW_PLAIN" replayers
fi
echo "$total runs of $each s, $jobs at once, seed $seed"

# ---- Running ----------------------------------------------------------------------

# Leaks are looked for after each input; the quarantine of freed memory is small
# enough for the bound on memory to mean something; variables are on the stack,
# where watch.c scribbles.
ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=0:quarantine_size_mb=16
UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
KW_BUILDDIR=$build
export ASAN_OPTIONS UBSAN_OPTIONS KW_BUILDDIR
umask 022

fixed=
if setarch "$(uname -m)" -R true 2> /dev/null; then
  fixed="setarch $(uname -m) -R"
fi

# run PROGRAM PLUGIN
run ()
{
  mkdir -p "$work/inputs/$1-$2"
  if [ "$2" = all ]; then
    unset KW_FUZZ_PLUGIN
  else
    KW_FUZZ_PLUGIN=$2
    export KW_FUZZ_PLUGIN
  fi
  rc=0
  # shellcheck disable=SC2086
  $fixed "$build/tests/fuzz/fuzz_$1" -max_total_time="$each" -seed="$seed" \
    -timeout=5 -rss_limit_mb=512 -detect_leaks=1 -max_len=16384 \
    -dict="$src/tests/fuzz/answers.dict" -print_final_stats=1 \
    -artifact_prefix="$work/found/$1-$2-" "$work/inputs/$1-$2" "$work/seeds" \
    > "$work/said/$1-$2" 2>&1 || rc=$?
  if [ "$rc" -eq 0 ] && [ "$watch" -gt 0 ]; then
    KW_BUILDDIR=$KW_PLAIN "$VALGRIND" -q --error-exitcode=99 --exit-on-first-error=yes \
      --leak-check=full --errors-for-leak-kinds=definite,indirect \
      "$KW_PLAIN/tests/fuzz/replay_$1" -t "$watch" "$work/inputs/$1-$2" \
      > "$work/said/$1-$2-valgrind" 2>&1 || rc=valgrind
  fi
  echo "$rc" > "$work/said/$1-$2.rc"
}

# lane K: every jobs-th run, from the K-th on.
lane ()
{
  awk -v n="$jobs" -v k="$1" 'NR % n == k' "$work/runs" | while read -r program plugin; do
    run "$program" "$plugin"
  done
}

began=$(date +%s)
k=0
while [ "$k" -lt "$jobs" ]; do
  lane "$k" &
  k=$((k + 1))
done
wait
took=$(($(date +%s) - began))

# ---- What came of it ------------------------------------------------------------------

stat_of ()
{
  sed -n "s/^stat::$2: *//p" "$1" | tail -n 1
}

executed=0
failed=0
while read -r program plugin; do
  said=$work/said/$program-$plugin
  rc=$(cat "$said.rc" 2> /dev/null || echo none)
  n=$(stat_of "$said" number_of_executed_units)
  places=$(sed -n 's/.*[[:space:]]cov: \([0-9]*\) .*/\1/p' "$said" | tail -n 1)
  executed=$((executed + ${n:-0}))
  echo "$program $plugin: ${n:-0} executions, ${places:-0} places of code seen"
  if [ "$rc" = valgrind ]; then
    failed=$((failed + 1))
    said=$said-valgrind
    echo "FAIL: tests/fuzz/$program $plugin: valgrind says ($said):"
    sed -n '/^==/p' "$said" | head -n 40
    echo "The input is $(grep -v '^==' "$said" | tail -n 1); to repeat it:"
    echo "  KW_BUILDDIR=$KW_PLAIN KW_FUZZ_PLUGIN=$plugin" \
      "$VALGRIND $KW_PLAIN/tests/fuzz/replay_$program INPUT"
    continue
  fi
  if [ "$rc" = 0 ] && [ "${n:-0}" -gt 0 ]; then
    continue
  fi
  failed=$((failed + 1))
  echo "FAIL: tests/fuzz/$program $plugin (exit status $rc): $said says:"
  sed -n '/BROKEN\|ERROR\|runtime error\|ALARM\|no plugin/,$p' "$said" | grep -v '^stat::' \
    | head -n 60
  input=$(sed -n 's/.*Test unit written to //p' "$said" | tail -n 1)
  if [ -n "$input" ]; then
    only="KW_FUZZ_PLUGIN=$plugin "
    [ "$plugin" != all ] || only=
    echo "The input is $input; to repeat it:"
    echo "  KW_BUILDDIR=$build $only$build/tests/fuzz/fuzz_$program $input"
    echo "and go on as $src/tests/fuzz/found/README.md says."
  fi
done < "$work/runs"

if [ "$failed" -eq 0 ]; then
  echo "check-fuzz: $total runs, $executed executions in $took s: nothing found"
else
  echo "check-fuzz: $total runs, $executed executions in $took s: $failed found something"
fi
[ "$failed" -eq 0 ]
