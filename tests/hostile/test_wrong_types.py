"""Every JSON endpoint with bodies that are no objects, and with every field of a wrong type: refused, nothing changed.

The endpoints come from the server's own list of routes: a new one that takes a body needs a row in FIELDS.
"""

import copy
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import msgspec
import pytest

from bongsu.config import Settings
from bongsu.core import limits
from bongsu.http.router import Auth
from bongsu.main import Worker
from bongsu.store.database import Database
from tests.api.talking import segment
from tests.hostile.attack import REGISTRATION_SECRET, V1, V3, Person, nothing_changes, sign_up
from tests.server import SERVER_NAME, Server

pytestmark = pytest.mark.usefixtures("unharmed")

VALUES = (5, 1.5, "text", ["text"], [5], {"key": "value"}, None, True)
RIGHT: Mapping[str, tuple[Any, ...]] = {  # the values that a field of a kind may have, and which are therefore not sent
    "string": ("text",),
    "boolean": (True,),
    "integer": (5,),
    "number": (5, 1.5),
    "object": ({"key": "value"},),
    "key": ("text", {"key": "value"}),
    "strings": (["text"],),
    "objects": (),
    "moment": (5, "text"),
    "picture": ({"key": "value"},),
}

SECTION = {
    "limit": "integer?",
    "types": "strings?",
    "not_types": "strings?",
    "senders": "strings?",
    "not_senders": "strings?",
}
ROOM_SECTION = {
    **SECTION,
    "rooms": "strings?",
    "not_rooms": "strings?",
    "contains_url": "boolean?",
    "lazy_load_members": "boolean",
    "include_redundant_members": "boolean",
    "unread_thread_notifications": "boolean",
    "related_by_rel_types": "strings?",
    "related_by_senders": "strings?",
}
AUTH = {
    "auth": "object?",
    "auth/type": "string?",
    "auth/session": "string?",
    "auth/identifier": "object?",
    "auth/identifier/type": "string",
    "auth/identifier/user": "string?",
    "auth/user": "string?",
    "auth/password": "string?",
    "auth/token": "string?",
    "auth/threepid_creds": "object?",
}
DEVICE = {"device_id": "string?", "initial_device_display_name": "string?", "refresh_token": "boolean"}
BY_MAIL = {"client_secret": "string", "email": "string", "send_attempt": "integer", "next_link": "string?"}
BY_PHONE = {"client_secret": "string", "country": "string", "phone_number": "string", "send_attempt": "integer"}
PROOF = {"sid": "string", "client_secret": "string"}
ADDRESS = {"medium": "string", "address": "string"}
REASON = {"reason": "string?"}
TARGET = {"user_id": "string, not null", "reason": "string?"}


SIGNING_KEY = {"user_id": "string", "usage": "strings", "keys": "object", "signatures": "object"}

ROOM_KEY = {
    "first_message_index": "integer",
    "forwarded_count": "integer",
    "is_verified": "boolean",
    "session_data": "object",
}
A_ROOM_KEY = {"first_message_index": 0, "forwarded_count": 0, "is_verified": False, "session_data": {}}
KEY_BACKUP = {"algorithm": "string", "auth_data": "object"}


def sections(name: str, fields: Mapping[str, str], kind: str = "object") -> dict[str, str]:
    return {name: kind, **{f"{name}/{field}": kind for field, kind in fields.items()}}


