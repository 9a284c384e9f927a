# Sourced after environment.sh: gives the tests and benchmarks a virtual environment with this package and NVIDIA DALI.

dali_venv=${VISION_DALI_VENV:-$root/.venv-dali}
export VISION_DALI_PYTHON=$dali_venv/bin/python

install_dali() {
    local stamp=$dali_venv/.vision-dali wanted
    wanted="$root $(cksum <"$root/pyproject.toml")"
    if [[ ! -f $stamp || $(<"$stamp") != "$wanted" ]]; then
        echo "making the virtual environment $dali_venv with NVIDIA DALI (several hundred MB)"
        "$venv/bin/python" -m uv venv --quiet --clear --python "$venv/bin/python" "$dali_venv"
        "$venv/bin/python" -m uv pip install --quiet --python "$VISION_DALI_PYTHON" \
            --editable "$root[dali]" 'pytest>=8' 'pytest-timeout>=2.3'
        echo "$wanted" >"$stamp"
    fi
    "$VISION_DALI_PYTHON" -c 'import nvidia.dali'
}
