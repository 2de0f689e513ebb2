#!/bin/sh
# What is installed serves others: examples/chat.c and the provider of
# docs/writing-a-provider.md (tests/tutorial.sh) are built outside of the tree by
# pkg-config alone, and run.
#
# In "make check": installs below a scratch folder by DESTDIR.  In "make
# installcheck", which sets KW_INSTALLED: takes what is installed already.
set -eu

src=$(cd "${KW_SRCDIR:-.}" && pwd)
build=$(cd "${KW_BUILDDIR:-.}" && pwd)
make=${KW_MAKE:-make}
cc=${KW_CC:-cc}

if [ -n "${KW_SANITIZERS-}" ] && [ "$KW_SANITIZERS" != no ]; then
  echo "a build with sanitizers is for its own suites, not to be installed"
  exit 77
fi

tmp=$(mktemp -d)
sim=
cleanup ()
{
  if [ -n "$sim" ]; then
    kill "$sim" 2>/dev/null || true
    wait "$sim" 2>/dev/null || true
  fi
  rm -rf "$tmp"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

die ()
{
  echo "install.sh: $*" >&2
  exit 1
}

begin ()
{
  echo "--- $*"
}

# The folders as configured, from the .pc file that is to be installed.
dir ()
{
  PKG_CONFIG_PATH=$build/pkgconfig pkg-config --variable="$1" keywheel
}
prefix=$(dir prefix)
bindir=$prefix/bin
libdir=$(dir libdir)
includedir=$(dir includedir)

# ---- Installing -------------------------------------------------------------

# The "make" of a "make check" must not give its -j and its jobs to this one.
unset MAKEFLAGS MFLAGS MAKELEVEL || true

if [ -n "${KW_INSTALLED+set}" ]; then
  root=$KW_INSTALLED
  begin "looking at what is installed in $root$prefix"
else
  root=$tmp/root
  begin "make install DESTDIR=..."
  "$make" -C "$build" install DESTDIR="$root" > "$tmp/log" 2>&1 \
    || { cat "$tmp/log"; die "make install failed"; }
fi

for f in "$bindir/keywheel" "$bindir/keywheel-sim" \
    "$includedir/keywheel/keywheel.h" "$includedir/keywheel/provider.h" \
    "$includedir/keywheel/store.h" \
    "$libdir/libkeywheel.so" "$libdir/pkgconfig/keywheel.pc" \
    "$libdir/keywheel/plugins/groq.so"; do
  [ -f "$root$f" ] || die "$f was not installed"
done
# Each store that was built, and each manual page.
for f in "$build"/stores/.libs/*.so; do
  [ ! -e "$f" ] || [ -f "$root$libdir/keywheel/stores/${f##*/}" ] \
    || die "${f##*/} was not installed among the stores"
done
for f in "$src"/man/*.[1-8]; do
  f=${f##*/}
  [ -n "$(find "$root$prefix" -path "*/man${f##*.}/$f")" ] \
    || die "the manual page $f was not installed"
done
if [ -n "$(find "$root$libdir/keywheel" -name '*.la')" ]; then
  die "a .la file was installed beside the plugins"
fi

# Everything below knows nothing of the tree: no -I, no -L but pkg-config's.
PKG_CONFIG_PATH=$root$libdir/pkgconfig
LD_LIBRARY_PATH=$root$libdir${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
PATH=$root$bindir:$PATH
XDG_STATE_HOME=$tmp/state
export PKG_CONFIG_PATH LD_LIBRARY_PATH PATH XDG_STATE_HOME
PKG_CONFIG="pkg-config"
if [ -n "$root" ]; then
  # The prefix is not where it says, so the built-in plugin folder is not there.
  PKG_CONFIG="pkg-config --define-variable=prefix=$root$prefix"
  PKG_CONFIG="$PKG_CONFIG --define-variable=libdir=$root$libdir"
  PKG_CONFIG="$PKG_CONFIG --define-variable=includedir=$root$includedir"
  KEYWHEEL_PLUGIN_PATH=$root$libdir/keywheel/plugins
  KEYWHEEL_STORE_PATH=$root$libdir/keywheel/stores
  export KEYWHEEL_PLUGIN_PATH KEYWHEEL_STORE_PATH
fi

begin "keywheel.pc"
for v in plugindir provider_abi_major provider_abi_minor storedir store_abi_major \
    store_abi_minor; do
  value=$($PKG_CONFIG --variable=$v keywheel)
  echo "$v = $value"
  [ -n "$value" ] || die "keywheel.pc has no variable $v"
done
[ -f "$($PKG_CONFIG --variable=plugindir keywheel)/groq.so" ] \
  || die "plugindir in keywheel.pc is not where the plugins are"
[ "$(keywheel --version)" = "keywheel $($PKG_CONFIG --modversion keywheel)" ] \
  || die "keywheel --version and keywheel.pc disagree: $(keywheel --version)"

[ "$($PKG_CONFIG --variable=storedir keywheel)" = "$root$libdir/keywheel/stores" ] \
  || die "storedir in keywheel.pc is not where the stores are"

cflags=$($PKG_CONFIG --cflags keywheel)
libs=$($PKG_CONFIG --libs keywheel)

# ---- The headers --------------------------------------------------------------
# Both in one file is for C: in C++ the typedef of one is the struct of the other.
# The lists of flags are to be split into words.
# shellcheck disable=SC2086
headers ()
{
  begin "headers: $*"
  for h in keywheel provider store both; do
    case $h.$ext in
      both.cc) continue ;;
    esac
    case $h in
      keywheel) printf '#include <keywheel/keywheel.h>\n' ;;
      provider) printf '#define KW_PROVIDER_API 1\n#include <keywheel/provider.h>\n' ;;
      store) printf '#include <keywheel/store.h>\n' ;;
      both) printf '#define KW_PROVIDER_API 1\n#include <keywheel/provider.h>\n#include <keywheel/keywheel.h>\n' ;;
    esac > "$tmp/header.$ext"
    printf 'int kw_header_seen (void);\nint kw_header_seen (void) { return 0; }\n' \
      >> "$tmp/header.$ext"
    "$@" $cflags -fsyntax-only "$tmp/header.$ext" || die "$h.h does not compile: $*"
  done
}
ext=c
# shellcheck disable=SC2086
for std in c99 c11 gnu11; do
  headers $cc -std=$std -Wall -Wextra -Wpedantic -Werror
