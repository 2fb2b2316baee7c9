"""User-interactive authentication: the one gate of every request that needs more proof than an access token.

A handler calls confirm() before it changes anything. It returns when one flow is complete; until then it refuses with
the 401 that says what is missing. A session belongs to one method, path, person and body: proof given for one thing
authorises no other. A request that brings all its proof at once needs no session and writes nothing.
"""

import secrets
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any
from urllib.parse import unquote

import msgspec

from bongsu.core import limits, uia, usernames
from bongsu.core.errors import Refusal, bad_json, forbidden, missing_param
from bongsu.core.mail import EMAIL, canonical_or_none, check_opaque
from bongsu.core.uia import Flows, Session
from bongsu.http.request import Request, convert
from bongsu.matrix.passwords import Named, Passwords
from bongsu.store.accounts import Accounts
from bongsu.store.third_party_ids import ThirdPartyIds, not_proven


class UserIdentifier(msgspec.Struct):
    """m.id.user, m.id.thirdparty, and the type nobody here has (m.id.phone)."""

    type: str
    user: str | None = None
    medium: str | None = None
    address: str | None = None


class MailProof(msgspec.Struct):
    sid: str
    client_secret: str


class AuthData(msgspec.Struct):
    """The `auth` member of a request: one attempt at one stage. `user` is the old form of `identifier`."""

    type: str | None = None
    session: str | None = None
    identifier: UserIdentifier | None = None
    user: str | None = None
    password: str | None = None
    token: str | None = None
    threepid_creds: MailProof | None = None
    old_creds: MailProof | None = msgspec.field(default=None, name="threepidCreds")


class Completed(msgspec.Struct, frozen=True):
    """A flow that was passed. facts: "registration_token" where one was given, "sid" and "address" of a mail proof."""

    stages: list[str]
    facts: dict[str, str]


