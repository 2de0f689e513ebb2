#!/bin/sh
# Programs that know nothing of keywheel, unmodified, from the npm registry: OpenAI's
# library, Groq's, the AI SDK, LangChain.  Each first against keywheel-sim itself, then
# against keywheel serve in front of it, while keys run out under them.  The tests are
# in tests/clients/, for Node's own test runner.
#
# The packages are installed once, below the build folder, at the versions and with the
# checksums of package-lock.json; from then on nothing is fetched.
#
#   tests/clients.sh FILE...     only these: openai.test.mjs
set -eu

src=$(cd "${KW_SRCDIR:-.}" && pwd)/tests/clients
build=$(cd "${KW_BUILDDIR:-.}" && pwd)
dir=$build/clients

skip ()
{
  echo "$*"
  if [ -n "${KW_NO_SKIP-}" ]; then
    exit 1
  fi
  exit 77
}

for tool in node npm; do
  command -v $tool > /dev/null || skip "$tool is not here: no client was tried"
done
major=$(node -p 'process.versions.node.split(".")[0]')
[ "$major" -ge 18 ] || skip "node is $(node --version); 18 or newer is needed"

mkdir -p "$dir"
cp -f "$src"/* "$src/.npmrc" "$dir"
cd "$dir"
if ! cmp -s package-lock.json installed.json; then
  rm -f installed.json
  # No scripts: no package is to run anything of its own here.
  npm ci --ignore-scripts --prefer-offline > npm.log 2>&1 || {
    cat npm.log
    skip "npm could not install the clients' packages: is the registry in reach?"
  }
  cp package-lock.json installed.json
fi

# Nothing of whoever runs it: OPENAI_BASE_URL and the like.
[ $# -gt 0 ] || set -- *.test.mjs
exec env -i PATH="$PATH" HOME="${HOME-/}" TMPDIR="${TMPDIR-/tmp}" KW_BUILDDIR="$build" \
  node --test "$@"
