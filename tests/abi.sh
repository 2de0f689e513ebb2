#!/bin/sh
# keywheel/provider.h keeps its three rules (they are at its head) as far as a
# compiler can tell: no struct has padding, the offsets pinned in it hold, and
# what was written for ABI 1.0 compiles with the header of today.  keywheel/store.h
# has no padding either, and stays what 1.0 was.
#
# Not with strict -std=c99: the C library's stand-in for _Static_assert is a
# bit-field there, and -Wpadded finds it.
set -eu

src=$(cd "${KW_SRCDIR:-.}" && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
fail=0

# try COMPILER FLAG...: to be called for a header and for the frozen provider
try ()
{
  echo "--- $*"
  "$@" || fail=1
}

printf '#define KW_PROVIDER_API 1\n#include <keywheel/provider.h>\n' > "$tmp/h.c"
sed 's,"provider.h",<keywheel/provider.h>,' "$src/tests/abi/1.0/frozen.c" \
  > "$tmp/frozen.c"
grep -q '<keywheel/provider.h>' "$tmp/frozen.c" || fail=1

# Sizes are of 1.0: what grows at its end is let be in the "at least" below.
cat > "$tmp/store.c" <<'END'
#include <keywheel/store.h>
#define IS(what) _Static_assert (what, #what)
#if defined(__LP64__)
IS (sizeof (struct kw_store_header) == 16);
IS (sizeof (struct kw_store_error) == 512);
IS (offsetof (struct kw_store_setup, spec) == 8);
IS (offsetof (struct kw_store_setup, holder) == 32);
IS (offsetof (struct kw_store_setup, log) == 40);
IS (offsetof (struct kw_store_setup, now_ms) == 48);
IS (offsetof (struct kw_store_setup, user) == 56);
IS (sizeof (struct kw_store_setup) >= 64);
/* In arrays: they can never grow. */
IS (sizeof (struct kw_store_fact) == 40);
IS (offsetof (struct kw_store_fact, major) == 16);
IS (offsetof (struct kw_store_fact, expires_ms) == 32);
IS (sizeof (struct kw_store_count) == 16);
IS (offsetof (struct kw_store_batch, number) == 8);
IS (offsetof (struct kw_store_batch, facts) == 16);
IS (offsetof (struct kw_store_batch, n_counts) == 40);
IS (sizeof (struct kw_store_batch) >= 48);
IS (offsetof (struct kw_store_sink, fact) == 8);
IS (sizeof (struct kw_store_sink) == 24);
IS (offsetof (struct kw_store_lease, floor) == 12);
IS (offsetof (struct kw_store_lease, ttl_ms) == 24);
IS (sizeof (struct kw_store_lease) >= 32);
IS (offsetof (struct kw_store, name) == 16);
IS (offsetof (struct kw_store, open) == 48);
IS (offsetof (struct kw_store, sync) == 80);
IS (offsetof (struct kw_store, lease) == 88);
IS (sizeof (struct kw_store) >= 96);
#endif
END
printf '#include <keywheel/store.h>\n' > "$tmp/s.c"

for cc in "${KW_CC:-cc}" gcc clang; do
  command -v "${cc%% *}" > /dev/null || continue
  for std in gnu99 c11; do
    # shellcheck disable=SC2086
    try $cc -std=$std -Wall -Wextra -Wpadded -Werror -I"$src/include" \
      -fsyntax-only "$tmp/h.c" "$tmp/s.c"
  done
  # shellcheck disable=SC2086
  try $cc -std=c11 -Wall -Wextra -Werror -I"$src/include" \
    -fsyntax-only "$tmp/frozen.c" "$tmp/store.c"
done
for cxx in g++ clang++; do
  command -v "$cxx" > /dev/null || continue
  try "$cxx" -x c++ -std=c++11 -Wall -Wextra -Wpadded -Werror \
    -I"$src/include" -fsyntax-only "$tmp/h.c" "$tmp/s.c"
done
exit $fail
