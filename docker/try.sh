#!/usr/bin/env bash
# Run an image as the platform does, on sample digits below a fake /opt/ml: docker/try.sh vision-image-classification
# Trains one epoch, checks what it leaves, then serves the model and asks it about one image. DOCKER_OPTIONS="--gpus all"
# gives it the GPU.
set -euo pipefail
image=${1:?give the tag of an image-classification image}
work=$(mktemp -d)
container=
trap 'docker rm --force "$container" >/dev/null 2>&1 || true; rm -rf "$work"' EXIT
read -ra options <<<"${DOCKER_OPTIONS:-}"
ml=$work/ml
mkdir -p "$ml"/input/config "$ml"/input/data "$ml"/model "$ml"/output/data

vision sample-data digits "$work/digits"
for channel in train validation; do
    mkdir "$ml/input/data/$channel"
    cp "$work/digits/$channel.rec" "$ml/input/data/$channel/"
done
cat >"$ml/input/config/hyperparameters.json" <<'JSON'
{"num_layers": "20", "image_shape": "3,28,28", "epochs": "1"}
JSON
cat >"$ml/input/config/inputdataconfig.json" <<'JSON'
{"train": {"TrainingInputMode": "File"}, "validation": {"TrainingInputMode": "File"}}
JSON
cat >"$ml/input/config/resourceconfig.json" <<'JSON'
{"current_host": "algo-1", "hosts": ["algo-1"], "network_interface_name": "eth0"}
JSON

docker run --rm --shm-size 1g "${options[@]}" --volume "$ml:/opt/ml" "$image" train
for left in model/model.json output/data/metrics.csv output/data/report/report.html checkpoints/last.ckpt; do
    [[ -f $ml/$left ]] || { echo "the job left no $left" >&2; exit 1; }
done

container=$(docker run --detach --publish 127.0.0.1::8080 "${options[@]}" --volume "$ml/model:/opt/ml/model:ro" "$image" serve)
address=$(docker port "$container" 8080/tcp | head -n 1)
for _ in $(seq 60); do
    curl --silent --fail "http://$address/ping" >/dev/null && break
    sleep 1
done
python -c 'import sys; from PIL import Image; Image.new("RGB", (28, 28)).save(sys.argv[1])' "$work/black.png"
curl --silent --show-error --fail --header 'Content-Type: application/x-image' --data-binary "@$work/black.png" \
    "http://$address/invocations"
echo
echo "the image trains and serves"