# Fields by endpoint. "?": null is as good as absent; ", not null": null counts as missing. Slashes go into objects.
SLIDING = "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync"
BOOKINGS = "/_bongsu/v1/bookings"
BOARD = "/_bongsu/v1/boards/{room_id}"
CHANNELS = "/_bongsu/v1/channels"
PASSKEYS = "/_bongsu/v1/passkeys"
CHANNEL = f"{CHANNELS}/{{channel_id}}"
DESK = f"{CHANNEL}/desk"
TALK = f"{DESK}/conversations/{{conversation_id}}"
A_REPLY = {"name": "string", "body": "string"}
A_TEMPLATE = {"name": "string", "body": "string", "variables": "objects", "buttons": "objects"}
AN_ENDPOINT = {"url": "string", "types": "strings"}
A_POST = {"body": "string", "title": "string", "picture": "string?"}
FIELDS: Mapping[str, Mapping[str, str]] = {
    f"POST {PASSKEYS}/sign_in": {"credential": "object", **DEVICE},
    f"POST {PASSKEYS}/ask": AUTH,
    f"POST {PASSKEYS}": {"credential": "object", "name": "string"},
    f"PUT {PASSKEYS}/{{passkey_id}}": {"name": "string"},
    f"POST {PASSKEYS}/{{passkey_id}}/remove": AUTH,
    f"POST {V3}/login": {
        "type": "string",
        "identifier": "object?",
        "identifier/type": "string",
        "identifier/user": "string, not null",
        "user": "string?",
        "medium": "string?",
        "address": "string?",
        "password": "string, not null",
        "token": "string?",
        **DEVICE,
    },
    f"POST {V1}/login/get_token": AUTH,
    "POST /_synapse/admin/v1/register": {
        "nonce": "string",
        "username": "string",
        "password": "string",
        "mac": "string",
        "admin": "boolean",
        "displayname": "string?",
        "user_type": "string?",
        "inhibit_login": "boolean",
    },
    f"POST {V3}/refresh": {"refresh_token": "string"},
    f"POST {V3}/register": {
        "type": "string?",
        "username": "string?",
        "password": "string?",
        "inhibit_login": "boolean",
        **DEVICE,
        **AUTH,
    },
    f"POST {V3}/account/password": {"new_password": "string?", "logout_devices": "boolean", **AUTH},
    **{f"POST {V3}/{what}/email/requestToken": BY_MAIL for what in ("register", "account/password", "account/3pid")},
    **{f"POST {V3}/{what}/msisdn/requestToken": BY_PHONE for what in ("register", "account/password", "account/3pid")},
    f"POST {V3}/account/3pid": sections("three_pid_creds", PROOF),
    f"POST {V3}/account/3pid/add": {**PROOF, **AUTH},
    f"POST {V3}/account/3pid/bind": PROOF,
    f"POST {V3}/account/3pid/delete": ADDRESS,
    f"POST {V3}/account/3pid/unbind": ADDRESS,
    f"POST {V1}/appservice/{{service_id}}/ping": {"transaction_id": "string?"},
    f"PUT {V3}/directory/list/appservice/{{network_id}}/{{room_id}}": {"visibility": "string"},
    f"PUT {V1}/admin/lock/{{user_id}}": {"locked": "boolean"},
    f"PUT {V1}/admin/suspend/{{user_id}}": {"suspended": "boolean"},
    f"POST {V3}/search": {
        "search_categories": "object",
        "search_categories/room_events": "object?",
        "search_categories/room_events/search_term": "string",
        "search_categories/room_events/keys": "strings?",
        "search_categories/room_events/filter": "object",
        "search_categories/room_events/include_state": "boolean",
        "search_categories/room_events/event_context": "object?",
    },
    f"POST {V3}/user_directory/search": {"search_term": "string", "limit": "integer"},
    f"POST {V3}/rooms/{{room_id}}/report": {"reason": "string"},
    f"POST {V3}/rooms/{{room_id}}/report/{{event_id}}": REASON,
    f"POST {V3}/users/{{user_id}}/report": {"reason": "string"},
    f"POST {V3}/pushers/set": {
        "app_id": "string",
        "pushkey": "string",
        "app_display_name": "string, not null",
        "device_display_name": "string, not null",
        "lang": "string, not null",
        "data": "object, not null",
        "append": "boolean",
    },
    f"POST {V3}/user/{{user_id}}/openid/request_token": {},
    f"POST {SLIDING}": {
        "conn_id": "string",
        "txn_id": "string?",
        "lists": "object",
        "room_subscriptions": "object",
        "extensions": "object",
        "extensions/to_device": "object",
        "extensions/to_device/enabled": "boolean?",
        "extensions/to_device/limit": "integer?",
        "extensions/typing/rooms": "strings?",
    },
    f"POST {V3}/account/deactivate": {"erase": "boolean", **AUTH},
    f"PUT {V3}/devices/{{device_id}}": {"display_name": "string?"},
    f"DELETE {V3}/devices/{{device_id}}": AUTH,
    f"POST {V3}/delete_devices": {"devices": "strings", **AUTH},
    f"PUT {V3}/rooms/{{room_id}}/send/{{event_type}}/{{txn_id}}": {},
    f"PUT {V3}/rooms/{{room_id}}/state/{{event_type}}/{{state_key}}": {},
    f"PUT {V3}/rooms/{{room_id}}/state/{{event_type}}": {},
    f"PUT {V3}/rooms/{{room_id}}/redact/{{event_id}}/{{txn_id}}": REASON,
    f"POST {V3}/createRoom": {
        "visibility": "string",
        "room_alias_name": "string?",
        "name": "string?",
        "topic": "string?",
        "invite": "strings",
        "invite_3pid": "objects",
        "room_version": "string?",
        "creation_content": "object",
        "initial_state": "objects",
        "preset": "string?",
        "is_direct": "boolean",
        "power_level_content_override": "object",
    },
    f"POST {V3}/rooms/{{room_id}}/join": {**REASON, "third_party_signed": "object?"},
    f"POST {V3}/rooms/{{room_id}}/leave": REASON,
    f"POST {V3}/rooms/{{room_id}}/invite": TARGET,
    f"POST {V3}/rooms/{{room_id}}/kick": TARGET,
    f"POST {V3}/rooms/{{room_id}}/ban": TARGET,
    f"POST {V3}/rooms/{{room_id}}/unban": TARGET,
    f"POST {V3}/rooms/{{room_id}}/forget": {},
    f"POST {V3}/rooms/{{room_id}}/upgrade": {"new_version": "string", "additional_creators": "strings"},
    f"POST {V3}/join/{{room_id_or_alias}}": {**REASON, "third_party_signed": "object?"},
    f"POST {V3}/knock/{{room_id_or_alias}}": REASON,
    f"PUT {V3}/directory/room/{{room_alias}}": {"room_id": "string"},
    f"PUT {V3}/directory/list/room/{{room_id}}": {"visibility": "string"},
    f"POST {V3}/publicRooms": {
        "limit": "integer?",
        "since": "string?",
        "filter": "object?",
        "filter/generic_search_term": "string?",
        "filter/room_types": "strings?",
        "include_all_networks": "boolean",
        "third_party_instance_id": "string?",
    },
    f"POST {V3}/rooms/{{room_id}}/receipt/{{receipt_type}}/{{event_id}}": {"thread_id": "string?"},
    f"POST {V3}/rooms/{{room_id}}/read_markers": {
        "m.fully_read": "string?",
        "m.read": "string?",
        "m.read.private": "string?",
    },
    f"PUT {V3}/rooms/{{room_id}}/typing/{{user_id}}": {"typing": "boolean", "timeout": "integer"},
    f"PUT {V3}/presence/{{user_id}}/status": {"presence": "string", "status_msg": "string?"},
    f"PUT {V3}/user/{{user_id}}/account_data/{{type}}": {},
    f"PUT {V3}/user/{{user_id}}/rooms/{{room_id}}/account_data/{{type}}": {},
    f"PUT {V3}/user/{{user_id}}/rooms/{{room_id}}/tags/{{tag}}": {"order": "number?"},
    f"PUT {V3}/pushrules/global/{{kind}}/{{rule_id}}": {"actions": "objects", "conditions": "objects"},
    f"PUT {V3}/pushrules/global/{{kind}}/{{rule_id}}/enabled": {"enabled": "boolean"},
    f"PUT {V3}/pushrules/global/{{kind}}/{{rule_id}}/actions": {"actions": "objects"},
    f"PUT {V3}/profile/{{user_id}}/{{key_name}}": {"displayname": "string?"},
    f"POST {V3}/keys/upload": {
        "device_keys": "object?",
        "device_keys/user_id": "string",
        "device_keys/device_id": "string",
        "device_keys/algorithms": "strings",
        "device_keys/keys": "object",
        "device_keys/signatures": "object",
        "one_time_keys": "object?",
        "one_time_keys/signed_curve25519:x": "key",
        "one_time_keys/signed_curve25519:x/key": "string",
        "one_time_keys/signed_curve25519:x/signatures": "object",
        "fallback_keys": "object?",
        "fallback_keys/signed_curve25519:x": "key",
    },
    f"POST {V3}/keys/query": {"device_keys": "object", "device_keys/@x:y": "strings"},
    f"POST {V3}/keys/claim": {
        "one_time_keys": "object",
        "one_time_keys/@x:y": "object",
        "one_time_keys/@x:y/X": "string",
    },
    f"POST {V3}/keys/device_signing/upload": {
        **sections("master_key", SIGNING_KEY, "object?"),
        **sections("self_signing_key", SIGNING_KEY, "object?"),
        **sections("user_signing_key", SIGNING_KEY, "object?"),
    },
    f"POST {V3}/keys/signatures/upload": {"@x:y": "object", "@x:y/X": "object"},
    f"POST {V3}/room_keys/version": {**KEY_BACKUP, "version": "string?"},
    f"PUT {V3}/room_keys/version/{{version}}": {**KEY_BACKUP, "version": "string?"},
    f"PUT {V3}/room_keys/keys": {
        "rooms": "object",
        "rooms/!x": "object",
        "rooms/!x/sessions": "object",
        **sections("rooms/!x/sessions/x", ROOM_KEY),
    },
    f"PUT {V3}/room_keys/keys/{{room_id}}": {"sessions": "object", **sections("sessions/x", ROOM_KEY)},
    f"PUT {V3}/room_keys/keys/{{room_id}}/{{session_id}}": ROOM_KEY,
    f"PUT {V3}/sendToDevice/{{event_type}}/{{txn_id}}": {
        "messages": "object",
        "messages/@x:y": "object",
        "messages/@x:y/X": "object",
    },
    f"POST {V3}/user/{{user_id}}/filter": {
        **sections("room/timeline", ROOM_SECTION),
        **sections("room/state", ROOM_SECTION),
        **sections("room/ephemeral", ROOM_SECTION),
        **sections("room/account_data", ROOM_SECTION),
        **sections("presence", SECTION),
        **sections("account_data", SECTION),
        "room": "object",
        "room/rooms": "strings?",
        "room/not_rooms": "strings?",
        "room/include_leave": "boolean",
        "event_fields": "strings?",
        "event_format": "string",
    },
    f"POST {BOOKINGS}/offers": {
        "title": "string",
        "place": "string",
        "capacity": "integer",
        "area": "string",
        "hold_seconds": "integer",
        "room_id": "string?",
    },
    f"POST {BOOKINGS}/offers/{{offer_id}}/book": {"waitlist": "boolean"},
    f"POST {BOOKINGS}/offers/{{offer_id}}/check_in": {"ticket": "string?", "booking_id": "string?"},
    f"POST {BOOKINGS}/offers/{{offer_id}}/no_show": {"booking_id": "string"},
    f"POST {BOOKINGS}/subscriptions": {"area": "string"},
    f"PUT {BOOKINGS}/announcers/{{user_id}}": {},
    f"POST {BOARD}": {"title": "string"},
    f"PUT {BOARD}/roles/{{user_id}}": {"hospital": "string", "on_call": "boolean", "phone": "string"},
    f"POST {BOARD}/beds": {
        **dict.fromkeys(("kind", "bed_id", "hospital", "note", "place/area"), "string"),
        **dict.fromkeys(("place/lat", "place/lon"), "number?"),
        "kinds": "strings",
        "free": "integer?",
        "version": "integer?",
        "valid_until": "moment?",
    },
    f"POST {BOARD}/beds/{{bed_id}}/withdraw": {"reason": "string"},
    f"POST {BOARD}/requests": {
        "needs": "strings",
        "place": "key",
        "place/area": "string",
        "deadline": "moment?",
        "patient": "string",
        "note": "string",
    },
    f"POST {BOARD}/requests/{{request_id}}/assignment": {"bed_id": "string"},
    f"POST {BOARD}/requests/{{request_id}}/close": {"reason": "string"},
    **{
        f"POST {BOARD}/requests/{{request_id}}/{act}": {"reason": "string", "bed_id": "string?", "offer_id": "integer?"}
        for act in ("decline", "transfer")
    },
    **{
        f"POST {BOARD}/requests/{{request_id}}/{act}": {"bed_id": "string?", "offer_id": "integer?"}
        for act in ("accept", "arrive")
    },
    f"POST {CHANNELS}": {"name": "string", "about": "string", "avatar": "string?", "hours": "objects"},
    f"PUT {CHANNEL}": {"name": "string?", "about": "string?", "avatar": "string?", "hours": "objects?"},
    f"PUT {CHANNEL}/staff/{{user_id}}": {},
    f"POST {CHANNEL}/posts": A_POST,
    f"PUT {CHANNEL}/posts/{{post_id}}": A_POST,
    f"PUT {CHANNEL}/follow": {
        "text_version": "string",
        "advertising": "boolean",
        "advertising_at_night": "boolean",
    },
    f"POST {CHANNEL}/report": {"reason": "string"},
    f"PUT {DESK}": {
        "greeting": "string",
        "away_text": "string",
        "away_until": "moment?",
        "bot_first": "boolean",
        "calls_agents": "boolean",
    },
    f"POST {TALK}/give": {"agent": "string"},
    f"POST {TALK}/messages": {"body": "string", "url": "string?", "mimetype": "string", "size": "integer"},
    f"POST {TALK}/notes": {"body": "string"},
    f"POST {DESK}/replies": A_REPLY,
    f"PUT {DESK}/replies/{{reply_id}}": A_REPLY,
    f"POST {CHANNEL}/keys": {"name": "string", "scopes": "strings"},
    f"POST {CHANNEL}/templates": A_TEMPLATE,
    f"PUT {CHANNEL}/templates/{{template_id}}": A_TEMPLATE,
    f"POST {CHANNEL}/templates/{{template_id}}/messages": {"to": "string", "version": "integer?"},
    f"POST {CHANNELS}/templates/{{template_id}}/{{version}}/refuse": {"why": "string"},
    f"POST {CHANNEL}/webhooks": AN_ENDPOINT,
    f"PUT {CHANNEL}/webhooks/{{endpoint_id}}": AN_ENDPOINT,
    f"POST {CHANNEL}/webhooks/{{endpoint_id}}/rotate": {"overlap_ms": "integer"},
    f"PUT {CHANNEL}/mark": {"days": "integer"},
    f"POST {CHANNEL}/broadcasts": {
        "body": "string",
        "advertising": "boolean",
        "starts_at": "moment?",
        "picture": "picture?",
        "picture/url": "string",
        "picture/size": "integer",
        "buttons": "objects",
    },
}

