#!/bin/sh
# setup.sh - from a fresh machine to a built, shown or tested keywheel.
#
#   ./setup.sh demo    install what is missing, build, show the wheel turning
#   ./setup.sh check   install what is missing, build, run every test; or, as in
#                      "./setup.sh check asan fuzz", of that only some phases
#   ./setup.sh bench   install what is missing, measure beside bare libcurl
#   ./setup.sh build   install what is missing, build in build/
#   ./setup.sh deps    install what is missing
#
# Debian, Ubuntu (apt-get) and Fedora (dnf).  Installs nothing that is there
# already, asks for root only when something is to be installed, and may be
# run again at any time.
set -eu

cd "$(dirname "$0")"
top=$(pwd)
build=$top/build
logs=$build/logs
jobs=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)

say ()
{
  printf '%s\n' "$*"
}

die ()
{
  printf 'setup.sh: %s\n' "$*" >&2
  exit 1
}

usage ()
{
  sed -n '2,/^$/s/^# \{0,1\}//p' "$0" | sed '/^set /,$d'
}

# ---- What must be there -------------------------------------------------------

missing_apt=
missing_dnf=

# want DEBIAN FEDORA TEST...: notes both names when TEST fails ("-": no package
# of its own there).
want ()
{
  want_apt=$1
  want_dnf=$2
  shift 2
  "$@" >/dev/null 2>&1 && return 0
  [ "$want_apt" = - ] || missing_apt="$missing_apt $want_apt"
  [ "$want_dnf" = - ] || missing_dnf="$missing_dnf $want_dnf"
}

has_tool ()
{
  command -v "$1"
}

has_module ()
{
  pkg-config --exists "$1"
}

# A compiler without the C library's headers is no compiler.
has_headers ()
{
  echo '#include <stdio.h>' | gcc -E -
}

# has_runtime FLAG: do programs link with it?  Fedora has the sanitizers'
# libraries in packages of their own.
has_runtime ()
{
  probe=$(mktemp -d) || return 1
  echo 'int main (void) { return 0; }' > "$probe/a.c"
  gcc "$1" -o "$probe/a" "$probe/a.c"
  probe_rc=$?
  rm -rf "$probe"
  return "$probe_rc"
}

# libFuzzer's runtime is a package of its own, named after clang's version.
clang_has_fuzzer ()
{
  probe=$(mktemp -d) || return 1
  printf '#include <stddef.h>\nint LLVMFuzzerTestOneInput (const char *, size_t);\n' > "$probe/a.c"
  echo 'int LLVMFuzzerTestOneInput (const char *p, size_t n) { return !p && n; }' >> "$probe/a.c"
  clang -fsanitize=fuzzer,address -o "$probe/a" "$probe/a.c"
  probe_rc=$?
  rm -rf "$probe"
  return "$probe_rc"
}

# Once clang is there: the package's name has its version in it.
want_for_fuzz ()
{
  clang_version=$(clang -dumpversion 2>/dev/null || true)
  want "libclang-rt-${clang_version%%.*}-dev" compiler-rt clang_has_fuzzer
}

want_for_build ()
{
  want gcc gcc has_tool gcc
  want libc6-dev glibc-devel has_headers
  want make make has_tool make
  want autoconf autoconf has_tool autoconf
  want automake automake has_tool automake
  want libtool libtool has_tool libtoolize
  want pkg-config pkgconf-pkg-config has_tool pkg-config
  want libinih-dev inih-devel has_module 'inih >= 53'
  want libsodium-dev libsodium-devel has_module 'libsodium >= 1.0.16'
  want libcurl4-openssl-dev libcurl-devel has_module 'libcurl >= 7.68'
  want libjson-c-dev json-c-devel has_module 'json-c >= 0.15'
  want libmicrohttpd-dev libmicrohttpd-devel has_module 'libmicrohttpd >= 0.9.71'
  want libsqlite3-dev sqlite-devel has_module 'sqlite3 >= 3.35'
  want libhiredis-dev hiredis-devel has_module hiredis
  want libssl-dev openssl-devel has_module openssl
  want check check-devel has_module 'check >= 0.15'
  # Without the list of authorities no https connection is ever made.
  want ca-certificates ca-certificates test -s /etc/ssl/certs/ca-certificates.crt \
    -o -s /etc/pki/tls/certs/ca-bundle.crt
}

