# Sourced by the other scripts: gives them a virtual environment with this package in it. Needs Python 3.11+ only.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=${VISION_VENV:-$root/.venv}

# Python reads the path of an editable install in the locale's encoding: in plain ASCII it could not start in a folder
# whose name has an umlaut.
if [[ $root == *[!\ -~]* && ${LC_ALL:-} == @(C|POSIX) ]]; then
    export LC_ALL=C.UTF-8
fi

# A command of that name may be a stub or too old, so each is asked.
find_python() {
    local candidate
    for candidate in python3 python3.13 python3.12 python3.11 python3.14 python; do
        if "$candidate" -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
            echo "$candidate"
            return
        fi
    done
    echo "Python 3.11 or later is needed, but python3 is $(python3 --version 2>&1 || true):" \
        "install Python 3.11, 3.12 or 3.13 and put it on the PATH." >&2
    return 1
}

make_venv() {
    local python
    python=$(find_python)
    echo "making the virtual environment $venv with $("$python" --version)"
    # Debian's Python comes without ensurepip; its pip can still serve the new environment.
    if "$python" -c 'import ensurepip' 2>/dev/null; then
        "$python" -m venv "$venv"
    else
        "$python" -m venv --without-pip "$venv"
        "$python" -m pip --python "$venv/bin/python" install --quiet pip
    fi
}

# Installs this checkout with the extras $1, "quickstart" for example, unless that has been done.
install_vision() {
    local extras=$1 wanted stamp
    wanted="$root $(cksum <"$root/pyproject.toml")"
    for stamp in "$venv/.vision-$extras" "$venv/.vision-dev"; do
        if [[ -f $stamp && $(<"$stamp") == "$wanted" ]]; then
            return
        fi
    done
    "$venv/bin/python" -c '' 2>/dev/null || make_venv
    "$venv/bin/python" -m uv --version >/dev/null 2>&1 || "$venv/bin/python" -m pip install --quiet uv
    echo "installing vision[$extras] into $venv (PyTorch is large)"
    # One command, so that torch and torchvision come from the same index and fit each other.
    "$venv/bin/python" -m uv pip install --quiet --python "$venv/bin/python" --editable "$root[$extras]"
    echo "$wanted" >"$venv/.vision-$extras"
}
