#!/bin/sh
# The gateway's page in a real browser: Debian's chromium, led by playwright-core from
# the npm registry, which brings none of its own; axe-core looks for what people with
# a screen reader, a keyboard or weak eyes would miss.  The tests are in tests/page/,
# for Node's own test runner; pictures of the page are in page/ below the build folder.
#
#   tests/page.sh --test-name-pattern=reset     only these
set -eu

# shellcheck source=/dev/null
. "${KW_SRCDIR:-.}/tests/npm/suite.sh"

begin_suite page
browser=$(command -v chromium || command -v chromium-browser || true)
[ -n "$browser" ] || skip "chromium is not here: the page was not looked at"
run_tests KW_BROWSER="$browser" node --test "$@" ./*.test.mjs