want_for_check ()
{
  # All of it is installed: a suite that finds something missing fails.
  KW_NO_SKIP=1
  export KW_NO_SKIP
  want nginx-light nginx-core has_nginx
  want openssl openssl has_tool openssl
  want libuv1-dev libuv-devel has_module libuv
  want redis-server valkey has_redis
  want openssl openssl has_tool openssl
  want iproute2 iproute has_tool ip
  want libevent-dev libevent-devel has_module 'libevent >= 2.0'
  want valgrind valgrind has_tool valgrind
  want clang clang has_tool clang
  want g++ gcc-c++ has_tool g++
  want groff-base groff-base has_tool groff
  want xz-utils xz has_tool xz
  want diffutils diffutils has_tool diff
  want gawk gawk has_tool awk
  want findutils findutils has_tool find
  want - libasan has_runtime -fsanitize=address
  want - libubsan has_runtime -fsanitize=undefined
  want - libtsan has_runtime -fsanitize=thread
  want abigail-tools libabigail has_tool abidiff
  want nodejs nodejs has_tool node
  want npm nodejs-npm has_tool npm
  want chromium chromium has_tool chromium
}

# Fedora's package of it is Valkey, which goes by its own name.
has_redis ()
{
  has_tool redis-server || has_tool valkey-server
}

want_for_bench ()
{
  want nginx-light nginx-core has_nginx
  want valgrind valgrind has_tool valgrind
  want strace strace has_tool strace
}

# Often where only root has a path to it.
has_nginx ()
{
  has_tool nginx || [ -x /usr/sbin/nginx ]
}

as_root ()
{
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  else
    sudo "$@"
  fi
}

# need_root COMMAND: ends here, and names what root is to run, if we cannot.
need_root ()
{
  if [ "$(id -u)" -ne 0 ] && ! has_tool sudo >/dev/null; then
    die "packages are missing, and this is neither root nor a machine with sudo.
As root run:
  $*"
  fi
}

# The lists are made of words without blanks, and are to be split.
# shellcheck disable=SC2086
install_missing ()
{
  if [ -z "$missing_apt$missing_dnf" ]; then
    say "== packages: all there"
    return 0
  fi
  if has_tool apt-get >/dev/null; then
    [ -n "$missing_apt" ] || die "these are not there and have no package of their own: $missing_dnf"
    need_root "apt-get update && apt-get install$missing_apt"
    say "== packages: installing$missing_apt (apt-get)"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y \
      -o DPkg::Lock::Timeout=300 update \
      || say "== apt-get update failed, perhaps for one source only: going on"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y \
      -o DPkg::Lock::Timeout=300 install --no-install-recommends $missing_apt \
      || die "apt-get could not install:$missing_apt"
  elif has_tool dnf >/dev/null; then
    need_root "dnf install$missing_dnf"
    say "== packages: installing$missing_dnf (dnf)"
    as_root dnf -q -y install $missing_dnf \
      || die "dnf could not install:$missing_dnf"
  else
    die "neither apt-get nor dnf is here; install these and run it again:
  by their Debian names:$missing_apt
  by their Fedora names:$missing_dnf"
  fi
  missing_apt=
  missing_dnf=
}

# Installs what was found missing, and sees to it that it is there then.
deps ()
{
  install_missing
  want_for_build
  if has_tool dnf >/dev/null && ! has_tool apt-get >/dev/null; then
    missing_apt=$missing_dnf
  fi
  if [ -n "$missing_apt" ]; then
    die "still missing, or too old on this system (configure says which version
is needed):$missing_apt"
  fi
}

# ---- Building -------------------------------------------------------------------

# step TITLE LOG COMMAND...: shows one line, keeps the output in a file, and
# shows all of it if the command fails.
step ()
{
  step_title=$1
  step_log=$logs/$2
  shift 2
  if ! mkdir -p "$logs" || [ ! -w "$logs" ] || [ ! -w "$top" ]; then
    die "cannot write to $top and $logs: they belong to another user; make them
yours (chown -R), or run this with sudo as before"
  fi
  step_began=$(date +%s)
  printf '== %s ... ' "$step_title"
  if "$@" > "$step_log" 2>&1; then
    say "done ($(($(date +%s) - step_began)) s)"
    return 0
  fi
  say "FAILED; $step_log says:"
  cat "$step_log"
  return 1
}

bootstrap ()
{
  [ ! -f config.status ] \
    || die "this folder is configured itself (config.status); run \"make distclean\" here first"
  if [ ! -f configure ] || [ -n "$(find configure.ac -newer configure)" ]; then
    step "autogen.sh" autogen.log ./autogen.sh || return 1
  fi
}

# configure_in FOLDER OPTION...: configures, unless it has been with just these
# options, and from here.
configure_in ()
{
  folder=$1
  shift
  stamp="$top $*"
  if [ -f "$folder/Makefile" ] \
     && [ "$(cat "$folder/.configured" 2>/dev/null)" = "$stamp" ]; then
    return 0
  fi
  mkdir -p "$folder"
  if [ -f "$folder/Makefile" ]; then
    # Objects that other options made would stay as they are.
    (cd "$folder" && make -s clean >/dev/null 2>&1) || true
  fi
  name=$(basename "$folder")
  step "configure $name $*" "configure-$name.log" \
    run_in "$folder" "$top/configure" "$@" || return 1
  printf '%s\n' "$stamp" > "$folder/.configured"
}

