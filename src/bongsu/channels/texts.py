"""What channels say: the event that each follower gets, readable in any client, and answers to what people say."""

from collections.abc import Sequence
from typing import Final

from bongsu.channels.forms import NewBroadcast
from bongsu.core.channels import Consent
from bongsu.core.json import JsonObject
from bongsu.store.channels import Channel

FIELD: Final = "bongsu.channel"
ADVERTISING: Final = "(광고)"  # as the law has it, at the very beginning
REFUSAL_SIGN: Final = "🚫"
REFUSAL: Final = "!거부"
_HOW_TO_REFUSE: Final = "무료수신거부: {0} 반응 또는 {1} · To refuse advertising: react {0} or say !refuse"
WORDS: Final = {  # what people may say, in small letters
    REFUSAL: Consent.ADVERTISING,
    "!수신거부": Consent.ADVERTISING,
    "!refuse": Consent.ADVERTISING,
    "!stop": Consent.ADVERTISING,
    "!해지": Consent.FOLLOW,
    "!unfollow": Consent.FOLLOW,
}
_WITHDRAWN: Final = {
    Consent.ADVERTISING: ("광고 수신을 거부했습니다", "You get no more advertising from this channel"),
    Consent.FOLLOW: ("이 채널을 더 이상 받지 않습니다", "You no longer follow this channel"),
}
_NOTHING: Final = ("이미 처리되어 있습니다", "There was nothing to change")


def content(channel: Channel, broadcast_id: str, form: NewBroadcast) -> JsonObject:
    """Of a form that was checked. A picture carries the text as its caption."""
    body = _body(channel, form)
    named: JsonObject = {
        "channel_id": channel.channel_id,
        "broadcast_id": broadcast_id,
        "advertising": form.advertising,
    }
    if form.buttons:
        named["buttons"] = [{"label": button.label, "url": button.url} for button in form.buttons]
    if form.advertising:
        named["refuse"] = {"sign": REFUSAL_SIGN, "command": REFUSAL}
    said: JsonObject = {"msgtype": "m.text", "body": body, FIELD: named}
    if form.picture is not None:
        picture = form.picture
        measures = {"mimetype": picture.mimetype, "size": picture.size, "w": picture.w, "h": picture.h}
        known = {name: value for name, value in measures.items() if value}
        said |= {"msgtype": "m.image", "url": picture.url, "filename": "picture", "info": known}
    return said


def _body(channel: Channel, form: NewBroadcast) -> str:
    lines = [form.body, *(f"{button.label}: {button.url}" for button in form.buttons)]
    if form.advertising:
        lines = [f"{ADVERTISING} {channel.name}", *lines, "", _HOW_TO_REFUSE.format(REFUSAL_SIGN, REFUSAL)]
    return "\n".join(lines)


def withdrawn(channel: Channel, consent: Consent, *, was_there: bool) -> JsonObject:
    """The answer to somebody who refuses in the room. Being told is their right."""
    korean, english = _WITHDRAWN[consent] if was_there else _NOTHING
    named = {"channel_id": channel.channel_id, "withdrew": consent.value}
    return {"msgtype": "m.notice", "body": f"{korean} · {english}", FIELD: named}


def said_in(lines: Sequence[str]) -> Consent | None:
    """What somebody withdraws by these lines, the first of which counts that is no quotation."""
    line = next((line.strip() for line in lines if line.strip() and not line.startswith(">")), "")
    return WORDS.get(line.lower())