class Interactive:
    """confirm() for handlers. session_seconds: how long a person may take for all stages."""

    def __init__(
        self,
        accounts: Accounts,
        passwords: Passwords,
        addresses: ThirdPartyIds,
        server_name: str,
        *,
        session_seconds: float = limits.UIA_SESSION_SECONDS,
    ) -> None:
        self._accounts = accounts
        self._passwords = passwords
        self._addresses = addresses
        self._server_name = server_name
        self._session_seconds = session_seconds

    async def confirm(
        self, request: Request, body: Mapping[str, Any], flows: Flows, *, varying: Iterable[str] = ()
    ) -> Completed:
        """Returns when one of the flows is complete. varying: members of the body that may differ between tries.

        The person is the request's, if it is signed in. Raises 401 with what is missing, 403 for a session of
        something else, 429 for too many passwords. An application service has proven enough by its token.
        """
        requester = request.requester_or_none
        if requester is not None and requester.service_id is not None:
            return Completed([], {})
        auth = _auth(body)
        stored = await self._stored(request, body, auth.session, varying)
        session = stored or _wanted(request, body, secrets.token_urlsafe(24), varying)
        before = session.completed
        failed = await self._attempt(auth, flows, session)
        if uia.is_done(flows, session.completed):
            if stored is not None:
                await self._accounts.end_uia_session(_hash(session.session_id))
            return Completed(session.completed, session.facts)
        if stored is None or session.completed != before:
            await self._accounts.put_uia_session(session, _hash(session.session_id), self._session_seconds)
        raise _asked(flows, session, failed)

    async def _stored(
        self, request: Request, body: Mapping[str, Any], session_id: str | None, varying: Iterable[str]
    ) -> Session | None:
        """The session a client goes on with; None for one that never was or is over: the client starts again."""
        if session_id is None:
            return None
        stored = await self._accounts.uia_session(session_id, _hash(session_id))
        if stored is not None and not stored.belongs_to(_wanted(request, body, session_id, varying)):
            raise forbidden("this authentication was begun for another request")
        return stored

    async def _attempt(self, auth: AuthData, flows: Flows, session: Session) -> Refusal | None:
        """Tries the stage that was offered. What failed, if it did; the session knows what succeeded."""
        if auth.type is None or auth.type in session.completed:
            return None
        if auth.type not in uia.open_stages(flows, session.completed):
            return Refusal(401, "M_UNRECOGNIZED", "this stage is not asked for")
        try:
            await self._pass(auth.type, auth, session)
        except Refusal as refusal:
            if refusal.status != 403:
                raise
            return refusal
        session.completed = [*session.completed, auth.type]
        return None

    async def _pass(self, stage: str, auth: AuthData, session: Session) -> None:
        if stage == uia.PASSWORD:
            await self._pass_password(auth, session)
        elif stage == uia.REGISTRATION_TOKEN:
            await self._pass_registration_token(auth, session)
        elif stage == uia.EMAIL:
            await self._pass_email(auth, session)
        else:
            assert stage == uia.DUMMY, f"nobody can pass {stage}"

    async def _pass_password(self, auth: AuthData, session: Session) -> None:
        if auth.password is None:
            raise missing_param("auth.password is missing")
        named = await self._named(auth, session)
        if named.user_id is None or named.user_id != session.user_id:
            raise forbidden("this password must be your own")
        await self._passwords.prove(named, auth.password)

    async def _named(self, auth: AuthData, session: Session) -> Named:
        """Whose password is said to be given: by default the person's own."""
        if auth.identifier is not None and auth.identifier.type == "m.id.thirdparty":
            return await named_by_address(self._addresses, auth.identifier.medium, auth.identifier.address)
        typed = auth.user if auth.identifier is None else auth.identifier.user
        return named_by_id(session.user_id if typed is None else usernames.known_user_id(typed, self._server_name))

    async def _pass_email(self, auth: AuthData, session: Session) -> None:
        """A proof that was begun for what the request is about: /register or /account/password."""
        proof = auth.threepid_creds or auth.old_creds
        if proof is None:
            raise missing_param("auth.threepid_creds is missing")
        purpose = session.purpose.rpartition("/")[2]
        sid, secret = check_opaque(proof.sid, "sid"), secret_hash(proof.client_secret)
        address = await self._addresses.proven(purpose, sid, secret)
        if address is None:
            raise not_proven(403)
        session.facts.update(sid=sid, address=address)

    async def _pass_registration_token(self, auth: AuthData, session: Session) -> None:
        if auth.token is None:
            raise missing_param("auth.token is missing")
        await self.check_registration_token(auth.token)
        session.facts["registration_token"] = auth.token

    async def check_registration_token(self, token: str) -> None:
        if not await self._accounts.is_registration_token(token):
            raise forbidden("this registration token is not valid")


async def named_by_address(addresses: ThirdPartyIds, medium: str | None, address: str | None) -> Named:
    """Whom m.id.thirdparty means."""
    if medium is None or address is None:
        raise missing_param("identifier.medium and identifier.address are needed")
    known = canonical_or_none(address) if medium == EMAIL else None
    return named_by_id(None) if known is None else Named(known, await addresses.owner(EMAIL, known))


def named_by_id(user_id: str | None) -> Named:
    return Named(user_id or "", user_id)


def secret_hash(client_secret: str) -> bytes:
    """How a client's secret of a mail proof is kept."""
    return sha256(b"client secret " + check_opaque(client_secret, "client_secret").encode()).digest()


def _auth(body: Mapping[str, Any]) -> AuthData:
    given = body.get("auth")
    if given is None:
        return AuthData()
    if not isinstance(given, dict):
        raise bad_json("auth must be an object")
    return convert(given, AuthData)


def _asked(flows: Flows, session: Session, failed: Refusal | None) -> Refusal:
    """The 401 answer. Without a failed stage it carries no error code: nothing is wrong yet."""
    errcode, message = ("", "") if failed is None else (failed.errcode, failed.message)
    return Refusal(401, errcode, message, fields=uia.challenge(flows, session))


def _wanted(request: Request, body: Mapping[str, Any], session_id: str, varying: Iterable[str]) -> Session:
    """The session as it would have to be to authorise this request."""
    requester = request.requester_or_none
    return Session(
        session_id,
        f"{request.method} {unquote(request.path)}",
        None if requester is None else requester.user_id,
        uia.request_hash(session_id, body, varying),
    )


def _hash(session_id: str) -> bytes:
    return sha256(session_id.encode()).digest()
