#!/usr/bin/env bash
# Trains a first model on data that needs no download and shows what came of it.
# Usage: scripts/quickstart.sh [classification|detection|segmentation]
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

kind=${1:-classification}
if [[ $kind != @(classification|detection|segmentation) ]]; then
    echo "quickstart.sh knows 'classification' (the default), 'detection' and 'segmentation', but was given '$kind'." >&2
    exit 2
fi

install_vision quickstart
cd "$root"
output=runs/quickstart-$kind/$(date +%Y-%m-%d_%H-%M-%S)
vision() {
    echo "+ vision $*"
    "$venv/bin/vision" "$@"
}

if [[ $kind == classification ]]; then
    data=runs/sample-data/digits
    vision sample-data digits "$data"
    vision train algorithm=image_classification \
        channels.train="$data/train.rec" channels.validation="$data/validation.rec" \
        hp.num_layers=20 hp.image_shape=3,28,28 \
        hp.epochs=8 hp.mini_batch_size=64 hp.learning_rate=0.1 hp.lr_scheduler_step=5,7 \
        run.output="$output"
elif [[ $kind == detection ]]; then
    data=runs/sample-data/scenes
    vision sample-data scenes "$data" train=480 validation=96 classes=3
    vision train algorithm=object_detection \
        channels.train="$data/train.rec" channels.validation="$data/validation.rec" \
        hp.base_network=resnet-18 hp.use_pretrained_model=0 \
        hp.epochs=6 hp.mini_batch_size=8 hp.optimizer=adam hp.learning_rate=0.001 hp.lr_scheduler_step=5 \
        run.output="$output"
else
    data=runs/sample-data/shapes
    vision sample-data shapes "$data" train=240 validation=48
    vision train algorithm=semantic_segmentation \
        channels.train="$data/train" channels.train_annotation="$data/train_annotation" \
        channels.validation="$data/validation" channels.validation_annotation="$data/validation_annotation" \
        hp.backbone=resnet-18 hp.use_pretrained_model=0 hp.base_size=128 hp.crop_size=128 \
        hp.epochs=8 hp.mini_batch_size=8 hp.optimizer=adam \
        run.output="$output"
fi

echo
echo "Look at the report (curves, confusion, mistakes): $root/$output/report/report.html"
echo "Use the model: $venv/bin/vision predict model=$root/$output IMAGES"
"$venv/bin/python" - "$output/report/evaluation.json" <<'PYTHON'
import json, sys

name, value = next(iter(json.load(open(sys.argv[1]))["metrics"].items()))
print(f"validation {name}: {value:.2%}")
PYTHON
