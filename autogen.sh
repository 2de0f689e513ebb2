#!/bin/sh
# Makes configure and the Makefile.in files from configure.ac and Makefile.am.
# Needed once after a checkout from git, never for a release's tarball.
set -eu
cd "$(dirname "$0")"

missing=
for tool in autoconf automake pkg-config; do
  command -v "$tool" >/dev/null 2>&1 || missing="$missing $tool"
done
command -v libtoolize >/dev/null 2>&1 || missing="$missing libtool"
if [ -n "$missing" ]; then
  echo "autogen.sh: missing:$missing" >&2
  echo "  Debian, Ubuntu: apt-get install autoconf automake libtool pkg-config" >&2
  echo "  Fedora:         dnf install autoconf automake libtool pkgconf-pkg-config" >&2
  exit 1
fi

# Git keeps no empty folders, and autoreconf wants to find this one.
mkdir -p build-aux
autoreconf --install --force --warnings=all,no-obsolete
echo "autogen.sh: done; next: mkdir -p build && cd build && ../configure && make"
