#!/usr/bin/env bash
# Trains a first model on data that needs no download and shows what came of it.
# Usage: scripts/quickstart.sh [detection]
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

kind=${1:-classification}
case $kind in
classification | detection) ;;
*)
    echo "quickstart.sh knows 'classification' (the default) and 'detection', but was given '$kind'." >&2
    exit 2
    ;;
esac

install_vision quickstart
cd "$root"
vision() {
    echo "+ vision $*"
    "$venv/bin/vision" "$@"
}

if [[ $kind == classification ]]; then
    data=runs/sample-data/digits
    vision sample-data digits "$data"
    vision train algorithm=image_classification \
        channels.train="$data/train.rec" channels.validation="$data/validation.rec" \
        run.class_names="$data/classes.txt" \
        hp.num_classes=10 hp.num_training_samples=1438 hp.num_layers=20 hp.image_shape=3,28,28 \
        hp.epochs=8 hp.mini_batch_size=64 hp.learning_rate=0.1 hp.lr_scheduler_step=5,7
else
    data=runs/sample-data/scenes
    vision sample-data scenes "$data" train=600 validation=120 classes=3
    vision train algorithm=object_detection \
        channels.train="$data/train.rec" channels.validation="$data/validation.rec" \
        run.class_names="$data/classes.txt" \
        hp.num_classes=3 hp.num_training_samples=600 hp.base_network=resnet-18 hp.use_pretrained_model=0 \
        hp.epochs=8 hp.mini_batch_size=16 hp.learning_rate=0.01 hp.lr_scheduler_step=6,7
fi
