#!/bin/sh
# What others have compiled goes on working: abidiff compares what the headers
# and the library are today with the baselines kept in tests/abi/.
#
#   1.0/provider.h      the provider ABI, frozen: never changed
#   libkeywheel-0.1/    keywheel.h and the map of the library.  Not frozen while
#                       the version is 0.x, but whoever changes what is there
#                       renews it in the same commit: make abi-baseline
#
# A struct that says its own size may grow at its end, and functions may be
# added; all else fails.  And the test is tested: headers damaged in ways that
# people damage headers must fail.
set -eu

src=$(cd "${KW_SRCDIR:-.}" && pwd)
build=$(cd "${KW_BUILDDIR:-.}" && pwd)
lib=$build/.libs/libkeywheel.so
cc=${KW_CC:-cc}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
fail=0

broken ()
{
  echo "FAIL: $*"
  fail=1
}

# Ends a run that cannot look, as skipped; in CI that is a failure.
cannot ()
{
  echo
  echo "*** NOT COMPARED: $*"
  [ "$fail" -eq 0 ] && [ -z "${KW_NO_SKIP-}" ] && exit 77
  exit 1
}

# stripped HEADER: without comments and without the asserts that pin the layout,
# which would fail before abidiff gets to see anything.
stripped ()
{
  awk -v strings=1 -f "$src/tests/strip.awk" "$1" \
    | sed '/^#if defined(__LP64__)/,/^#endif/d'
}

# ---- Constants -------------------------------------------------------------------
# They are the ABI as much as the structs are, and no debug information has them.

# constants HEADER: names, but of those whose use is to change.
constants ()
{
  stripped "$1" \
    | sed -n -e 's/^#define \(KW_[A-Z0-9_]*\)  *[-0-9"(U].*/\1/p' \
      -e 's/\(KW_[A-Z0-9_]*\) *= *-*[0-9]/\n\1\n/gp' \
    | grep '^KW_[A-Z0-9_]*$' | grep -v '^KW_PROVIDER_ABI_MINOR$' | sort -u
}

