#!/bin/sh
# The local broker is Apache Kafka itself: Java 17 or newer runs it, Maven fetches its jars.
set -eu
here=$(dirname "$0")
missing=""
major=$(java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n 1)
[ "${major:-0}" -ge 17 ] || missing="openjdk-17-jre-headless"
command -v mvn >/dev/null || missing="$missing maven"
[ -z "$missing" ] && exit 0
echo "the local Kafka broker needs Java 17 or newer and Maven (or set KAFKA_BOOTSTRAP to a cluster of your own)" >&2
# shellcheck disable=SC2086
exec sh "$here/../need-debian.sh" $missing
