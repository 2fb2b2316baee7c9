"""How much of everything: a quick run to see that nothing broke, a full run for figures to quote."""

import msgspec


class Sizes(msgspec.Struct, frozen=True):
    rounds: int  # A, B, A, B: how often each server is measured; the median counts
    group_members: int  # people in a chat room
    senders: int  # connections of the durable-send scenario
    send_rooms: int
    send_seconds: float
    warm_seconds: float
    readers: int  # long-polling people in the chat scenario
    chat_rates: tuple[int, ...]  # messages per second, rising
    chat_seconds: float
    hall_rates: tuple[int, ...]  # messages per second to all readers, rising
    heavy_rooms: int
    heavy_events: int  # per room
    town_members: int  # the one large room
    town_joins_at_once: int
    town_senders: int
    parked: tuple[int, ...]  # parked readers, rising
    starts: int
    overload_rates: tuple[float, ...]  # messages per second, rising, each with six other requests
    overload_seconds: float
    growth_rooms: tuple[int, ...]  # sizes of one thing, rising
    growth_history: tuple[int, ...]
    growth_readers: tuple[int, ...]
    growth_members: tuple[int, ...]
    crowd: int  # people who come at once
    crowd_seconds: float  # of talk meanwhile
    rush: int  # people who want a place at once
    places: int
    followers: tuple[int, ...]  # of a channel, rising
    web_messages: int  # kept by the web client
    web_switches: int


QUICK = Sizes(
    rounds=1,
    group_members=10,
    senders=100,
    send_rooms=20,
    send_seconds=5,
    warm_seconds=1.5,
    readers=200,
    chat_rates=(5, 10, 50, 200, 500),
    chat_seconds=5,
    hall_rates=(1, 2, 5),
    heavy_rooms=40,
    heavy_events=20,
    town_members=150,
    town_joins_at_once=8,
    town_senders=20,
    parked=(200,),
    starts=2,
    overload_rates=(50, 100, 150, 200, 250, 300, 400, 500),
    overload_seconds=10,
    growth_rooms=(10, 100, 400),
    growth_history=(10, 100, 1_000),
    growth_readers=(10, 40, 160),
    growth_members=(10, 100, 1_000),
    crowd=2_000,
    crowd_seconds=20,
    rush=2_000,
    places=20,
    followers=(500, 2_000),
    web_messages=1_000,
    web_switches=50,
)

FULL = Sizes(
    rounds=3,
    group_members=10,
    senders=150,
    send_rooms=30,
    send_seconds=15,
    warm_seconds=3,
    readers=400,
    chat_rates=(5, 10, 25, 50, 200, 500, 1000),
    chat_seconds=20,
    hall_rates=(1, 2, 5),
    heavy_rooms=300,
    heavy_events=30,
    town_members=1000,
    town_joins_at_once=8,
    town_senders=20,
    parked=(500, 2000),
    starts=5,
    overload_rates=(50, 100, 150, 200, 250, 300, 350, 400, 500, 600),
    overload_seconds=20,
    growth_rooms=(10, 100, 1_000, 5_000),
    growth_history=(10, 100, 1_000, 10_000),
    growth_readers=(10, 50, 250, 1_000),
    growth_members=(10, 100, 1_000, 10_000),
    crowd=10_000,
    crowd_seconds=90,
    rush=10_000,
    places=100,
    followers=(1_000, 10_000, 100_000),
    web_messages=10_000,
    web_switches=50,
)
