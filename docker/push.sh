#!/usr/bin/env bash
# Push an image to a registry and print the calls that use it there:
# docker/push.sh REGISTRY/REPOSITORY:TAG image-classification [LOCAL TAG]
set -euo pipefail
cd "$(dirname "$0")/.."
uri=${1:?give the full name in the registry, such as ACCOUNT.dkr.ecr.REGION.amazonaws.com/vision:latest}
algorithm=${2:?give an algorithm, such as image-classification}
docker tag "${3:-vision-$algorithm}" "$uri"
docker push "$uri"
exec python -m vision.sagemaker.sdk_calls "$algorithm" "$uri"
