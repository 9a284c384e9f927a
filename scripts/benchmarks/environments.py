"""The peers' environments: made when a peer is first asked for, by the scripts that the checks use too."""

from __future__ import annotations

import subprocess
import sys

from contestant import ROOT

# Peer -> (script, its function, the variable that names its Python, what it is called, version included).
_SCRIPTS = {
    "mxnet": ("mxnet_environment.sh", "install_mxnet", "VISION_MXNET_PYTHON", "MXNet 1.9.1"),
    "dali": ("dali_environment.sh", "install_dali", "VISION_DALI_PYTHON", "NVIDIA DALI"),
}


class Environments:
    """Python of each wanted peer, by name; those that cannot be installed are left out, after one sentence."""

    def __init__(self, peers: tuple[str, ...]) -> None:
        unknown = set(peers) - set(_SCRIPTS)
        if unknown:
            raise SystemExit(f"peers={','.join(peers)}: give any of {', '.join(_SCRIPTS)}, or nothing for none")
        self._wanted = peers
        self._found: dict[str, str | None] = {}

    def python(self, peer: str) -> str | None:
        """Its interpreter; None if the peer is not wanted or not to be had here."""
        if peer not in self._wanted:
            return None
        if peer not in self._found:
            self._found[peer] = _install(peer)
        return self._found[peer]


def _install(peer: str) -> str | None:
    script, function, variable, title = _SCRIPTS[peer]
    command = f'source scripts/environment.sh; source scripts/{script}; {function} >&2; echo "${variable}"'
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        print(f"{title} cannot be installed here (see above), so it is not compared with.", file=sys.stderr)
        return None
    return done.stdout.split()[-1]
