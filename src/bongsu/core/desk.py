"""A conversation of a channel and a customer: its states, who has it, and since when the customer waits.

Pure. The table holds the same bounds as constraints: one agent exactly while it is open, and never two.
"""

from enum import StrEnum

import msgspec

from bongsu.core.errors import Refusal


class State(StrEnum):
    CLOSED = "closed"  # nothing is asked
    BOT = "bot"  # a program answers
    WAITING = "waiting"  # for a person who takes it
    OPEN = "open"  # an agent has it


class Talk(msgspec.Struct, frozen=True):
    """agent: who has it. since_ms: of the customer's first message that nobody has answered yet."""

    state: State = State.CLOSED
    agent: str | None = None
    since_ms: int | None = None


class Actor(msgspec.Struct, frozen=True):
    """A person of the staff. is_lead: may also act on what others have."""

    user_id: str
    is_lead: bool = False


# --- the customer ---


def hear(talk: Talk, now_ms: int, *, has_bot: bool) -> Talk:
    """The customer has written. Whoever has the conversation keeps it; a new one goes to the bot, if there is one."""
    since_ms = now_ms if talk.since_ms is None else talk.since_ms
    if talk.state in (State.CLOSED, State.BOT):
        return Talk(State.BOT if has_bot else State.WAITING, None, since_ms)
    return msgspec.structs.replace(talk, since_ms=since_ms)


# --- people ---


def take(talk: Talk, who: str) -> Talk:
    """An agent takes what nobody else has."""
    if talk.state is State.OPEN and talk.agent != who:
        raise taken(talk)
    return Talk(State.OPEN, who, talk.since_ms)


def give(talk: Talk, who: Actor, to: str) -> Talk:
    """To another agent: by whoever has it or, of any conversation, by who leads."""
    _check_has(talk, who)
    return Talk(State.OPEN, to, talk.since_ms)


def give_back(talk: Talk, who: Actor, now_ms: int) -> Talk:
    """It waits for another agent, behind those who have waited longer."""
    if talk.state is not State.OPEN:
        raise _wrong(talk, "given back")
    _check_has(talk, who)
    return _waiting(talk, now_ms)


def answer(talk: Talk, who: str) -> Talk:
    """By whoever has it, and nobody else: the customer hears one voice."""
    _check_has(talk, Actor(who))
    return msgspec.structs.replace(talk, since_ms=None)


def close(talk: Talk, who: Actor) -> Talk:
    """What another agent has is closed by that agent, or by who leads. What is closed stays so."""
    if talk.state is State.OPEN:
        _check_has(talk, who)
    return Talk()


# --- the bot ---


def to_bot(talk: Talk, who: Actor, *, has_bot: bool) -> Talk:
    """By whoever has it or, of one that nobody has, by any agent."""
    if not has_bot:
        raise Refusal(409, "BONGSU_NO_BOT", "this channel has no bot that could answer")
    if talk.state is State.OPEN:
        _check_has(talk, who)
    elif talk.state is not State.WAITING:
        raise _wrong(talk, "given to the bot")
    return Talk(State.BOT, None, talk.since_ms)


def to_person(talk: Talk, now_ms: int) -> Talk:
    """By the bot."""
    _check_bot(talk)
    return _waiting(talk, now_ms)


def answer_as_bot(talk: Talk) -> Talk:
    _check_bot(talk)
    return Talk(State.BOT)


def close_as_bot(talk: Talk) -> Talk:
    if talk.state is not State.CLOSED:
        _check_bot(talk)
    return Talk()


def lose_bot(talk: Talk, now_ms: int, patience_ms: int = 0) -> Talk:
    """The bot is gone, or has been silent for so long: a person is to answer."""
    if talk.state is not State.BOT:
        return talk
    is_patient = talk.since_ms is None or now_ms - talk.since_ms < patience_ms
    return talk if patience_ms and is_patient else _waiting(talk, now_ms)


def lose_agent(talk: Talk, who: str, now_ms: int) -> Talk:
    """The agent works here no more."""
    return _waiting(talk, now_ms) if talk.agent == who else talk


def _waiting(talk: Talk, now_ms: int) -> Talk:
    return Talk(State.WAITING, None, now_ms if talk.since_ms is None else talk.since_ms)


def _check_has(talk: Talk, who: Actor) -> None:
    if who.is_lead or (talk.state is State.OPEN and talk.agent == who.user_id):
        return
    if talk.state is State.OPEN:
        raise taken(talk)
    raise Refusal(409, "BONGSU_NOT_TAKEN", "you do not have this conversation: take it first")


def _check_bot(talk: Talk) -> None:
    if talk.state is not State.BOT:
        raise Refusal(409, "BONGSU_NOT_WITH_BOT", f"this conversation is {talk.state.value}: a person sees to it")


def taken(talk: Talk) -> Refusal:
    fields = {"agent": talk.agent}
    return Refusal(409, "BONGSU_TAKEN", f"{talk.agent} has this conversation", fields=fields)


def _wrong(talk: Talk, done: str) -> Refusal:
    return Refusal(409, "BONGSU_WRONG_STATE", f"this conversation is {talk.state.value}: it cannot be {done}")
