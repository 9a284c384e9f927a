# Sourced after environment.sh: gives the tests a virtual environment with TrackEval and Roboflow's trackers, which
# bring another OpenCV than ours.

tracking_venv=${VISION_TRACKING_VENV:-$root/.venv-tracking}
export VISION_TRACKING_PYTHON=$tracking_venv/bin/python

install_tracking_peers() {
    local stamp=$tracking_venv/.trackeval-1.3.0-trackers-2.6.1
    if [[ ! -f $stamp ]]; then
        echo "making the virtual environment $tracking_venv with TrackEval and trackers"
        "$venv/bin/python" -m uv venv --quiet --clear --python 3.11 "$tracking_venv"
        "$venv/bin/python" -m uv pip install --quiet --python "$VISION_TRACKING_PYTHON" trackeval==1.3.0 trackers==2.6.1
        touch "$stamp"
    fi
}
