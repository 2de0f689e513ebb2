#!/bin/sh
# keywheel/provider.h keeps its three rules (they are at its head) as far as a
# compiler can tell: no struct has padding, the offsets pinned in it hold, and
# what was written for ABI 1.0 compiles with the header of today.
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

for cc in "${KW_CC:-cc}" gcc clang; do
  command -v "${cc%% *}" > /dev/null || continue
  for std in gnu99 c11; do
    # shellcheck disable=SC2086
    try $cc -std=$std -Wall -Wextra -Wpadded -Werror -I"$src/include" \
      -fsyntax-only "$tmp/h.c"
  done
  # shellcheck disable=SC2086
  try $cc -std=c11 -Wall -Wextra -Werror -I"$src/include" \
    -fsyntax-only "$tmp/frozen.c"
done
for cxx in g++ clang++; do
  command -v "$cxx" > /dev/null || continue
  try "$cxx" -x c++ -std=c++11 -Wall -Wextra -Wpadded -Werror \
    -I"$src/include" -fsyntax-only "$tmp/h.c"
done
exit $fail
