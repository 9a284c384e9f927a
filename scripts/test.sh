#!/usr/bin/env bash
# Sets up an environment and runs every check: style, types, layers, tests. Arguments go to pytest.
# "test.sh interop" instead compares with the real MXNet, "test.sh dali" the DALI loader with the standard one,
# "test.sh tracking" the tracks in videos with TrackEval and a peer, and "test.sh aws" runs SageMaker's SDKs and the AWS
# CLI against vision aws, in environments of their own. "test.sh gpu" tries what runs on a GPU, where there is one, and on
# the CPU the tests of it; with VISION_PYTHON=python3 by the interpreter at hand, into which nothing is installed.
# "test.sh python 3.13" runs the fast tests on another Python (without a version: the newest that can be had), and
# "test.sh names" one check alone.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

cd "$root"
if [[ ${1:-} == gpu && -n ${VISION_PYTHON:-} ]]; then
    export PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}"
    python=$VISION_PYTHON
else
    install_vision dev
    export PATH="$venv/bin:$PATH"
    python=python
fi
# Tests start dozens of processes; each would compile PyTorch and the rest again, which takes longer than the tests.
unset PYTHONDONTWRITEBYTECODE

if [[ ${1:-} == gpu ]]; then
    folders=(tests/gpu)
    "$python" -c 'import nvidia.dali' 2>/dev/null && folders+=(tests/interop_dali)
    echo "== the GPU's tests: ${folders[*]}"
    export VISION_GPU_TESTS=1
    exec "$python" -m pytest "${folders[@]}" -rA --durations=0 "${@:2}"
fi

if [[ ${1:-} == interop ]]; then
    source scripts/mxnet_environment.sh
    install_mxnet
    exec python -m pytest tests/interop_mxnet -rA --durations=0 "${@:2}"
fi

if [[ ${1:-} == dali ]]; then
    source scripts/dali_environment.sh
    install_dali
    exec "$VISION_DALI_PYTHON" -m pytest tests/interop_dali -rA --durations=0 "${@:2}"
fi

if [[ ${1:-} == tracking ]]; then
    source scripts/tracking_environment.sh
    install_tracking_peers
    exec python -m pytest tests/interop_tracking -rA --durations=0 "${@:2}"
fi

if [[ ${1:-} == aws ]]; then
    source scripts/aws_environment.sh
    install_aws_clients
    # The clients sleep most of the time.
    exec python -m pytest tests/interop_aws -n 4 -rA --durations=0 "${@:2}"
fi

if [[ ${1:-} == python ]]; then
    source scripts/python_environment.sh
    run_fast_tests "${@:2}"
    exit
fi

failed=()
check() {
    echo "== $*"
    "$@" || failed+=("$*")
}
# Processes that share the tests must collect the same ones: nothing in their names may come from the clock, a hash, the
# locale, the user or a folder. The first list is long complete when the second is begun.
same_tests_twice() {
    local lists
    lists=$(mktemp -d)
    PYTHONHASHSEED=1 collect >"$lists/first"
    mkdir "$lists/elsewhere"
    env -u HOME -u LC_ALL LANG=C TZ=Asia/Kathmandu TMPDIR="$lists/elsewhere" PYTHONHASHSEED=2 bash -c "$(declare -f collect); collect" \
        >"$lists/second"
    diff "$lists/first" "$lists/second" && echo "$(wc -l <"$lists/first") names, twice the same"
    local status=$?
    rm -r "$lists"
    return $status
}
collect() {
    python -m pytest --collect-only 2>&1 | grep -v 'tests collected in'
}
if [[ ${1:-} == names ]]; then
    same_tests_twice
    exit
fi
check ruff check .
check ruff format --check .
check mypy
check lint-imports
check same_tests_twice
if ((${#failed[@]})); then
    printf 'FAILED: %s\n' "${failed[@]}" >&2
fi
echo "== pytest $*"
# One process a core, and one thread in each: threads of several processes on the same cores wait for each other.
OMP_NUM_THREADS=1 python -m pytest -n auto --dist loadfile "$@" || failed+=(pytest)
exit $((${#failed[@]} > 0))