# What a body needs besides, for the field to be looked at.
BESIDES: Mapping[str, Any] = {
    f"POST {V3}/search": {"search_categories": {"room_events": {"search_term": "word"}}},
    f"POST {V3}/user_directory/search": {"search_term": "word"},
    f"POST {V3}/pushers/set": {
        "app_id": "app",
        "pushkey": "key",
        "kind": "http",
        "app_display_name": "App",
        "device_display_name": "Phone",
        "lang": "ko",
        "data": {"url": "https://push.example/_matrix/push/v1/notify"},
    },
    f"PUT {BOARD}/roles/{{user_id}}": {"role": "observer"},
    f"POST {CHANNELS}": {"name": "n"},
    f"POST {CHANNEL}/posts": {"body": "b"},
    f"PUT {CHANNEL}/posts/{{post_id}}": {"body": "b"},
    f"PUT {CHANNEL}/follow": {"text_version": "v"},
    f"POST {CHANNEL}/broadcasts": {"body": "b", "advertising": False},
    f"POST {BOARD}/requests": {"severity": "urgent"},
    f"POST {BOOKINGS}/offers": {"title": "t", "place": "p", "starts_at": "2999-01-01T00:00:00Z", "capacity": 1},
    f"POST {V3}/login": {
        "type": "m.login.password",
        "identifier": {"type": "m.id.user", "user": "mallory"},
        "password": "not the right one",
    },
    "POST /_synapse/admin/v1/register": {"nonce": "", "username": "", "password": "", "mac": ""},
    f"PUT {V3}/rooms/{{room_id}}/typing/{{user_id}}": {"typing": False},
    f"PUT {V3}/pushrules/global/{{kind}}/{{rule_id}}": {"actions": [], "conditions": []},
    f"POST {V3}/delete_devices": {"devices": ["text"]},
    **{
        f"POST {V3}/{what}/email/requestToken": {"client_secret": "x", "email": "x@y", "send_attempt": 1}
        for what in ("register", "account/password", "account/3pid")
    },
    **{
        f"POST {V3}/{what}/msisdn/requestToken": {
            "client_secret": "x",
            "country": "KR",
            "phone_number": "5",
            "send_attempt": 1,
        }
        for what in ("register", "account/password", "account/3pid")
    },
    f"POST {V3}/account/3pid": {"three_pid_creds": {"sid": "x", "client_secret": "x"}},
    f"POST {V3}/account/3pid/add": {"sid": "x", "client_secret": "x"},
    f"POST {V3}/account/3pid/bind": {"sid": "x", "client_secret": "x"},
    f"POST {V3}/account/3pid/delete": {"medium": "email", "address": "x@y"},
    f"POST {V3}/account/3pid/unbind": {"medium": "email", "address": "x@y"},
    f"POST {V3}/keys/upload": {
        "device_keys": {"user_id": "", "device_id": "", "algorithms": [], "keys": {}, "signatures": {}},
        "one_time_keys": {"signed_curve25519:x": {"key": "", "signatures": {}}},
        "fallback_keys": {},
    },
    f"POST {V3}/keys/device_signing/upload": {
        f"{usage}_key": {"user_id": "", "usage": [], "keys": {}} for usage in ("master", "self_signing", "user_signing")
    },
    f"POST {V3}/room_keys/version": {"algorithm": "", "auth_data": {}},
    f"PUT {V3}/room_keys/version/{{version}}": {"algorithm": "", "auth_data": {}},
    f"PUT {V3}/room_keys/keys": {"rooms": {"!x": {"sessions": {"x": A_ROOM_KEY}}}},
    f"PUT {V3}/room_keys/keys/{{room_id}}": {"sessions": {"x": A_ROOM_KEY}},
    f"PUT {V3}/room_keys/keys/{{room_id}}/{{session_id}}": A_ROOM_KEY,
}
WRONG_VALUE = ("order", "actions", "conditions")  # their families call a wrong type a wrong value: M_INVALID_PARAM
FORMS = ("/account/", "/oauth2/")  # sent by pages and OAuth clients as forms: tests/api has their cases
BODILESS = (
    "/logout",
    "/logout/all",
    "/_bongsu/confirm",
    "/passkeys/sign_in/ask",
    "/{booking_id}/confirm",
    "/{offer_id}/close",
    "/{channel_id}/close",
    "/{channel_id}/block",
    "/{broadcast_id}/cancel",
    *(f"/{{conversation_id}}/{act}" for act in ("take", "give_back", "to_bot", "to_person", "close")),
    *(f"/{{template_id}}/{act}" for act in ("submit", "withdraw", "retire")),
    "/{version}/approve",
    "/{channel_id}/conversation",
    *(f"/{{endpoint_id}}/{act}" for act in ("enable", "ping")),
    "/uploads/{server_name}/{media_id}/{start}",
    "/media/v1/create",
    "/v3/upload",
    "/v1/upload",
    "/upload/{server_name}/{media_id}",
)

