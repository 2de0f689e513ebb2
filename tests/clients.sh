#!/bin/sh
# Programs that know nothing of keywheel, unmodified, from the npm registry: OpenAI's
# library, Groq's, the AI SDK, LangChain.  Each first against keywheel-sim itself, then
# against keywheel serve in front of it, while keys run out under them.  The tests are
# in tests/clients/, for Node's own test runner.
#
#   tests/clients.sh FILE...     only these: openai.test.mjs
set -eu

# shellcheck source=/dev/null
. "${KW_SRCDIR:-.}/tests/npm/suite.sh"

begin_suite clients
[ $# -gt 0 ] || set -- *.test.mjs
run_tests node --test "$@"
