#!/bin/sh
# Passes manifests on if every image in them is named by its digest, else says which are not and passes on nothing:
#   kubectl kustomize . | sh pinned.sh | kubectl apply -f -
set -eu
manifests=$(cat)
images=$(printf '%s\n' "$manifests" | sed -n 's/^[ -]*image: *//p' | tr -d "\"'")
if [ -z "$images" ]; then
  echo "pinned.sh: there is no image in these manifests: give it what 'kubectl kustomize' prints" >&2
  exit 1
fi
loose=$(printf '%s\n' "$images" | grep -vE '@sha256:[0-9a-f]{64}$' || true)
placeholder=$(printf '%s\n' "$images" | grep -E '@sha256:0{64}$' || true)
if [ -n "$loose$placeholder" ]; then
  echo "pinned.sh: these images are not named by a digest of yours:" >&2
  printf '%s\n' "$loose" "$placeholder" | sort -u | sed -n 's/^./  &/p' >&2
  echo "set 'newName' and 'digest' under 'images' in your kustomization.yaml: 'docker push' prints the digest" >&2
  exit 1
fi
printf '%s\n' "$manifests"
