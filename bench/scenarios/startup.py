"""Start-up: from the process's start until it answers."""

from bench.figures import Figure
from bench.scenarios.scenario import Measured, Step
from bench.sizes import Sizes
from bench.target import Target


class Startup:
    name = "startup"
    title = "Start-up: from the process's start to the first answer"
    floors = ()

    def __init__(self, sizes: Sizes) -> None:
        self._sizes = sizes

    async def prepare(self, target: Target) -> None:
        """Nothing: the database holds what the other scenarios left."""

    def steps(self) -> list[Step]:
        first = Step("first start, empty database", self._first, 1)
        return [first, Step("next start", self._next, self._sizes.starts)]

    async def _first(self, target: Target) -> Measured:
        seconds = target.first_start_seconds
        return Measured([Figure("startup/first_ms", "First start, makes its tables", seconds * 1e3, "ms")])

    async def _next(self, target: Target) -> Measured:
        seconds = await target.server.restart()
        return Measured([Figure("startup/next_ms", "Next start", seconds * 1e3, "ms")])
