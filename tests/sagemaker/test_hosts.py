from __future__ import annotations

from typing import Any

import pytest

from vision.sagemaker.hosts import Hosts
from vision.settings.errors import UserError

GROUPS = [
    {"instance_group_name": "a", "instance_type": "ml.p3.2xlarge", "hosts": ["algo-2"]},
    {"instance_group_name": "b", "instance_type": "ml.p3.2xlarge", "hosts": ["algo-1", "algo-3"]},
]
# Contract 7.4 and 7.9: the platform's, a heterogeneous cluster's, local mode's, none.
FILES: list[tuple[dict[str, Any], tuple[str, ...], int, str | None]] = [
    (
        {"current_host": "algo-2", "hosts": ["algo-1", "algo-2"], "network_interface_name": "eth0"},
        ("algo-1", "algo-2"),
        1,
        "eth0",
    ),
    ({"current_host": "algo-10", "hosts": ["algo-2", "algo-10"]}, ("algo-10", "algo-2"), 0, None),
    ({"current_host": "algo-3", "instance_groups": GROUPS}, ("algo-1", "algo-2", "algo-3"), 2, None),
    ({"current_host": "algo-1-x7k2p", "hosts": ["algo-1-x7k2p"], "topology": None}, ("algo-1-x7k2p",), 0, None),
    ({"hosts": ["only"]}, ("only",), 0, None),
    ({}, ("algo-1",), 0, None),
]


@pytest.mark.parametrize(("config", "names", "rank", "interface"), FILES)
def test_every_variant_of_the_file(
    config: dict[str, Any], names: tuple[str, ...], rank: int, interface: str | None
) -> None:
    hosts = Hosts.read(config)
    assert (hosts.names, hosts.rank, hosts.interface, hosts.master) == (names, rank, interface, names[0])


WRONG: list[dict[str, Any]] = [
    {"hosts": "algo-1", "current_host": "algo-1"},
    {"hosts": ["algo-1", 2], "current_host": "algo-1"},
    {"hosts": ["algo-1", "algo-2"], "current_host": "algo-3"},
    {"hosts": ["algo-1", "algo-2"]},
    {"hosts": {"algo-1": 1}, "current_host": "algo-1"},
    {"hosts": [["algo-1"]], "current_host": "algo-1"},
    {"hosts": [""], "current_host": ""},
    {"hosts": 7, "current_host": 7},
    {"current_host": 7},
    {"current_host": ["algo-1"], "hosts": ["algo-1"]},
    {"instance_groups": "algo-1", "current_host": "algo-1"},
    {"instance_groups": ["algo-1"], "current_host": "algo-1"},
    {"instance_groups": [{"hosts": "algo-1"}], "current_host": "algo-1"},
    {"instance_groups": [{"hosts": 7}], "current_host": "algo-1"},
    {"instance_groups": [{"instance_group_name": "a"}], "current_host": "algo-1"},
    {"instance_groups": [{"hosts": [1, 2]}], "current_host": "algo-1"},
    {"instance_groups": [{"hosts": ["algo-2"]}], "current_host": "algo-1"},
]


@pytest.mark.parametrize("config", WRONG)
def test_a_file_that_contradicts_itself_is_a_sentence(config: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"resourceconfig.json has (hosts|current_host|instance_groups)"):
        Hosts.read(config)
