# Sourced after environment.sh: gives the tests a second virtual environment with the real MXNet, which needs NumPy 1,
# and SageMaker's SDK, which needs an older protobuf than ours.

mxnet_venv=${VISION_MXNET_VENV:-$root/.venv-mxnet}
export VISION_MXNET_PYTHON=$mxnet_venv/bin/python

# MXNet's library is linked against these two, which its wheel does not bring.
install_mxnet_libraries() {
    local wanted=()
    PATH=$PATH:/sbin ldconfig -p | grep -q 'libgomp\.so\.1' || wanted+=(libgomp1)
    PATH=$PATH:/sbin ldconfig -p | grep -q 'libquadmath\.so\.0' || wanted+=(libquadmath0)
    if ((${#wanted[@]})); then
        echo "MXNet needs the system libraries ${wanted[*]}, which are missing: trying apt-get install"
        apt-get install --yes --quiet "${wanted[@]}" || {
            apt-get update --quiet && apt-get install --yes --quiet "${wanted[@]}"
        } || {
            echo "They cannot be installed here: install ${wanted[*]} (Debian's names) and run this again." >&2
            return 1
        }
    fi
}

install_mxnet() {
    local stamp=$mxnet_venv/.mxnet-1.9.1-opencv-sdk opencv
    install_mxnet_libraries
    if [[ ! -f $stamp ]]; then
        echo "making the virtual environment $mxnet_venv with MXNet 1.9.1"
        "$venv/bin/python" -m uv venv --quiet --clear --python 3.11 "$mxnet_venv"
        "$venv/bin/python" -m uv pip install --quiet --python "$mxnet_venv/bin/python" \
            mxnet==1.9.1 'numpy>=1.26.4,<2' 'protobuf<7'
        # Of the SDK we need the reader of records alone, which does without the many packages that it requires.
        # MXNet's im2rec encodes with OpenCV: ours, so that bytes can be compared. It works with NumPy 1, too, whatever
        # its metadata say.
        opencv=$("$venv/bin/python" -c "from importlib.metadata import version as v; print(v('opencv-python-headless'))")
        "$venv/bin/python" -m uv pip install --quiet --python "$mxnet_venv/bin/python" --no-deps \
            "opencv-python-headless==$opencv" sagemaker==2.257.7
        touch "$stamp"
    fi
    PYTHONPATH=$root "$VISION_MXNET_PYTHON" -c 'from tests.interop_mxnet.mxnet_shim import import_mxnet; import_mxnet()'
}
