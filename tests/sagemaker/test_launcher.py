from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.free_ports import free_port
from vision.sagemaker.hosts import Hosts
from vision.sagemaker.launcher import Launcher
from vision.sagemaker.prefix import Prefix
from vision.settings.errors import UserError
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


@pytest.mark.parametrize("given", ["http", "-1", "0", "65535", "5000.0"])
def test_what_is_no_port_is_a_sentence(given: str) -> None:
    with pytest.raises(UserError, match="is no port; allowed are numbers from 1 to 65534"):
        Launcher.plan(Hosts(("algo-1",), "algo-1"), 2, RunSettings(), {"MASTER_PORT": given})


@pytest.mark.parametrize("taken", [0, 1])
def test_a_port_that_is_taken_is_a_sentence(taken: int, tmp_path: Path) -> None:
    port = free_port(following=1)
    launcher = Launcher.plan(Hosts(("algo-1",), "algo-1"), 2, RunSettings(), {"MASTER_PORT": str(port)})
    with (
        socket.create_server(("", port + taken)),
        pytest.raises(
            UserError, match=f"port {port + taken} of machine algo-1, at which .* set MASTER_PORT to another"
        ),
    ):
        launcher.run(Prefix(tmp_path))
