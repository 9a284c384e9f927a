# Sourced after environment.sh: runs the fast tests on another Python, in a virtual environment of its own.

# Tests of real processes, of servers, of long training runs and of the tools around the package: they take minutes and
# hardly depend on the Python.
slow_tests=(
    aws contract docker gpu sweeps test_benchmark.py test_packaging.py test_readme.py test_scripts.py
    api/test_run_troubles.py api/test_signals.py cli/test_export.py cli/test_sweep_run.py training/test_resume.py
)
slow_names='two_processes or container_trains'

# Prints the path of an interpreter of version $1, 3.13 for example: one of this machine, else one that uv can download.
find_version() {
    local candidate
    for candidate in "python$1" "${PYENV_ROOT:-$HOME/.pyenv}/versions/$1".*/bin/python; do
        if "$candidate" -c 'import sys, venv; sys.exit("%d.%d" % sys.version_info[:2] != sys.argv[1])' "$1" 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    "$venv/bin/python" -m uv python install --quiet "$1" 2>/dev/null &&
        "$venv/bin/python" -m uv python find --managed-python "$1" 2>/dev/null
}

# Runs the fast tests on Python $1, or on the newest that can be had; further words go to pytest.
run_fast_tests() {
    local versions=(3.14 3.13 3.12) version='' python='' other stamp wanted
    if [[ ${1:-} == 3.* ]]; then
        versions=("$1")
        shift
    fi
    for version in "${versions[@]}"; do
        python=$(find_version "$version") && break
    done
    if [[ -z $python ]]; then
        echo "== skipped: none of Python ${versions[*]} is on this machine or can be downloaded by uv"
        return
    fi
    other=$root/.venv-python$version
    stamp=$other/.vision-dev
    wanted="$root $(cksum <"$root/pyproject.toml")"
    if [[ ! -f $stamp || $(<"$stamp") != "$wanted" ]]; then
        echo "making the virtual environment $other with $("$python" --version)"
        "$venv/bin/python" -m uv venv --quiet --clear --python "$python" "$other"
        "$venv/bin/python" -m uv pip install --quiet --python "$other/bin/python" --editable "$root[dev]"
        echo "$wanted" >"$stamp"
    fi
    echo "== the fast tests on $("$other/bin/python" --version)"
    PATH=$other/bin:$PATH OMP_NUM_THREADS=1 "$other/bin/python" -m pytest -n auto --dist loadfile \
        "${slow_tests[@]/#/--ignore=tests/}" -k "not ($slow_names)" "$@"
}
