# shellcheck shell=sh
# For suites of Node's own test runner, to be sourced.
#
# begin_suite NAME: copies tests/NAME/, with what all have in common, below the build
# folder, and gets its packages there, once, at the versions and with the checksums of
# its package-lock.json; from then on nothing is fetched.  Ends in that folder.
# run_tests [VARIABLE=VALUE...] COMMAND...: in its place, with nothing of whoever runs
# it: OPENAI_BASE_URL and the like.

src=$(cd "${KW_SRCDIR:-.}" && pwd)/tests
build=$(cd "${KW_BUILDDIR:-.}" && pwd)

skip ()
{
  echo "$*"
  if [ -n "${KW_NO_SKIP-}" ]; then
    exit 1
  fi
  exit 77
}

begin_suite ()
{
  for tool in node npm; do
    command -v $tool > /dev/null || skip "$tool is not here: nothing was tried"
  done
  major=$(node -p 'process.versions.node.split(".")[0]')
  [ "$major" -ge 18 ] || skip "node is $(node --version); 18 or newer is needed"

  mkdir -p "$build/$1"
  cd "$build/$1" || exit 1
  cp -f "$src/npm"/*.mjs "$src/$1"/* "$src/$1/.npmrc" .
  if ! cmp -s package-lock.json installed.json; then
    rm -f installed.json
    # No scripts: no package is to run anything of its own here.
    npm ci --ignore-scripts --prefer-offline > npm.log 2>&1 || {
      cat npm.log
      skip "npm could not install the packages of tests/$1: is the registry in reach?"
    }
    cp package-lock.json installed.json
  fi
}

run_tests ()
{
  exec env -i PATH="$PATH" HOME="${HOME-/}" TMPDIR="${TMPDIR-/tmp}" KW_BUILDDIR="$build" "$@"
}