NOT_JSON = {
    "a word": b"nope",
    "half an object": b"{",
    "half a member": b'{"a":}',
    "something behind it": b"{} {}",
    "single quotes": b"{'a': 1}",
    "crossed brackets": b'{"a": [}]',
    "no UTF-8": b'{"a": "\xff"}',
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf{}",
    "a bare control character": b'{"a": "\x00"}',
    "half a surrogate pair as bytes": b'{"a": "\xed\xa0\x80"}',
    "NaN": b'{"a": NaN}',
    "Infinity": b'{"a": Infinity}',
    "-Infinity": b'{"a": -Infinity}',
    "leading zero": b'{"a": 01}',
    "a form": b"type=m.login.password&user=x",
}
BAD_JSON = {
    "an array": b"[]",
    "a string": b'"text"',
    "a number": b"5",
    "null": b"null",
    "true": b"true",
    "the same key twice": b'{"type": 1, "type": 2}',
    "the same key twice inside": b'{"a": {"b": [{"c": 1, "c": 1}]}}',
    "half a surrogate pair": b'{"a": "\\ud800"}',
    "half a surrogate pair as key": b'{"\\udc00": 1}',
    "a number beyond floats": b'{"a": 1e999}',
    "a number of 33 digits": b'{"a": %d}' % 10**32,
    "10,000 arrays deep": b'{"a": ' + b"[" * 10_000 + b"]" * 10_000 + b"}",
    "10,000 objects deep": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "10,000 unclosed": b'{"a":' * 10_000,
}
TOO_LARGE = {
    "too many values": b'{"a": [' + b"1," * limits.JSON_VALUES_MAX + b"1]}",
    "a body over the limit": b'{"a": "' + b"x" * limits.BODY_BYTES_MAX + b'"}',
}


