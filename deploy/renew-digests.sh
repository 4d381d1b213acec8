#!/bin/sh
# Writes the digest that NAME:TAG has now in its registry into each NAME:TAG@sha256:... of the files given (the Dockerfile
# and the Compose file unless any are), and prints which changed. Look at the difference, build, test, and commit it.
# It needs crane, skopeo, or docker with buildx, and the registry that they are set up for.
#   sh deploy/renew-digests.sh [FILE...]
set -eu
[ $# -gt 0 ] || set -- "$(dirname "$0")/Dockerfile" "$(dirname "$0")/compose.yaml"

# The digest of the index of all platforms where there is one, so that one line serves all of them.
digest() {
  if command -v crane >/dev/null; then
    crane digest "$1"
  elif command -v skopeo >/dev/null; then
    skopeo inspect --no-tags --format '{{.Digest}}' "docker://$1"
  elif docker buildx version >/dev/null 2>&1; then
    docker buildx imagetools inspect --format '{{.Manifest.Digest}}' "$1"
  else
    echo "renew-digests.sh: it needs crane, skopeo, or docker with buildx: install one of them" >&2
    return 2
  fi
}

images=$(grep -ohE '[a-z0-9][a-zA-Z0-9._/:-]*:[a-zA-Z0-9._-]+@sha256:[0-9a-f]{64}' "$@" | sort -u)
if [ -z "$images" ]; then
  echo "renew-digests.sh: no NAME:TAG@sha256:... in $*" >&2
  exit 2
fi
scratch=$(mktemp)
trap 'rm -f "$scratch"' EXIT
for image in $images; do
  name=${image%@*}
  was=${image#*@}
  is=$(digest "$name")
  if ! printf '%s\n' "$is" | grep -qxE 'sha256:[0-9a-f]{64}'; then
    echo "renew-digests.sh: no digest of $name: the answer was '$is'" >&2
    exit 1
  fi
  if [ "$is" = "$was" ]; then
    echo "$name is still $was"
    continue
  fi
  echo "$name is now $is, was $was"
  for file in "$@"; do
    # Written in place (sed -i is not the same everywhere), so that the file keeps its mode.
    sed "s|$image|$name@$is|g" "$file" > "$scratch"
    cat "$scratch" > "$file"
  done
done
