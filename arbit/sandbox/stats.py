"""Counters of what the sandbox has done, for tests and the control face."""

from dataclasses import asdict, dataclass


@dataclass(slots=True)
class Stats:
    """Everything counts up from the server's start."""

    connects: int = 0
    refused_connects: int = 0
    disconnects: int = 0
    requests: int = 0
    bad_requests: int = 0
    subscriptions: int = 0
    unsubscriptions: int = 0
    frames_sent: int = 0
    frames_withheld: int = 0
    snapshots_sent: int = 0
    updates_sent: int = 0
    heartbeats_sent: int = 0
    slow_clients_closed: int = 0
    idle_clients_closed: int = 0
    rest_calls: int = 0
    level_changes: int = 0
    faults_used: int = 0

    def as_json(self) -> dict[str, int]:
        """The counters by name."""
        return asdict(self)