class Place(msgspec.Struct):
    """Where the attacker is at home, so that nothing but the body can be wrong."""

    person: Person
    room_id: str
    event_id: str
    channel_id: str

    def path(self, template: str) -> str:
        values = {
            "room_id": self.room_id,
            "room_id_or_alias": self.room_id,
            "event_id": self.event_id,
            "channel_id": self.channel_id,
            "user_id": self.person.user_id,
            "device_id": self.person.device_id,
            "room_alias": f"#nowhere:{SERVER_NAME}",
            "receipt_type": "m.read",
            "key_name": "displayname",
            "kind": "override",
        }
        return re.sub(r"\{(\w+)\}", lambda found: segment(values.get(found[1], "org.example.x")), template)


@pytest.fixture(scope="module")
async def place(target: Server) -> AsyncIterator[Place]:
    person = await sign_up(target, "mallory")
    room_id = await person.makes_room(preset="public_chat")
    await person.does("PUT", f"{V3}/pushrules/global/override/org.example.x", {"actions": [], "conditions": []})
    made = await person.ask("POST", CHANNELS, {"name": "적의 가게"})  # strangers are told nothing of their bodies
    yield Place(person, room_id, await person.says(room_id, "before"), made.json["channel_id"])
    person.close()


def _endpoints() -> list[str]:
    """Every endpoint that reads a JSON body, from the list of routes; the paths under r0 are the same once more."""
    settings = Settings(open_registration=True, registration_secret=REGISTRATION_SECRET)
    worker = Worker(settings, Database("postgresql://nowhere/nothing"))
    worker.passwords.close()
    reading = [
        f"{route.method} {route.template}"
        for route in worker.app._router.routes
        if route.method in ("POST", "PUT")
        and route.auth is not Auth.PEER  # other sites send files, and are tested in tests/sites
        and "/r0/" not in route.template
        and not route.template.startswith(FORMS)
        and not route.template.endswith(BODILESS)
    ]
    return [*reading, f"DELETE {V3}/devices/{{device_id}}"]


