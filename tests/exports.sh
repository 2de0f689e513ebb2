#!/bin/sh
# libkeywheel exports what keywheel.h declares, under the version that its map
# gives it, and nothing else; a provider or a store exports its entry alone.
set -eu
src=${KW_SRCDIR:-.}
build=${KW_BUILDDIR:-.}
lib=$build/.libs/libkeywheel.so
header=$src/include/keywheel/keywheel.h
map=$src/core/libkeywheel.map

if [ ! -e "$lib" ]; then
  echo "no shared library was built (--disable-shared): nothing to compare"
  exit 77
fi

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
fail=0

# The compiler's eyes: the header without its comments, a declaration a line.
awk -v strings=1 -f "$src/tests/strip.awk" "$header" \
  | tr '\n;{}' ' \n' \
  | sed -n 's/.*KW_API [^(]*[ *]\(kw_[a-z0-9_]*\) *(.*/\1/p' \
  | sort > "$tmp/header"
sed -n 's/^ *\(kw_[a-z0-9_]*\);$/\1/p' "$map" | sort > "$tmp/map"
nm -D --defined-only "$lib" | sed -n 's/^[0-9a-f]* [A-Z] \([^ ]*\)$/\1/p' \
  | grep -v '^KEYWHEEL_[0-9.]*@*' | sort > "$tmp/versioned"
sed 's/@@*.*//' "$tmp/versioned" > "$tmp/exported"

test "$(wc -l < "$tmp/header")" -ge 30 \
  || { echo "only $(wc -l < "$tmp/header") functions were found in $header"; fail=1; }

compare ()
{
  if ! diff "$tmp/$1" "$tmp/$2" > "$tmp/diff"; then
    echo "$3 (<) and $4 (>) differ:"
    cat "$tmp/diff"
    fail=1
  fi
}
compare header map "$header" "$map"
compare map exported "$map" "nm -D $lib"

if grep -v '@@KEYWHEEL_[0-9.]*$' "$tmp/versioned"; then
  echo "are exported without a version"
  fail=1
fi

# only SYMBOL FILE...: each exports this one alone.
only ()
{
  symbol=$1
  shift
  for module; do
    test -e "$module" || continue       # none is built
    nm -D --defined-only "$module" | awk '{ print $NF }' > "$tmp/module"
    if [ "$(cat "$tmp/module")" != "$symbol" ]; then
      echo "$module exports more or less than $symbol:"
      cat "$tmp/module"
      fail=1
    fi
  done
}
only keywheel_provider_entry "$build"/plugins/.libs/*.so
only keywheel_store_entry "$build"/stores/.libs/*.so

[ "$fail" -eq 0 ] && echo "$(wc -l < "$tmp/exported") functions, all in their place"
exit "$fail"