run_in ()
{
  (cd "$1" && shift && "$@")
}

make_in ()
{
  folder=$1
  shift
  make -C "$folder" "-j$jobs" "$@"
}

build ()
{
  bootstrap || exit 1
  # With whatever options the last check left it: they do no harm here.
  case "$(cat "$build/.configured" 2>/dev/null)" in
    "$top "*) ;;
    *) configure_in "$build" || exit 1 ;;
  esac
  step "make" make.log make_in "$build" || exit 1
}

# ---- Testing --------------------------------------------------------------------

# In phases, and several at once so that no processor waits: make starts them, and
# its jobs are shared by all of them.  To add one: a function phase_NAME, and its
# name in check.  How long each took is told at the end.

passed=0
failed=0

# Adds up the plain run: what Check's closing lines say, each script as one.
count_plain_run ()
{
  for trs in "$build"/tests/*.trs; do
    [ -f "$trs" ] || continue
    log=${trs%.trs}.log
    result=$(sed -n 's/^:global-test-result: //p' "$trs")
    sums=$(sed -n 's/^[0-9]*%: Checks: \([0-9]*\), Failures: \([0-9]*\), Errors: \([0-9]*\).*/\1 \2 \3/p' \
             "$log" | tail -n 1)
    if [ "$result" = SKIP ]; then
      say "   skipped: $(basename "$log" .log): $(tail -n 2 "$log" | head -n 1)"
    elif [ -n "$sums" ]; then
      # shellcheck disable=SC2086
      set -- $sums
      passed=$((passed + $1 - $2 - $3))
      failed=$((failed + $2 + $3))
      # All checks well, and the program failed all the same.
      if [ "$result" != PASS ] && [ $(($2 + $3)) -eq 0 ]; then
        failed=$((failed + 1))
      fi
    elif [ "$result" = PASS ]; then
      passed=$((passed + 1))
    else
      failed=$((failed + 1))
    fi
  done
}

# suites TARGET [VARIABLE=...]: runs tests in build/, a line each as it goes, and
# shows the whole log of each that failed.
suites ()
{
  suites_log=$logs/$phase.log
  rm -f "$suites_log.rc"
  { make -C "$build" "$@" 2>&1
    echo $? > "$suites_log.rc"
  } | tee "$suites_log" | sed -un "s/^\([A-Z]*: tests\/.*\)\$/   $phase: \1/p"
  [ "$(cat "$suites_log.rc")" -ne 0 ] || return 0
  # Which of the logs: those that make says failed, wherever that build was.
  suites_shown=
  sed -n -e 's/^\(FAIL\|ERROR\): \(tests\/.*\)$/\2/p' "$suites_log" | sort -u \
    > "$suites_log.failed"
  case $phase in
    asan | tsan | fuzz) suites_where=$build/$phase ;;
    distcheck) suites_where=$(echo "$build"/keywheel-*) ;;
    *) suites_where=$build/tests ;;
  esac
  {
    say "== FAILED: $phase"
    while read -r name; do
      find "$suites_where" -path "*/${name%.sh}.log" -newer "$build/.began" \
        > "$suites_log.found"
      while read -r f; do
        grep -q '^:global-test-result: PASS' "${f%.log}.trs" 2>/dev/null && continue
        say "   ---- $f"
        cat "$f"
        suites_shown=yes
      done < "$suites_log.found"
    done < "$suites_log.failed"
    if [ -z "$suites_shown" ] || grep -q '^valgrind/said' "$suites_log"; then
      say "   ---- $suites_log"
      cat "$suites_log"
    fi
  } > "$suites_log.report"
  cat "$suites_log.report"
  return 1
}