ENDPOINTS = _endpoints()


def test_every_endpoint_that_takes_a_body_has_a_row() -> None:
    assert set(ENDPOINTS) == set(FIELDS)


@pytest.mark.parametrize("endpoint", ENDPOINTS)
async def test_what_is_no_object_is_refused(place: Place, endpoint: str) -> None:
    method, template = endpoint.split(" ")
    path = place.path(template)
    wanted = [
        *((name, body, (400, "M_NOT_JSON")) for name, body in NOT_JSON.items()),
        *((name, body, (400, "M_BAD_JSON")) for name, body in BAD_JSON.items()),
        *((name, body, (413, "M_TOO_LARGE")) for name, body in TOO_LARGE.items()),
    ]
    async with nothing_changes(place.person):
        got = {name: await place.person.refused(method, path, body) for name, body, _ in wanted}
    assert got == {name: refusal for name, _, refusal in wanted}


@pytest.mark.parametrize("endpoint", [name for name, fields in FIELDS.items() if fields])
async def test_a_field_of_a_wrong_type_is_refused(place: Place, endpoint: str) -> None:
    method, template = endpoint.split(" ")
    path = place.path(template)
    cases = [(field, kind, value) for field, kind in FIELDS[endpoint].items() for value in _wrong_values(kind)]
    wanted = {f"{field} = {value}": (400, _errcode(field, kind, value)) for field, kind, value in cases}
    async with nothing_changes(place.person):
        got = {
            f"{field} = {value}": await place.person.refused(method, path, _with(endpoint, field, value))
            for field, _, value in cases
        }
    assert got == wanted


def _errcode(field: str, kind: str, value: Any) -> str:
    if value is None and kind.endswith(", not null"):
        return "M_MISSING_PARAM"
    return "M_INVALID_PARAM" if field in WRONG_VALUE else "M_BAD_JSON"


def _wrong_values(kind: str) -> Iterator[Any]:
    name = kind.removesuffix("?").removesuffix(", not null")
    right = [*RIGHT[name], *([None] if kind.endswith("?") else [])]
    return (value for value in VALUES if not any(type(value) is type(r) and value == r for r in right))


def _with(endpoint: str, field: str, value: Any) -> Any:
    body = copy.deepcopy(BESIDES.get(endpoint, {}))
    *outer, name = field.split("/")
    holder = body
    for key in outer:
        holder = holder.setdefault(key, {})
    holder[name] = value
    if field.endswith("identifier/user"):
        holder["type"] = "m.id.user"
    return body
