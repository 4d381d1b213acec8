#!/bin/sh
# Installs Debian packages where that is allowed (root and apt), else names them and stops.
set -eu
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "installing $* with apt-get"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq && apt-get install -y -qq --no-install-recommends "$@" >/dev/null
else
  echo "missing: $*. Install with: sudo apt-get install $*" >&2
  exit 2
fi
