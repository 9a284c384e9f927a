#!/usr/bin/env bash
# Build the image of one algorithm: docker/build.sh image-classification [TAG] [train|serve]
set -euo pipefail
cd "$(dirname "$0")/.."
algorithm=${1:?give image-classification or object-detection}
tag=${2:-vision-$algorithm}
target=${3:-train}
exec docker build --file docker/Dockerfile --target "$target" --build-arg "ALGORITHM=$algorithm" --tag "$tag" .