# values HEADER NAMES: a line NAME = VALUE each.
values ()
{
  {
    echo '#define KW_PROVIDER_API 1'
    echo "#include \"$1\""
    cat << 'END'
#include <stdio.h>
static void
number (const char *name, long long n)
{
  printf ("%s = %lld\n", name, n);
}
static void
text (const char *name, const char *s)
{
  printf ("%s = \"%s\"\n", name, s);
}
#define SHOW(x) _Generic ((x), char *: text, default: number) (#x, x);
int
main (void)
{
END
    sed 's/.*/  SHOW (&)/' "$2"
    echo '  return 0;'
    echo '}'
  } > "$tmp/values.c"
  # shellcheck disable=SC2086
  $cc -std=gnu11 -w -o "$tmp/values" "$tmp/values.c" && "$tmp/values"
}

# same_constants OLD NEW: those of the old header are in the new one.
same_constants ()
{
  constants "$1" > "$tmp/names"
  values "$1" "$tmp/names" > "$tmp/old.values" || return 2
  values "$2" "$tmp/names" > "$tmp/new.values" || return 1
  diff "$tmp/old.values" "$tmp/new.values"
}

# ---- Structs and functions -----------------------------------------------------------

# growing HEADER: the structs that say their own size.
growing ()
{
  stripped "$1" | tr '\n' ' ' | sed 's/struct /\n&/g' \
    | sed -n 's/^struct \(kw_[a-z_]*\) *{ *[a-z0-9_]* *struct_size;.*/\1/p'
  echo kw_provider              # its header does
}

# shape HEADER OLD SO: a library through which abidiff sees each struct that the
# old header had, as the header makes it.
shape ()
{
  {
    echo '#define KW_PROVIDER_API 1'
    echo "#include \"$1\""
    stripped "$2" | sed -n 's/^struct \(kw_[a-z_]*\) {.*/\1/p' | sort -u > "$tmp/structs"
    printf 'KW_EXPORT void keywheel_abi_shape ('
    sed 's/.*/struct & *_&,/' "$tmp/structs"
    echo 'int end) { (void) end; }'
  } > "$tmp/shape.c"
  # shellcheck disable=SC2086
  $cc -std=gnu11 -w -g -O0 -fPIC -shared -o "$3" "$tmp/shape.c"
}

# stub HEADER MAP SO: a library with the functions of a keywheel.h, all empty.
# (Parameters without a name are C23's.)
stub ()
{
  stripped "$1" | awk '
    /^KW_API/ { on = 1 }
    on && sub (/;/, " { __builtin_trap (); }") { on = 0 }
    { print }' > "$tmp/stub.c"
  # shellcheck disable=SC2086
  $cc -std=gnu2x -w -g -O0 -fPIC -shared -Wl,-soname,libkeywheel.so.0 \
    -Wl,--version-script="$2" -o "$3" "$tmp/stub.c"
}

# All *_compatible print what is not, and return 1 then, and 2 if they could not
# look.

# compatible OLD.so NEW.so, with the old header's "growing" in $tmp/growing
compatible ()
{
  rc=0
  abidiff --leaf-changes-only --no-show-locs "$1" "$2" > "$tmp/report" 2>&1 || rc=$?
  [ "$rc" -ne 0 ] || return 0
  # 4: something changed, 8: incompatibly; else abidiff itself failed.
  [ $((rc & 3)) -eq 0 ] || { cat "$tmp/report"; return 2; }
  # What is left when every line that may be there has been taken away; a
  # later abidiff with other words leaves too much, which is seen below.
  awk -v growing="$(tr '\n' ' ' < "$tmp/growing")" '
    BEGIN { n = split (growing, g, " "); for (i = 1; i <= n; i++) may[g[i]] = 1 }
    /^ *$/ || / summary: / { next }
    /^[0-9]+ Added functions?:/ || /^ *\[A\] / { next }
    /^'\''struct [a-z_]*( at [^ ]*)?'\'' changed:$/ {
      name = $2; sub (/[^a-z_].*/, "", name); before = $0; size = -1; next
    }
    (name in may) && /^  type size changed from [0-9]+ to [0-9]+ \(in bits\)$/ {
      size = $5; if ($7 > size) next
    }
    (name in may) && /^  [0-9]+ data member insertions?:$/ { next }
    (name in may) && size > 0 && /^    '\''.*'\'', at offset [0-9]+ \(in bits\)$/ {
      at = $0; sub (/ \(in bits\)$/, "", at); sub (/.* /, "", at); if (at + 0 >= size + 0) next
    }
    { print name != "" && before != "" ? before "\n" $0 : $0; before = ""; bad = 1 }
    END { exit bad }' "$tmp/report"
}

# The older side is made once for many comparisons in a row.
older=
provider_compatible ()
{
  if [ "$older" != "$1" ]; then
    shape "$1" "$1" "$tmp/old.so" || return 2
    growing "$1" > "$tmp/growing"
    older=$1
  fi
  shape "$2" "$1" "$tmp/new.so" || return 2
  compatible "$tmp/old.so" "$tmp/new.so"
}

client_compatible ()
{
  if [ "$older" != "$1" ]; then
    stub "$1" "$src/tests/abi/libkeywheel-0.1/libkeywheel.map" "$tmp/old.so" || return 2
    growing "$1" > "$tmp/growing"
    older=$1
  fi
  compatible "$tmp/old.so" "$2"
}

# ---- The baselines ----------------------------------------------------------------------

provider=$src/include/keywheel/provider.h
client=$src/include/keywheel/keywheel.h
old_client=$src/tests/abi/libkeywheel-0.1/keywheel.h
fix_provider="the provider ABI is frozen: append, and leave what is there alone (the rules
are at the head of provider.h)"
fix_client="if that is meant, renew the baseline in the same commit (make abi-baseline), say
so in NEWS, and look at -version-info in Makefile.am"

set -- "$src/tests/abi/1.0/provider.h"
for old in "$@"; do
  [ "$(constants "$old" | wc -l)" -ge 40 ] || broken "hardly any constants in $old"
  same_constants "$old" "$provider" \
    || broken "constants of $old (<) are others today (>); $fix_provider"
done
[ "$(constants "$old_client" | wc -l)" -ge 30 ] || broken "hardly any constants in $old_client"
same_constants "$old_client" "$client" \
  || broken "constants of $old_client (<) are others today (>); $fix_client"

command -v abidiff > /dev/null \
  || cannot "abidiff is not here (Debian, Ubuntu: abigail-tools; Fedora: libabigail)"

for old in "$@"; do
  provider_compatible "$old" "$provider" \
    || broken "that changed since $old; $fix_provider"
done

# ---- The test of the test -----------------------------------------------------------------

# damaged HEADER SED: a copy with that done to it, in $tmp/damaged.h
damaged ()
{
  stripped "$1" > "$tmp/whole.h"
  sed -e "$2" "$tmp/whole.h" > "$tmp/damaged.h"
  if cmp -s "$tmp/whole.h" "$tmp/damaged.h"; then
    broken "the test of the test: nothing matches $2"
  fi
}

checks=0
# is_found CHECK HEADER WHAT SED, is_allowed CHECK HEADER WHAT SED
is_found ()
{
  checks=$((checks + 1))
  damaged "$2" "$4"
  found=0
  "$1" "$2" "$tmp/damaged.h" > "$tmp/said" 2>&1 || found=$?
  if [ "$found" -ne 1 ]; then
    cat "$tmp/said"
    broken "the test of the test: not found out: $3"
  elif [ -n "${KW_ABI_SHOW-}" ]; then
    echo "--- $3"
    cat "$tmp/said"
  fi
}