done
if command -v c++ > /dev/null; then
  ext=cc
  headers c++ -std=c++11 -Wall -Wpedantic -Werror
else
  echo "(no C++ compiler here: not tried)"
fi

# ---- A simulator to talk to -----------------------------------------------------

keywheel-sim --port 0 --port-file "$tmp/port" --key sk-one,name=one,org=org_1 \
  > "$tmp/sim" 2>&1 &
sim=$!
tries=1200                      # a minute, for a machine that is busy
while [ ! -s "$tmp/port" ]; do
  tries=$((tries - 1))
  if [ "$tries" -eq 0 ] || ! kill -0 "$sim" 2>/dev/null; then
    cat "$tmp/sim"
    die "keywheel-sim did not start"
  fi
  sleep 0.05
done
base_url=http://127.0.0.1:$(cat "$tmp/port")/v1

# ---- The client's example ---------------------------------------------------------

mkdir "$tmp/client"
cd "$tmp/client"
begin "examples/chat.c, shared"
cp "$src/examples/chat.c" .
# shellcheck disable=SC2086
$cc -Wall -Wextra -Wpedantic -Werror -o chat chat.c $cflags $libs
cat > keywheel.ini <<INI
[provider groq]
base_url = $base_url
[key groq/one]
env = GROQ_API_KEY
INI
reply=$(GROQ_API_KEY=sk-one ./chat "Why is the sky blue?") || die "chat failed: $?"
echo "reply: $reply"
[ -n "$reply" ] || die "chat printed nothing"

begin "its exit code for a wrong key"
rc=0
GROQ_API_KEY=sk-wrong ./chat hi 2> err || rc=$?
cat err
[ "$rc" -eq 3 ] || die "exit code $rc, and 3 was expected"

if [ -f "$root$libdir/keywheel/stores/sqlite.so" ]; then
  begin "the state of the command line"
  GROQ_API_KEY=sk-one keywheel status > out
  grep -qx "state: $XDG_STATE_HOME/keywheel/state.db" out \
    || { cat out; die "it is not in state.db"; }
fi

if [ -f "$root$libdir/libkeywheel.a" ]; then
  begin "examples/chat.c, static"
  # Ours static and the others shared: nobody has all of libcurl's as archives.
  needed=$($PKG_CONFIG --print-requires-private keywheel | awk '{ print $1 }')
  # shellcheck disable=SC2046,SC2086
  $cc -o chat-static chat.c $cflags "$root$libdir/libkeywheel.a" \
    $($PKG_CONFIG --libs $needed) -pthread -ldl
  GROQ_API_KEY=sk-one ./chat-static hi > out || die "the static chat failed"
fi

# ---- A provider, written as the tutorial says --------------------------------------

begin "docs/writing-a-provider.md, typed"
KW_INSTALLED_TREE=$root$prefix
export KW_INSTALLED_TREE PKG_CONFIG
KW_SRCDIR=$src sh "$src/tests/tutorial.sh" || die "the tutorial does not work"

# ---- A store, as its manual page has it ----------------------------------------------

begin "keywheel-store(3)'s example"
mkdir "$tmp/store"
cd "$tmp/store"
awk '/^\.Sh EXAMPLES/ { on = 1 }
  on && /^\.Ed/ { exit }
  code { print }
  on && /^\.Bd -literal$/ { code = 1 }' "$src/man/keywheel-store.3" > lone.c
# shellcheck disable=SC2086
$cc -std=c99 -Wall -Wextra -Wpedantic -Werror -shared -fPIC -o lone.so lone.c $cflags
{ printf '[keywheel]\nstate = lone\n'; cat "$tmp/client/keywheel.ini"; } > keywheel.ini
KEYWHEEL_STORE_PATH=$PWD GROQ_API_KEY=sk-one keywheel status > out \
  || die "keywheel does not work with the store of the manual page"
grep -qx 'state: nowhere' out || { cat out; die "the store was not used"; }

begin "done"
