"""A channel of a health centre: its home and posts, followers, what was sent to them, its desk and an approved text."""

from typing import Final

from bongsu.core.json import JsonObject
from bongsu.demo.asking import Asking, at, until
from bongsu.demo.cast import Cast

_CHANNELS: Final = "/_bongsu/v1/channels"
_V3: Final = "/_matrix/client/v3"
OWNER: Final = "demo-channel"
_CENTRE, _NURSE, _MUM, _DAD = "demo-centre", "demo-nurse", "demo-mum", "demo-dad"
_FOLLOWERS: Final = {_NURSE: True, _MUM: True, _DAD: False, "demo-senior": False, "demo-baker": False}
_NAME: Final = "중구 보건소"
_ABOUT: Final = (
    "예방접종과 건강검진 소식을 전합니다. 궁금한 것은 여기서 물어보세요.\n"
    "Vaccinations and check-ups. Ask us here. (체험용 채널 · a channel of the demo)"
)
_HOURS: Final = [{"days": ["mon", "tue", "wed", "thu", "fri"], "opens": "09:00", "closes": "18:00"}]
_POSTS: Final = (
    (
        "보건소가 봉수에 왔습니다 · We are on Bongsu",
        "예약과 상담을 이 채널에서 할 수 있습니다.\nBook and ask, all in one place.",
        "hills-day.jpg",
    ),
    (
        "독감 예방접종 안내 · Flu vaccination",
        "만 65세 이상과 어린이는 무료입니다. 예약한 시간에 신분증만 가져오세요.\n"
        "Free for people over 65 and for children. Bring your identity card.",
        "",
    ),
    (
        "따뜻하게 지내는 법 · Keeping warm",
        "물을 자주 마시고, 실내는 18~20도로 유지해 주세요.\nDrink often, and keep rooms at 18 to 20 degrees.",
        "tea.jpg",
    ),
)
_DESK: Final = {
    "greeting": "안녕하세요, 중구 보건소입니다. 무엇을 도와드릴까요? · Hello, how can we help?",
    "away_text": "지금은 상담 시간이 아닙니다. 평일 9시부터 18시까지 답해 드립니다. · We answer on weekdays, 9 to 18.",
}
_REPLIES: Final = (
    ("예약 방법 · how to book", "‘서비스 → 예약’에서 시간을 고르고 ‘예약하기’를 누르세요."),
    ("준비물 · what to bring", "신분증만 가져오시면 됩니다. · Your identity card is enough."),
)
_TEMPLATE: Final[JsonObject] = {
    "name": "예약 확인 · booking confirmed",
    "reason": "reservation",
    "body": "#{이름} 님, #{날짜} #{시간}에 예약되었습니다.\nYou are booked for #{날짜}, #{시간}.",
    "variables": [
        {"name": "이름", "kind": "text", "characters_max": 20},
        {"name": "날짜", "kind": "date", "characters_max": 10},
        {"name": "시간", "kind": "time", "characters_max": 5},
    ],
    "buttons": [{"kind": "reply", "label": "변경하고 싶어요"}],
}
_BROADCAST: Final = (
    "이번 주 독감 예방접종을 시작합니다. ‘서비스 → 예약’에서 시간을 고르세요.\n"
    "Flu vaccinations begin this week. Choose a time under Services, Bookings."
)


async def fill(cast: Cast, pictures: dict[str, str]) -> tuple[str, str]:
    """What is there already stays. pictures: the addresses of files, by name. The channel's and the template's id."""
    owner = await cast.person(OWNER)
    channel_id = await _channel(owner, pictures["avatar-channel.png"])
    channel = _CHANNELS + at(channel_id)
    await owner.put(f"{channel}/staff{at(cast.user(_CENTRE))}", {"role": "agent"})
    await _post(owner, channel, pictures)
    await _let_follow(cast, channel)
    await owner.put(f"{channel}/desk", _DESK)
    known = [each["name"] for each in (await owner.get(f"{channel}/desk/replies"))["replies"]]
    for name, body in _REPLIES:
        if name not in known:
            await owner.post(f"{channel}/desk/replies", {"name": name, "body": body})
    await _talk(cast, channel)
    await _broadcast(owner, channel)
    await _let_in(await cast.person(_NURSE), channel)
    return channel_id, await _template(owner, channel)


