#!/bin/sh
# docs/writing-a-provider.md, typed as it stands: its files go into an empty
# folder, its commands are run in its order, and what it shows they must show.
# examples/provider-template must be the same files to the letter.
#
# For tests/install.sh, whose installed tree is all of keywheel that is in reach
# (PATH, PKG_CONFIG, LD_LIBRARY_PATH, KEYWHEEL_PLUGIN_PATH).  Alone, as in
# make check TESTS=tests/tutorial.sh, it has install.sh install one first.
set -eu

src=$(cd "${KW_SRCDIR:-.}" && pwd)
text=$src/docs/writing-a-provider.md
template=$src/examples/provider-template

if [ -z "${KW_INSTALLED_TREE-}" ]; then
  exec sh "$src/tests/install.sh"
fi

tmp=$(mktemp -d)
sim=                            # the tutorial's own variable
what=
cleanup ()
{
  rc=$?
  if [ -n "$sim" ]; then
    kill "$sim" 2>/dev/null || true
    wait "$sim" 2>/dev/null || true
  fi
  if [ "$rc" -ne 0 ]; then
    echo "tutorial.sh: failed${what:+ at: $what}" >&2
    if [ -s "$tmp/output" ]; then
      cat "$tmp/output" >&2
    fi
  fi
  rm -rf "$tmp"
  exit "$rc"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

die ()
{
  echo "tutorial.sh: $*" >&2
  exit 1
}

# ---- The blocks, in order ------------------------------------------------------
# NNN.file with its name in NNN.name; NNN.sh; NNN.shown, what NNN-1.sh prints.

mkdir "$tmp/blocks" "$tmp/typed"
awk -v dir="$tmp/blocks" '
  function fail(why) {
    print FILENAME ":" FNR ": " why
    bad = 1
    exit 1
  }
  !inside && /^`[^`]+`(, continued)?:$/ {
    split ($0, part, "`")
    name = part[2]
    next
  }
  !inside && /^```/ {
    inside = 1
    info = substr ($0, 4)
    base = sprintf ("%s/%03d", dir, ++n)
    if (name != "") {
      kind = "file"
      print name > (base ".name")
    }
    else if (info == "sh")
      kind = "sh"
    else if (info == "" && before == "sh")
      kind = "shown"
    else
      fail("a block that is no named file, no sh, and no output of one")
    out = base "." kind
    printf "" > out
    next
  }
  inside && $0 == "```" {
    inside = 0
    before = kind
    name = ""
    close (out)
    next
  }
  inside { print > out; next }
  NF > 0 { if (name != "") fail("a file is named, and no block follows") }
  END { if (!bad && inside) { print FILENAME ": a block has no end"; exit 1 } }
' "$text" > "$tmp/output" 2>&1 || die "the tutorial cannot be taken apart"

# Each line of $1 must be one of $2, in that order; "..." stands for anything.
shown ()
{
  awk '
    NR == FNR { want[++n] = $0; next }
    {
      pattern = want[i + 1]
      gsub (/[][\\.^$*+?(){}|\/]/, "\\\\&", pattern)
      gsub (/\\\.\\\.\\\./, ".*", pattern)
      if (i < n && $0 ~ ("^" pattern "$"))
        i++
    }
    END {
      if (i < n) {
        print "the tutorial shows this line, and it did not come:\n" want[i + 1]
        exit 1
      }
    }
  ' "$1" "$2"
}

# ---- Typing ---------------------------------------------------------------------

# Nobody waits for a port as patiently as a person who types the next command.
wait_for_port ()
{
  tries=1200
  while [ ! -s port ]; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || die "keywheel-sim wrote no port"
    sleep 0.05
  done
}

# Of all that pkg-config knows only keywheel: a provider's author need not have
# what libkeywheel itself was built with.
if [ -n "${PKG_CONFIG_PATH-}" ]; then
  PKG_CONFIG_LIBDIR=$PKG_CONFIG_PATH
  export PKG_CONFIG_LIBDIR
  unset PKG_CONFIG_PATH
fi
no_proxy=127.0.0.1
CC=${KW_CC:-cc}
export no_proxy CC
unset EXAMPLE_API_KEY EXAMPLE_API_KEY_2 KEYWHEEL_CONFIG || true

cd "$tmp/typed"
n_files=0 n_commands=0 n_shown=0
for block in "$tmp"/blocks/*.file "$tmp"/blocks/*.sh "$tmp"/blocks/*.shown; do
  echo "$block"
done | sort > "$tmp/list"
while IFS= read -r block <&3; do
  case $block in
    *.file)
      name=$(cat "${block%.file}.name")
      echo "--- $name"
      if [ -e "$name" ]; then
        echo >> "$name"         # a blank line between its parts
      fi
      cat "$block" >> "$name"
      n_files=$((n_files + 1)) ;;
    *.sh)
      what=$(cat "$block")
      echo "\$ $what"
      : > "$tmp/output"
      # shellcheck disable=SC1090  # it is what is tested
      . "$block" > "$tmp/output" 2>&1
      cat "$tmp/output"
      case $what in
        *--port-file*) wait_for_port ;;
      esac
      n_commands=$((n_commands + 1)) ;;
    *.shown)
      shown "$block" "$tmp/output" >&2
      n_shown=$((n_shown + 1)) ;;
  esac
done 3< "$tmp/list"
what=
: > "$tmp/output"

# A text that was cut down until nothing is tested is no tutorial.
if [ "$n_files" -lt 3 ] || [ "$n_commands" -lt 6 ] || [ "$n_shown" -lt 3 ]; then
  die "only $n_files files, $n_commands commands, $n_shown outputs were found"
fi

# ---- What was typed ---------------------------------------------------------------

for f in "$template"/*; do
  name=$(basename "$f")
  [ "$name" = README.md ] || cmp "$f" "$name" \
    || die "$name of examples/provider-template is not what the tutorial types"
done
cat "$tmp"/blocks/*.name | while IFS= read -r f; do
  [ -f "$template/$f" ] || die "examples/provider-template has no $f"
done

include=$(${PKG_CONFIG:-pkg-config} --variable=includedir keywheel)
for std in c99 c11 gnu11; do
  # shellcheck disable=SC2086  # a list of words
  $CC -std=$std -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror \
    -I"$include" -fsyntax-only example.c \
    || die "example.c has warnings with -std=$std"
done
if command -v nm > /dev/null; then
  exported=$(nm -D --defined-only example.so | awk '{ print $NF }')
  [ "$exported" = keywheel_provider_entry ] \
    || die "example.so exports more or less than its entry: $exported"
fi
echo "$n_files blocks of files, $n_commands of commands, $n_shown of output: as shown"
