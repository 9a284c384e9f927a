#!/usr/bin/env bash
# Build the image of one algorithm: docker/build.sh image-classification [TAG] [train|serve]
set -euo pipefail
cd "$(dirname "$0")/.."
algorithm=${1:?give an algorithm, such as image-classification}
tag=${2:-vision-$algorithm}
target=${3:-train}
exec docker build --file docker/Dockerfile --target "$target" --build-arg "ALGORITHM=$algorithm" --tag "$tag" .
