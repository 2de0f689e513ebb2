#!/bin/sh
# The habits that a machine can check, so that nobody has to argue about them.
# Prints FILE:LINE for each break of one.
set -eu
cd "${KW_SRCDIR:-.}"

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
fail=0

broken ()
{
  echo "$*"
  fail=1
}

# code FILE, text FILE: the file without comments, and without strings or with.
code ()
{
  awk -v strings=0 -f tests/strip.awk "$1"
}
text ()
{
  awk -v strings=1 -f tests/strip.awk "$1"
}

# Says FILE:LINE of each line on stdin that the pattern matches, and why not.
forbid ()
{
  forbid_file=$1
  forbid_pattern=$2
  forbid_why=$3
  if grep -nE "$forbid_pattern" > "$tmp/hits"; then
    while IFS= read -r hit; do
      broken "$forbid_file:${hit%%:*}: $forbid_why: ${hit#*:}"
    done < "$tmp/hits"
  fi
}

find core plugins stores cli gateway sim include tests examples -name '*.[ch]' | sort > "$tmp/files"
test "$(wc -l < "$tmp/files")" -gt 20 || broken "hardly any source files were found"

# A call, and not the name's use as a member or as a part of another name.
banned='sprintf|strcpy|strcat|strncpy|atoi|atol|atof|strtok|gets|system|signal|rand|sleep|usleep|popen'
call_of="(^|[^A-Za-z0-9_.>])"

while IFS= read -r f; do
  code "$f" > "$tmp/code"
  forbid "$f" "$call_of($banned) *\\(" "banned function (STYLE)" < "$tmp/code"
  case $f in
    core/clock.c) ;;
    core/*)
      forbid "$f" "$call_of(time|clock_gettime|gettimeofday|nanosleep) *\\(" \
        "time enters through core/clock.c alone" < "$tmp/code" ;;
    *)
      forbid "$f" "$call_of""time *\\(" "banned function (STYLE)" < "$tmp/code" ;;
  esac
  case $f in
    core/transport*) ;;
    core/*)
      forbid "$f" '#.*include.*<curl/' "only the transport knows libcurl" < "$tmp/code" ;;
  esac
  case $f in
    # What translates between formats reads JSON itself.
    plugins/kit/chat*.[ch] | plugins/anthropic/* | plugins/gemini/*)
      text "$f" > "$tmp/text"
      forbid "$f" '#.*include.*(<(curl|sodium|ini)|keywheel\.h|"(\.\./\.\./|core/))' \
        "a provider needs keywheel/provider.h, json-c and the C library" < "$tmp/text" ;;
    plugins/*)
      text "$f" > "$tmp/text"
      forbid "$f" '#.*include.*(<(json-c|curl|sodium|ini)|keywheel\.h|"(\.\./\.\./|core/))' \
        "a provider needs keywheel/provider.h and the C library" < "$tmp/text" ;;
    stores/*)
      text "$f" > "$tmp/text"
      forbid "$f" '#.*include.*(<(json-c|curl|sodium|ini)|keywheel\.h|"(\.\./\.\./|core/))' \
        "a store needs keywheel/store.h, its library and the C library" < "$tmp/text" ;;
    cli/* | gateway/*)
      text "$f" > "$tmp/text"
      forbid "$f" '#.*include.*"(\.\./|core/)' "the programs stand on the public API alone" \
        < "$tmp/text" ;;
  esac
  case $f in
    core/* | include/*)
      text "$f" > "$tmp/text"
      forbid "$f" '[Gg][Rr][Oo][Qq]|[Oo]pen[Rr]outer|[Oo]pen[Aa][Ii]|[Aa]nthropic|[Gg]emini|[Mm]istral|[Cc]erebras' \
        "the core names no provider" < "$tmp/text" ;;
  esac
  cat "$f" > "$tmp/whole"
  forbid "$f" '	' "a tab" < "$tmp/whole"
  forbid "$f" ' $' "a blank at the line's end" < "$tmp/whole"
  case $f in
    tests/*) ;;                         # tables of cases may be wide
    *) forbid "$f" '^.{101,}' "a line of more than 100 columns" < "$tmp/whole" ;;
  esac
  lines=$(wc -l < "$f")
  most=500
  # One page of declarations and what they promise.
  case $f in include/* | tests/abi/*) most=750 ;; esac
  test "$lines" -le "$most" || broken "$f: $lines lines; split long before 500"
  case $(head -n 1 "$f") in
    '/* '*) ;;
    *) broken "$f:1: the first line is no comment that says what the file is" ;;
  esac
done < "$tmp/files"

# What the Makefile does not name is neither built, nor run, nor in the tarball.
sed 's/[^A-Za-z0-9_./-]/\n/g' Makefile.am | sort -u > "$tmp/named"
find core plugins stores cli gateway sim tests -name '*.[ch]' | sort | while IFS= read -r f; do
  grep -qxF -e "$f" -e "${f%.c}" -e "${f%.c}.la" "$tmp/named" \
    || echo "$f: Makefile.am does not name it"
done > "$tmp/unnamed"
if [ -s "$tmp/unnamed" ]; then
  broken "$(cat "$tmp/unnamed")"
fi

# The headers that others include are guarded, and bring in nothing of ours.
for f in include/keywheel/*.h; do
  text "$f" > "$tmp/text"
  forbid "$f" '#.*include.*"' "a public header includes system headers only" < "$tmp/text"
done

# npm's registry is whoever runs the tests' to choose.
cat tests/clients/package-lock.json > "$tmp/whole"
forbid tests/clients/package-lock.json '"resolved"|registry' \
  "the lock names where packages come from" < "$tmp/whole"

# Manual pages: what a strict formatter has to say about them.
if command -v groff > /dev/null; then
  for page in man/*.[1-8]; do
    groff -t -man -ww -z -Tutf8 -Kutf8 "$page" > "$tmp/groff" 2>&1 || true
    if [ -s "$tmp/groff" ]; then
      broken "$page: groff complains:"
      cat "$tmp/groff"
    fi
  done
else
  echo "(groff is not here: the manual pages were not looked at)"
fi

if command -v shellcheck > /dev/null; then
  shellcheck autogen.sh setup.sh examples/demo/*.sh tests/*.sh tests/*/*.sh bench/*.sh .ci/run || fail=1
fi

[ "$fail" -eq 0 ] && echo "$(wc -l < "$tmp/files") files in style"
exit "$fail"