# Everything, built by gcc as users get it, but for the warnings.
phase_gcc ()
{
  rm -f "$build"/tests/*.trs "$build"/tests/*.log "$build/tests/providers.txt"
  rc=0
  suites check || rc=1
  count_plain_run
  # make failed though no test did: it did not come to the tests.
  if [ "$rc" -ne 0 ] && [ "$failed" -eq 0 ]; then
    failed=1
  fi
}

# Everything again, built by the other compiler, whose warnings are errors too.
phase_asan ()
{
  asan_cc=gcc
  ! has_tool clang >/dev/null || asan_cc=clang
  suites check-asan CC="$asan_cc" WATCHED=--enable-werror
}

phase_tsan ()
{
  suites check-tsan
}

# What gcc has built, and therefore behind it.
phase_valgrind ()
{
  suites check-valgrind
}

# On half of the processors and for twice as long.
phase_fuzz ()
{
  KW_FUZZ_JOBS=$(((jobs + 1) / 2))
  KW_FUZZ_SECONDS=$((${KW_FUZZ_SECONDS:-60} * 2))
  export KW_FUZZ_JOBS KW_FUZZ_SECONDS
  suites check-fuzz || return 1
  sed -n 's/^\(check-fuzz: .*\)$/   \1/p' "$logs/fuzz.log"
}

# That the tarball is whole: it builds, its suites too, and a few of them run.
# That the installed tree serves others, installcheck sees.
phase_distcheck ()
{
  suites distcheck DISTCHECK_CONFIGURE_FLAGS=CFLAGS=-O0 KW_TEST_SCALE=10 \
    TESTS="tests/abi.sh tests/exports.sh tests/module-pages.sh tests/style.sh \
tests/test_cli tests/test_providers tests/test_replay"
}

# run_phase NAME: and what came of it, in a file.  Does not fail: the others go on.
run_phase ()
{
  phase=$1
  rm -f "$logs/$phase.result"
  say "== $phase begins"
  began=$(date +%s)
  "phase_$phase" || failed=$((failed + 1))
  took=$(($(date +%s) - began))
  times > "$logs/$phase.times"
  say "== $phase is done ($took s)"
  cpu=$(awk -F '[ms ]+' 'NR == 2 { printf "%d", $1 * 60 + $2 + $3 * 60 + $4 }' \
          "$logs/$phase.times")
  suites_passed=$(grep -c '^PASS: tests/' "$logs/$phase.log") || true
  suites_failed=$(grep -c '^\(FAIL\|ERROR\): tests/' "$logs/$phase.log") || true
  echo "$passed $failed $took $cpu $suites_passed $suites_failed" > "$logs/$phase.result"
}

check_build ()
{
  bootstrap || return 1
  configure_in "$build" --enable-werror --enable-tests || return 1
  step "make, gcc, warnings are errors" make.log make_in "$build"
}

# check [PHASE...]
check ()
{
  if ! check_build; then
    say "0 passed, 1 failed"
    exit 1
  fi
  # The longest first, and what others wait for.
  phases=${*:-gcc asan valgrind fuzz distcheck tsan}
  for tool in valgrind clang; do
    has_tool $tool >/dev/null || say "== $tool is not here: skipped"
  done
  has_tool valgrind >/dev/null || phases=$(echo "$phases" | sed 's/valgrind//')
  has_tool clang >/dev/null || phases=$(echo "$phases" | sed 's/fuzz//')

  : > "$build/.began"
  rm -f "$logs"/*.result
  {
    echo "all: $phases"
    echo ".PHONY: all $phases"
    echo "valgrind:$(echo " $phases " | sed -n 's/.* gcc .*/ gcc/p')"
    for name in $phases; do
      printf '%s:\n\t+@./setup.sh --phase %s\n' "$name" "$name"
    done
  } > "$build/phases.mk"
  # One more than processors: some suites wait for what is to happen.
  make --no-print-directory -j "$((jobs + 1))" -f "$build/phases.mk" || true

  if [ -f "$build/tests/providers.txt" ]; then
    say "== the answers that providers really gave, as their plugins judge them"
    sed 's/^/   /' "$build/tests/providers.txt"
  fi
  say "== phase        seconds  of processors   suites passed   failed"
  for name in $phases; do
    if [ ! -s "$logs/$name.result" ]; then
      say "   $name did not end"
      failed=$((failed + 1))
      continue
    fi
    read -r p f took cpu suites_passed suites_failed < "$logs/$name.result"
    passed=$((passed + p))
    failed=$((failed + f))
    printf '   %-10s %9s %14s %15s %8s\n' "$name" "$took" "$cpu" "$suites_passed" \
      "$suites_failed"
  done
  say "$passed passed, $failed failed"
  # Without gcc among them nothing was counted that passed.
  [ "$failed" -eq 0 ] && { [ "$passed" -gt 0 ] || [ ! -e "$logs/gcc.result" ]; }
}

# ---- main -----------------------------------------------------------------------

case "${1-}" in
  demo)
    want_for_build
    deps
    build
    exec sh "$top/examples/demo/demo.sh" "$build"
    ;;
  check)
    want_for_build
    want_for_check
    deps
    want_for_fuzz
    [ -z "$missing_apt$missing_dnf" ] || install_missing
    shift
    for name; do
      grep -q "^phase_$name ()" setup.sh || die "there is no phase $name"
    done
    check "$@"
    ;;
  --phase)
    run_phase "$2"
    ;;
  bench)
    want_for_build
    want_for_bench
    deps
    build
    exec make -C "$build" --no-print-directory bench
    ;;
  build)
    want_for_build
    deps
    build
    say "== built; ./build/run keywheel --help"
    ;;
  deps)
    want_for_build
    deps
    ;;
  -h | --help | help)
    usage
    ;;
  *)
    usage >&2
    exit 2
    ;;
esac
