#!/usr/bin/env bash
# Tries and measures everything that needs a GPU, in two commands of at most nine minutes each:
#   scripts/gpu_report.sh 1 [wheels=FOLDER] [output=FOLDER] [size=full|tiny]
#   scripts/gpu_report.sh 2 [cifar=FOLDER of train.rec and validation.rec] [epochs=N] ...
# Works by the interpreter at hand (VISION_PYTHON, or python3). What that lacks is taken from the folder of wheels, which
# for a Python with torch, torchvision, pytorch-lightning, torchmetrics, numpy, opencv-python-headless, pyyaml and pytest
# are those of hydra-core, omegaconf, antlr4-python3-runtime, albumentations, albucore, simsimd, stringzilla, pydantic,
# pydantic-core, annotated-types, typing-inspection, faster-coco-eval, pycocotools, starlette, uvicorn and httptools:
# about 20 MB. NVIDIA DALI, some hundred MB, is too large to carry along and is measured where it is installed.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
part=${1:-}
if [[ $part != 1 && $part != 2 ]]; then
    echo "gpu_report.sh makes its report in two parts, but was given '$part': give 1, then 2" >&2
    exit 2
fi
python=${VISION_PYTHON:-python3}
wheels='' output=$root/runs/gpu-report
for word in "${@:2}"; do
    case $word in
        wheels=*) wheels=${word#*=} ;;
        output=*) output=${word#*=} ;;
    esac
done
mkdir -p "$output"
export PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}" VISION_PYTHON=$python NO_ALBUMENTATIONS_UPDATE=1
if [[ -n $wheels ]]; then
    # Behind what is installed: nothing there is replaced.
    "$python" -m pip install --quiet --no-index --no-deps --upgrade --target "$output/packages" "$wheels"/*.whl ||
        echo "some of the wheels in $wheels do not fit $("$python" --version); going on without" >&2
    export PYTHONPATH="$PYTHONPATH:$output/packages"
fi
exec "$python" scripts/gpu_report.py "$part" output="$output" "${@:2}"
