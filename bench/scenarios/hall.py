"""A hall: hundreds of people in one room whose /sync is parked, and a few messages a second that all of them get."""

from collections.abc import Awaitable, Callable

from bench.api import each
from bench.figures import Better, Floor
from bench.load import Run, run
from bench.scenarios.chat import (
    DRAIN_SECONDS_MAX,
    FLOOR,
    SECONDS_MAX,
    ChatSpec,
    chat_figures,
    chat_job,
    fell_behind,
)
from bench.scenarios.scenario import Measured, Step
from bench.sizes import Sizes
from bench.target import Reader, Target

WARM_RATE, WARM_SECONDS = 2.0, 6.0


class Hall:
    name = "hall"

    def __init__(self, sizes: Sizes) -> None:
        self._sizes = sizes
        self._readers: dict[str, list[Reader]] = {}
        self.title = f"A hall: {sizes.readers} long-polling readers in one room, messages at a fixed rate"
        self.floors = tuple(
            Floor(f"hall/{rate}/cpu_delivered_us", f"{FLOOR} at {rate}/s in one room", 1 / 50, Better.LOWER)
            for rate in sizes.hall_rates
        )

    async def prepare(self, target: Target) -> None:
        users = await target.users(self._sizes.readers)
        room_id = await target.api.create_room(users[0], "a hall")
        at_once = self._sizes.town_joins_at_once
        with target.stage(f"{len(users)} people join one room", len(users)) as advance:
            await each(users[1:], lambda user: target.api.join(user, room_id), at_once, advance)
        with target.stage(f"first sync of {len(users)} readers", len(users)) as advance:
            self._readers[target.name] = await each(users, lambda user: target.reader(user, room_id), advance=advance)
        await self._talk(target, WARM_RATE, WARM_SECONDS)

    def steps(self) -> list[Step]:
        return [Step(f"{rate} messages/s", self._at(rate), self._sizes.rounds) for rate in self._sizes.hall_rates]

    def _at(self, rate: int) -> Callable[[Target], Awaitable[Measured]]:
        async def measure(target: Target) -> Measured:
            outcome = await self._talk(target, rate, self._sizes.chat_seconds)
            return Measured(chat_figures("hall", rate, outcome), fell_behind(rate, outcome.results[0]))

        return measure

    async def _talk(self, target: Target, rate: float, seconds: float) -> Run:
        spec = ChatSpec(target.server.port, self._readers[target.name], rate, seconds)
        outcome = await run(
            chat_job, [spec], target.server.usage, seconds_max=seconds + DRAIN_SECONDS_MAX + SECONDS_MAX
        )
        tokens = outcome.results[0].tokens
        self._readers[target.name] = [one.at(tokens) for one in self._readers[target.name]]
        return outcome
