#!/bin/sh
# The gateway's page in a real browser: Debian's chromium, led by playwright-core from
# the npm registry, which brings none of its own; axe-core looks for what people with
# a screen reader, a keyboard or weak eyes would miss.  The tests are in tests/page/,
# for Node's own test runner; pictures of the page are in page/ below the build folder.
#
#   tests/page.sh --test-name-pattern=reset     only these
set -eu

src=$(cd "${KW_SRCDIR:-.}" && pwd)/tests/page
build=$(cd "${KW_BUILDDIR:-.}" && pwd)
dir=$build/page

skip ()
{
  echo "$*"
  if [ -n "${KW_NO_SKIP-}" ]; then
    exit 1
  fi
  exit 77
}

for tool in node npm; do
  command -v $tool > /dev/null || skip "$tool is not here: the page was not looked at"
done
major=$(node -p 'process.versions.node.split(".")[0]')
[ "$major" -ge 18 ] || skip "node is $(node --version); 18 or newer is needed"
browser=$(command -v chromium || command -v chromium-browser || true)
[ -n "$browser" ] || skip "chromium is not here: the page was not looked at"

mkdir -p "$dir"
cp -f "$src"/* "$src/.npmrc" "$dir"
cd "$dir"
if ! cmp -s package-lock.json installed.json; then
  rm -f installed.json
  # No scripts: no package is to run anything of its own here.
  npm ci --ignore-scripts --prefer-offline > npm.log 2>&1 || {
    cat npm.log
    skip "npm could not install playwright-core: is the registry in reach?"
  }
  cp package-lock.json installed.json
fi

exec env -i PATH="$PATH" HOME="${HOME-/}" TMPDIR="${TMPDIR-/tmp}" KW_BUILDDIR="$build" \
  KW_BROWSER="$browser" node --test "$@" ./*.test.mjs