async def _channel(owner: Asking, avatar: str) -> str:
    for channel in (await owner.get(f"{_CHANNELS}/mine"))["channels"]:
        if channel["name"] == _NAME:
            return str(channel["channel_id"])
    wanted = {"name": _NAME, "about": _ABOUT, "hours": _HOURS, "avatar": avatar}
    return str((await owner.post(_CHANNELS, wanted))["channel_id"])


async def _post(owner: Asking, channel: str, pictures: dict[str, str]) -> None:
    known = [each["title"] for each in (await owner.get(f"{channel}/posts"))["posts"]]
    for title, body, picture in _POSTS:
        if title not in known:
            shown = {"picture": pictures[picture]} if picture else {}
            await owner.post(f"{channel}/posts", {"title": title, "body": body, **shown})


async def _let_follow(cast: Cast, channel: str) -> None:
    for who, advertising in _FOLLOWERS.items():
        person = await cast.person(who)
        texts = await person.get(f"{_CHANNELS}/consents/texts")
        agreed = {"text_version": texts["text_version"], "advertising": advertising}
        await person.put(f"{channel}/follow", agreed)


# --- the desk ---


async def _talk(cast: Cast, channel: str) -> None:
    """One customer is answered, another one waits."""
    owner = await cast.person(OWNER)
    if await _conversations(owner, channel):
        return
    await _say(await cast.person(_DAD), channel, "주차할 수 있나요?")
    answered = await _heard(owner, channel, cast.user(_DAD))
    await owner.post(f"{channel}/desk/conversations{at(answered)}/take", {})
    said = {"body": "네, 지하 주차장이 두 시간까지 무료입니다. · Yes, two hours are free."}
    await owner.post(f"{channel}/desk/conversations{at(answered)}/messages", said)
    note = {"body": "걷는 것을 좋아하심. 버스 편도 알려 드리면 좋겠습니다. · Likes to walk."}
    await owner.post(f"{channel}/desk/conversations{at(answered)}/notes", note)
    await _say(await cast.person(_MUM), channel, "독감 주사와 대상포진 주사를 같은 날 맞아도 되나요?")
    await _heard(owner, channel, cast.user(_MUM))


async def _conversations(owner: Asking, channel: str) -> dict[str, str]:
    """Their ids, by customer."""
    found = (await owner.get(f"{channel}/desk/conversations"))["conversations"]
    return {each["customer"]: each["conversation_id"] for each in found}


async def _say(customer: Asking, channel: str, text: str) -> None:
    room_id = (await customer.post(f"{channel}/conversation", {}))["room_id"]
    where = f"{_V3}/rooms{at(room_id)}/send/m.room.message/demo-question"
    await customer.put(where, {"msgtype": "m.text", "body": text})


async def _heard(owner: Asking, channel: str, customer: str) -> str:
    async def look() -> str | None:
        return (await _conversations(owner, channel)).get(customer)

    return await until(look)


# --- what is sent ---


async def _broadcast(owner: Asking, channel: str) -> None:
    """Sent to the last follower before the demo is called made."""
    if not (await owner.get(f"{channel}/broadcasts"))["broadcasts"]:
        await owner.post(f"{channel}/broadcasts", {"body": _BROADCAST, "advertising": False})

    async def look() -> bool | None:
        return not any(each["left"] for each in (await owner.get(f"{channel}/broadcasts"))["broadcasts"]) or None

    await until(look)


async def _let_in(follower: Asking, channel: str) -> None:
    """Takes the channel's invitation, so that what it sent can be read."""
    room_id = (await follower.get(channel))["mine"]["room_id"]
    await follower.post(f"{_V3}/join{at(room_id)}", {})


async def _template(owner: Asking, channel: str) -> str:
    """Its id. It waits for whoever runs the server."""
    for known in (await owner.get(f"{channel}/templates"))["templates"]:
        if known["name"] == _TEMPLATE["name"]:
            return str(known["template_id"])
    template_id = str((await owner.post(f"{channel}/templates", _TEMPLATE))["template_id"])
    await owner.post(f"{channel}/templates{at(template_id)}/submit", {})
    return template_id
