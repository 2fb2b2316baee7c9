"""Which state is asked of many rooms: each union is made once, and there are no more than a connection remembers."""

from collections.abc import Sequence
from typing import Final

from bongsu.core import limits
from bongsu.core.sliding import Required
from bongsu.sync.pieces import Shown

_TOGETHER_MAX: Final = limits.SLIDING_CONFIGS_MAX // 2  # the others are for what is asked later


class Looks:
    """What is asked of rooms by several lists and subscriptions at once."""

    def __init__(self) -> None:
        self._asked: list[Shown] = []
        self._of_room: dict[str, tuple[int, ...]] = {}

    def add(self, asked: Shown) -> int:
        self._asked.append(asked)
        return len(self._asked) - 1

    def show(self, room_id: str, number: int) -> None:
        """number: as add() gave it."""
        present = self._of_room.get(room_id, ())
        if number not in present:
            self._of_room[room_id] = (*present, number)

    def shown(self) -> dict[str, Shown]:
        """One for each room; the same one for all of which the same is asked."""
        merged = {numbers: self._merged(numbers) for numbers in set(self._of_room.values())}
        self._join_states(merged)
        return {room_id: merged[numbers] for room_id, numbers in self._of_room.items()}

    def _merged(self, numbers: tuple[int, ...]) -> Shown:
        """All but the state."""
        asked = [self._asked[number] for number in numbers]
        if len(asked) == 1:
            return asked[0]
        return Shown(
            asked[0].required,
            max(each.limit for each in asked),
            frozenset().union(*(each.lists for each in asked)),
            any(each.is_subscribed for each in asked),
        )

    def _join_states(self, merged: dict[tuple[int, ...], Shown]) -> None:
        """Where lists cross in too many ways, all of their state is asked of all rooms."""
        kinds = {numbers: {self._asked[number].required for number in numbers} for numbers in merged}
        distinct = {frozenset(required) for required in kinds.values()}
        if len(distinct) > _TOGETHER_MAX:
            everything = union([asked.required for asked in self._asked])
            joined = dict.fromkeys(distinct, everything)
        else:
            joined = {some: union(list(some)) for some in distinct}
        for numbers, required in kinds.items():
            shown = merged[numbers]
            merged[numbers] = Shown(joined[frozenset(required)], shown.limit, shown.lists, shown.is_subscribed)


class Growth:
    """What was told of a room and what is asked now. When the connection remembers too many kinds, the rest is one."""

    def __init__(self, present: Sequence[Required]) -> None:
        self._kept = dict.fromkeys(present)
        self._made: dict[tuple[Required, Required], Required] = {}
        self._asked: dict[Required, None] = {}

    def of(self, known: Required, asked: Required) -> Required:
        made = self._made.get((known, asked))
        if made is None:
            self._asked[asked] = None
            made = self._made[known, asked] = self._keep(known.and_also(asked))
        return made

    def _keep(self, required: Required) -> Required:
        if required in self._kept or len(self._kept) < limits.SLIDING_CONFIGS_MAX - 1:
            self._kept[required] = None
            return required
        return union([*self._kept, *self._asked])


def union(states: Sequence[Required]) -> Required:
    if len(states) == 1:
        return states[0]
    return Required(frozenset().union(*(each.pairs for each in states)))
