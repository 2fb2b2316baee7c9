"""What a desk reads and answers over HTTP. Times: ms since the epoch; those that are read may be RFC 3339, too."""

import msgspec

from bongsu.core import limits
from bongsu.core.boards import Distribution
from bongsu.core.channels import Agreed
from bongsu.core.errors import invalid_param
from bongsu.core.events import ENCRYPTED, Event
from bongsu.core.json import JsonObject
from bongsu.store.channel_messages import Said
from bongsu.store.desk import Assignment, Conversation, Note, Reply, Settings


class NewMessage(msgspec.Struct):
    """body: the text; or the name of a picture or file, which is at url (mxc)."""

    body: str
    url: str | None = None
    mimetype: str = ""
    size: int = 0


class To(msgspec.Struct):
    """An agent's user id."""

    agent: str


class NewNote(msgspec.Struct):
    body: str


class NewReply(msgspec.Struct):
    name: str
    body: str


class Settle(msgspec.Struct):
    """What the desk does by itself. away_until: closed until then, whatever the hours of the channel say.

    calls_agents: they are told in a chat when a customer waits.
    """

    greeting: str = ""
    away_text: str = ""
    away_until: int | str | None = None
    bot_first: bool = False
    calls_agents: bool = True


# --- answers, as they are described ---


class SettingsSaid(msgspec.Struct):
    greeting: str
    away_text: str
    away_until: int
    bot_first: bool
    calls_agents: bool
    open_now: bool
    has_bot: bool


class Newest(msgspec.Struct, omit_defaults=True):
    """What was said last: sender as in a message; body: its beginning, "" where there is nothing to be read."""

    sender: str
    body: str = ""
    sealed: bool = False


class ConversationSaid(msgspec.Struct, omit_defaults=True, kw_only=True):
    """waiting_since: of the first message that nobody has answered. name: the customer's. newest: in lists."""

    conversation_id: str
    customer: str
    state: str
    newest_ts: int
    agent: str | None = None
    waiting_since: int | None = None
    name: str | None = None
    newest: Newest | None = None


class ConversationsSaid(msgspec.Struct):
    """now: the server's time, by which it is told how long people wait."""

    conversations: list[ConversationSaid]
    now: int
    next_batch: str | None = None


class AgreedSaid(msgspec.Struct, omit_defaults=True):
    """What holds between the customer and the channel. Who has blocked it looks like anybody who does not follow."""

    follow: bool = False
    advertising: bool = False
    advertising_at_night: bool = False


class DetailSaid(ConversationSaid, omit_defaults=True, kw_only=True):
    room_id: str
    agreed: AgreedSaid
    now: int
    assignments: list[Assignment] = []


class Sent(msgspec.Struct):
    message_id: str


class MessageSaid(msgspec.Struct, omit_defaults=True, kw_only=True):
    """sender: "customer", "channel", or "other" for somebody whom the customer has let in. author: who of the staff.

    read: by the customer, as far as it is to be known.
    """

    event_id: str
    sent_ts: int
    sender: str
    content: JsonObject
    kind: str | None = None
    author: str | None = None
    message_id: str | None = None
    read: bool = False
    deleted: bool = False
    sealed: bool = False


class MessagesSaid(msgspec.Struct):
    """The newest first."""

    messages: list[MessageSaid]
    next_batch: str | None = None


class NotesSaid(msgspec.Struct):
    notes: list[Note]
    next_batch: str | None = None


class RepliesSaid(msgspec.Struct):
    replies: list[Reply]


class StatsSaid(msgspec.Struct):
    """From a customer's first message to an answer, of anybody or of a person; those who wait now, and for how long."""

    first_answer_ms: Distribution
    first_answer_by_person_ms: Distribution
    waiting_now_ms: Distribution
    conversations: dict[str, int]


class Opened(msgspec.Struct):
    room_id: str


# --- how it is said ---


def conversation_said(found: Conversation, name: str | None = None, newest: Newest | None = None) -> JsonObject:
    return dict(msgspec.to_builtins(ConversationSaid(**_known(found), name=name, newest=newest)))


def detail_said(
    found: Conversation, name: str | None, agreed: Agreed, assignments: list[Assignment], now_ms: int
) -> JsonObject:
    told = AgreedSaid(agreed.follow, agreed.advertising, agreed.advertising_at_night)
    said = DetailSaid(
        **_known(found), room_id=found.room_id, name=name, agreed=told, now=now_ms, assignments=assignments
    )
    return dict(msgspec.to_builtins(said))


def newest_said(event: Event, customer: str, account: str) -> Newest:
    """An edit tells what it makes of the message."""
    body = event.content.get("m.new_content", event.content).get("body")
    is_read = event.redacted_because is None and isinstance(body, str)
    beginning = str(body)[: limits.DESK_NEWEST_CHARACTERS] if is_read else ""
    return Newest(_sender(event, customer, account), beginning, event.type == ENCRYPTED)


def _sender(event: Event, customer: str, account: str) -> str:
    return {customer: "customer", account: "channel"}.get(event.sender, "other")


def _known(found: Conversation) -> JsonObject:
    return {
        "conversation_id": found.conversation_id,
        "customer": found.customer,
        "state": found.talk.state.value,
        "newest_ts": found.newest_ts,
        "agent": found.talk.agent,
        "waiting_since": found.talk.since_ms,
    }


def message_said(
    event: Event, conversation: Conversation, account: str, said: Said | None, read_pos: int = 0
) -> MessageSaid:
    """read_pos: up to where the customer has read."""
    is_gone = event.redacted_because is not None
    return MessageSaid(
        event_id=event.event_id,
        sent_ts=event.ts_ms,
        sender=_sender(event, conversation.customer, account),
        content={} if is_gone or event.type == ENCRYPTED else dict(event.content),
        kind=None if said is None else said.kind.value,
        author=None if said is None else said.author or None,
        message_id=None if said is None else said.message_id,
        read=event.sender == account and event.pos <= read_pos,
        deleted=is_gone,
        sealed=event.type == ENCRYPTED,
    )


def settings_said(settings: Settings, *, open_now: bool, has_bot: bool) -> JsonObject:
    said = SettingsSaid(
        greeting=settings.greeting,
        away_text=settings.away_text,
        away_until=settings.away_until,
        bot_first=settings.bot_first,
        calls_agents=settings.calls,
        open_now=open_now,
        has_bot=has_bot,
    )
    return dict(msgspec.to_builtins(said))


# --- what is read ---


def content_of(form: NewMessage, body: str) -> JsonObject:
    """body: checked. A picture where the type says so, else a file."""
    if not form.url:
        return {"msgtype": "m.text", "body": body}
    if len(form.mimetype) > limits.DESK_MIMETYPE_CHARACTERS_MAX or not form.mimetype.isascii():
        raise invalid_param("mimetype looks like image/png")
    if not 0 <= form.size <= limits.INTEGER_MAX:
        raise invalid_param("size is in bytes")
    kind = "m.image" if form.mimetype.startswith("image/") else "m.file"
    info = {key: value for key, value in (("mimetype", form.mimetype), ("size", form.size)) if value}
    return {"msgtype": kind, "body": body, "url": form.url, "info": info}
