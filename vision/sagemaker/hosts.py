"""resourceconfig.json: which machines work on this job, and which of them this one is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from vision.settings.errors import UserError

FILE = "resourceconfig.json"


@dataclass(frozen=True)
class Hosts:
    """Names of all machines, sorted; the first one is the master. ``interface`` is their network's, if stated."""

    names: tuple[str, ...] = ("algo-1",)
    current: str = "algo-1"
    interface: str | None = None

    @classmethod
    def read(cls, config: Mapping[str, object]) -> Hosts:
        """Read the platform's file or that of local mode; an empty one means a single machine. Raises UserError."""
        names = config.get("hosts") or _hosts_of_groups(config.get("instance_groups") or [])
        current = config.get("current_host")
        if not names:
            names = [current or "algo-1"]
        if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
            raise UserError(f"{FILE} has hosts {names!r:.200}, which must be a list of host names")
        if current is None and len(names) == 1:
            current = names[0]
        if not isinstance(current, str) or current not in names:
            raise UserError(f"{FILE} has current_host {current!r:.100}, which is none of its hosts {names!r:.200}")
        interface = config.get("network_interface_name")
        return cls(tuple(sorted(set(names))), current, interface if isinstance(interface, str) else None)

    @property
    def master(self) -> str:
        return self.names[0]

    @property
    def rank(self) -> int:
        """Return the index of this machine in ``names``."""
        return self.names.index(self.current)


def _hosts_of_groups(groups: object) -> list[object]:
    """Return all hosts of a heterogeneous cluster, whose file lists them by group. Raises UserError."""
    lists = [group.get("hosts") if isinstance(group, dict) else None for group in _list_of(groups)]
    return [name for names in lists for name in _list_of(names)]


def _list_of(value: object) -> list[object]:
    if not isinstance(value, list):
        raise UserError(
            f"{FILE} has instance_groups with {value!r:.100}, which must be a list of groups that each have hosts, a "
            "list of host names"
        )
    return value
