"""The shape of a scenario."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import msgspec

from bench.figures import Figure, Floor
from bench.load import Run
from bench.processes import machine_cores
from bench.target import Target


class Measured(msgspec.Struct, frozen=True):
    """What one measurement of one server gave. `stop` says why this server is not asked for the later steps."""

    figures: list[Figure]
    stop: str = ""


class Step(msgspec.Struct, frozen=True):
    """One measurement that is made of each server in turn, `rounds` times."""

    name: str
    measure: Callable[[Target], Awaitable[Measured]]
    rounds: int


class Scenario(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def title(self) -> str: ...

    @property
    def floors(self) -> Sequence[Floor]: ...

    async def prepare(self, target: Target) -> None:
        """Builds what the steps need."""
        ...

    def steps(self) -> list[Step]: ...


def strangers_percent(run: Run) -> float:
    """The machine's CPU that went neither to the server, nor its database, nor the load: noise in the figures."""
    used = run.usage
    others = used.machine - used.server - used.postgres - run.load_seconds
    return max(0.0, others) / (used.at * machine_cores()) * 100