is_allowed ()
{
  checks=$((checks + 1))
  damaged "$2" "$4"
  if ! "$1" "$2" "$tmp/damaged.h" > "$tmp/said" 2>&1; then
    cat "$tmp/said"
    broken "the test of the test: taken for damage: $3"
  fi
}

in_verdict='/^struct kw_verdict/,/^}/'
at_end='s/^  char *reason.*/&\n  int64_t last;/'
set -- provider_compatible "$provider"
is_allowed "$@" "a field at the end" "$in_verdict$at_end"
is_allowed "$@" "a callback at the end" \
  's/^  const void \*(\*get_extension) (void \*self.*/&\n  int (*added) (void *);/'
is_allowed "$@" "a dead slot" 's/uint32_t _reserved0/uint32_t _unused1/'
is_found "$@" "a field in the middle" "$in_verdict"'s/^  int64_t *input_tokens.*/  int64_t x;\n&/'
is_found "$@" "a field in the middle, and one at the end" \
  "$in_verdict{s/^  int64_t *input_tokens.*/  int64_t x;\\n&/;$at_end;}"
is_found "$@" "an array grown" "$in_verdict"'s/account\[64\]/account[72]/'
is_found "$@" "a field gone" "$in_verdict"'s/^  char *reason.*//'
is_found "$@" "two fields that changed places" \
  "$in_verdict{s/ scope;/ TMP;/;s/ have;/ scope;/;s/ TMP;/ have;/;}"
is_found "$@" "the same, and one at the end" \
  "$in_verdict{s/ scope;/ TMP;/;s/ have;/ scope;/;s/ TMP;/ have;/;$at_end;}"
is_found "$@" "another type" "$in_verdict"'s/int64_t *retry_after_ms/uint64_t retry_after_ms/'
is_found "$@" "another type, and one at the end" \
  "$in_verdict{s/int64_t *retry_after_ms/uint64_t retry_after_ms/;$at_end;}"
is_found "$@" "a callback with one argument more" \
  's/(\*config_complete) (void \*self)/(*config_complete) (void *self, int)/'
is_found "$@" "two services that changed places" \
  's/(\*request_method)/(*TMP)/;s/(\*request_url)/(*request_method)/;s/(\*TMP)/(*request_url)/'
is_found "$@" "the frozen header grown" \
  '/^struct kw_provider_header/,/^}/s/^  uint16_t *_reserved.*/&\n  uint64_t more;/'
is_found same_constants "$provider" "a constant with another value" \
  's/KW_OUTCOME_BILLING *= 5/KW_OUTCOME_BILLING = 15/'
is_found same_constants "$provider" "a constant gone" 's/.*KW_CAP_NO_UNLOAD.*//'
is_allowed same_constants "$provider" "a new constant" 's/KW_NET_OTHER = 6/&, KW_NET_MORE = 7/'

# The other way about: the library of a header that is not yet damaged.
if [ ! -e "$lib" ]; then
  cannot "no shared library was built (--disable-shared)"
fi
# shellcheck disable=SC2317
client_damaged ()
{
  stub "$2" "$src/core/libkeywheel.map" "$tmp/today.so" || return 2
  client_compatible "$1" "$tmp/today.so"
}
set -- client_damaged "$client"
is_allowed "$@" "a field at the end of a struct with a size" \
  '/^typedef struct kw_client_request/,/^}/s/^  void (\*on_start).*/&\n  int64_t more;/'
is_found "$@" "a field at the end of one without" \
  '/^typedef struct kw_limit_info/,/^}/s/^  int32_t *account_wide;.*/&\n  int64_t more;/'
is_found "$@" "a function with one argument more" 's/kw_version (void)/kw_version (int)/'
is_found "$@" "a function gone" 's/.*kw_version (void).*//'
is_found "$@" "a function that returns another type" \
  's/int kw_reply_switches/int64_t kw_reply_switches/'

# ---- The library itself ---------------------------------------------------------------------

readelf -S "$lib" | grep -q '\.debug_info' \
  || cannot "$lib has no debug information (CFLAGS without -g)"
client_compatible "$old_client" "$lib" \
  || broken "that changed in $lib since $old_client; $fix_client"
nm -D --defined-only "$lib" | sed -n 's/.* T \(kw_[a-z0-9_]*\).*/\1/p' | sort > "$tmp/now"
nm -D --defined-only "$tmp/old.so" | sed -n 's/.* T \(kw_[a-z0-9_]*\).*/\1/p' | sort > "$tmp/then"
comm -23 "$tmp/now" "$tmp/then" | sed 's/$/ is new, and not in the baseline yet/'

[ "$fail" -eq 0 ] && echo "compatible; and $checks damages and additions are told apart"
exit "$fail"
