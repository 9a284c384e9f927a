from __future__ import annotations

from pathlib import Path

from vision.sagemaker.hosts import Hosts
from vision.sagemaker.launcher import Launcher
from vision.sagemaker.prefix import Prefix
from vision.settings.run import RunSettings


def test_the_environment_is_torchruns() -> None:
    hosts = Hosts(("algo-1", "algo-2"), "algo-2", "lo")
    launcher = Launcher.plan(hosts, 4, RunSettings(), {"MASTER_PORT": "5000"})
    environment = launcher.environment(3, Prefix(Path("/p")))
    expected = {
        "MASTER_ADDR": "algo-1",
        "MASTER_PORT": "5000",
        "WORLD_SIZE": "8",
        "LOCAL_WORLD_SIZE": "4",
        "RANK": "7",
        "LOCAL_RANK": "3",
        "NODE_RANK": "1",
        "SAGEMAKER_BASE_DIR": "/p",
        "GLOO_SOCKET_IFNAME": "lo",
        "NCCL_SOCKET_IFNAME": "lo",
    }
    assert {name: environment[name] for name in expected} == expected


def test_an_interface_that_this_machine_lacks_is_not_used() -> None:
    hosts = Hosts(("algo-1", "algo-2"), "algo-1", "eth99")
    environment = Launcher.plan(hosts, 1, RunSettings(), {}).environment(0, Prefix(Path("/p")))
    assert "GLOO_SOCKET_IFNAME" not in environment
    assert environment["MASTER_PORT"] == "29400"
