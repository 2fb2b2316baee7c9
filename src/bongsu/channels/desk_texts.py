"""What a desk says: contents of messages, readable in any client, and its own words in Korean and English."""

from typing import Final
from urllib.parse import urlsplit

from bongsu.channels.texts import FIELD
from bongsu.core.json import JsonObject
from bongsu.store.channel_messages import By

SEALED: Final = (
    "이 채널은 암호화된 메시지를 읽을 수 없습니다. 암호화하지 않은 대화로 다시 보내 주세요.\n"
    "This channel cannot read encrypted messages. Please write again in a conversation without encryption."
)


def text(body: str) -> JsonObject:
    return {"msgtype": "m.text", "body": body}


def named(content: JsonObject, channel_id: str, by: By, message_id: str) -> JsonObject:
    """by: what answered, a person or a program, as the customer may know; never who."""
    about = {"channel_id": channel_id, "message_id": message_id, "by": by.value}
    return {**content, FIELD: {**content.get(FIELD, {}), **about}}


def disabled(channel_name: str, url: str, why: str) -> JsonObject:
    """To a channel's owner: one of its programs is told nothing any more. Of the url, the host alone."""
    host = urlsplit(url).hostname or ""
    lines = (
        f"{channel_name}: 웹훅 수신을 멈췄습니다({host}). 고친 뒤 다시 켜면 밀린 것부터 보냅니다.",
        f"{channel_name}: the webhook at {host} is disabled, as {why}. Mend it and enable it: what it is owed is kept.",
    )
    return {"msgtype": "m.text", "body": "\n".join(lines), FIELD: {"about": "webhook.disabled"}}


def offered(channel_name: str, channel_id: str, by: str) -> JsonObject:
    """To whom a channel is offered."""
    lines = (
        f"{channel_name}: {by} 님이 이 채널의 소유자가 되어 달라고 합니다. 채널 홈에서 받을 수 있습니다.",
        f"{channel_name}: {by} asks you to become this channel's owner. Take it over at the channel's home.",
    )
    about = {"about": "channel.offered", "channel_id": channel_id}
    return {"msgtype": "m.text", "body": "\n".join(lines), FIELD: about}


def waiting(channel_name: str, channel_id: str, conversation_id: str) -> JsonObject:
    """To an agent. What the customer wrote is not in it: it would stand on locked screens."""
    body = f"{channel_name}: 고객이 답을 기다립니다 · a customer waits for an answer"
    about = {"about": "desk.waiting", "channel_id": channel_id, "conversation_id": conversation_id}
    return {"msgtype": "m.text", "body": body, FIELD: about}
