#!/bin/sh
# Installs Debian packages where that is allowed (root and apt), else names them and stops.
set -eu
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "installing $* with apt-get"
  export DEBIAN_FRONTEND=noninteractive
  # A package's own service is not wanted: tests start what they need, on loopback.
  if [ ! -e /usr/sbin/policy-rc.d ]; then
    printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d && chmod +x /usr/sbin/policy-rc.d
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
  fi
  apt-get update -qq && apt-get install -y -qq --no-install-recommends "$@" >/dev/null
else
  echo "missing: $*. Install with: sudo apt-get install $*" >&2
  exit 2
fi
