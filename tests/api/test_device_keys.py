"""Keys of end-to-end encryption: published, found, claimed once; cross-signing; and who hears of changes."""

import asyncio
from typing import Any

import aiohttp
import pytest
from tests.api.keys import (
    CURVE,
    Signer,
    claim,
    device_keys,
    one_time_key,
    one_time_keys,
    publish,
    query,
    random_key,
    signing_key,
    signing_keys,
)
from tests.api.talking import V3, Json, Talker, room, segment, sign_up

UPLOAD = f"{V3}/keys/upload"
QUERY = f"{V3}/keys/query"
CLAIM = f"{V3}/keys/claim"
CHANGES = f"{V3}/keys/changes"
SIGNING = f"{V3}/keys/device_signing/upload"
SIGNATURES = f"{V3}/keys/signatures/upload"


async def lists(talker: Talker, since: str) -> tuple[set[str], set[str]]:
    """Whose devices changed, and who left, by a sync and by /keys/changes alike."""
    answer = await talker.sync(since)
    said = answer.get("device_lists", {})
    asked = await talker.get(CHANGES, **{"from": since, "to": answer["next_batch"]})
    assert {key: sorted(users) for key, users in asked.items()} == {
        key: sorted(said.get(key, [])) for key in ("changed", "left")
    }
    return set(said.get("changed", [])), set(said.get("left", []))


async def now(talker: Talker) -> str:
    return str((await talker.sync())["next_batch"])


async def told(talker: Talker, since: str, part: str, wanted: Json) -> None:
    """Waits until a sync says this."""
    said = None
    while said != wanted:
        answer = await talker.sync(since, timeout=10_000, set_presence="offline")
        said, since = answer.get(part), answer["next_batch"]


async def catch_up(there: Talker, here: Talker) -> None:
    """Returns when the one worker knows what the other has told."""
    await there.sync(await now(here))


# --- publishing and finding ---


async def test_published_keys_are_found(alice: Talker, bob: Talker) -> None:
    phone = await bob.another_device()
    await phone.put(f"{V3}/devices/{phone.device_id}", {"display_name": "Bob's phone"})
    keys, phones = await publish(bob), await publish(phone)
    found = (await query(alice, bob))["device_keys"][bob.user_id]
    assert found[bob.device_id] == {**keys, "unsigned": {}}
    assert found[phone.device_id] == {**phones, "unsigned": {"device_display_name": "Bob's phone"}}
    one = await alice.post(QUERY, {"device_keys": {bob.user_id: [phone.device_id, "NOTHING"]}, "timeout": 10_000})
    assert list(one["device_keys"][bob.user_id]) == [phone.device_id]
    assert one["failures"] == {}


async def test_keys_that_a_client_did_not_sign(alice: Talker, bob: Talker, http: aiohttp.ClientSession) -> None:
    keys = {"user_id": bob.user_id, "device_id": bob.device_id, "algorithms": [], "keys": {}}
    token = {"Authorization": f"Bearer {bob.access_token}"}  # not as a Talker, who says nothing so incomplete
    async with http.post(UPLOAD, json={"device_keys": keys}, headers=token) as response:
        assert response.status == 200
    found = (await query(alice, bob))["device_keys"][bob.user_id][bob.device_id]
    assert found == {**keys, "signatures": {}, "unsigned": {}}


async def test_nobody_and_somebody_without_keys(alice: Talker, bob: Talker) -> None:
    nobody = f"@nobody-{random_key()[:6].lower()}:elsewhere.example"
    found = (await alice.post(QUERY, {"device_keys": {bob.user_id: [], nobody: []}}))["device_keys"]
    assert found == {bob.user_id: {}}


async def test_old_clients_use_r0(alice: Talker) -> None:
    keys = device_keys(alice)
    answer = await alice.post("/_matrix/client/r0/keys/upload", {"device_keys": keys})
    assert answer == {"one_time_key_counts": {CURVE: 0}}
    found = await alice.post("/_matrix/client/r0/keys/query", {"device_keys": {alice.user_id: []}})
    assert found["device_keys"][alice.user_id][alice.device_id]["keys"] == keys["keys"]


@pytest.mark.parametrize(
    ("change", "errcode"),
    [
        ({"user_id": "@somebody:else.example"}, "M_INVALID_PARAM"),
        ({"device_id": "OTHER"}, "M_INVALID_PARAM"),
        ({"algorithms": "olm"}, "M_BAD_JSON"),
        ({"keys": {"ed25519:X": 7}}, "M_BAD_JSON"),
        ({"signatures": None}, "M_BAD_JSON"),
        ({"size": 1.5}, "M_BAD_JSON"),
    ],
)
async def test_wrong_device_keys_are_refused(alice: Talker, change: Json, errcode: str) -> None:
    refused = await alice.refused("POST", UPLOAD, {"device_keys": device_keys(alice, **change)})
    assert refused == (400, errcode)
    assert (await query(alice, alice))["device_keys"] == {alice.user_id: {}}


async def test_large_keys_are_refused(alice: Talker) -> None:
    assert (await alice.refused("POST", UPLOAD, {"device_keys": device_keys(alice, more="x" * 20_000)}))[0] == 413
    large = {f"{CURVE}:A": one_time_key(alice, more="x" * 5_000)}
    assert (await alice.refused("POST", UPLOAD, {"one_time_keys": large}))[0] == 413
    many = one_time_keys(alice, *(f"K{number}" for number in range(1_001)))
    assert (await alice.refused("POST", UPLOAD, {"one_time_keys": many}))[0] == 413


@pytest.mark.parametrize("name", ["", ":", "signed_curve25519", "signed_curve25519:", ":A", "a:\x00", "a:" + "b" * 300])
async def test_keys_need_names(alice: Talker, name: str) -> None:
    refused = await alice.refused("POST", UPLOAD, {"one_time_keys": {name: one_time_key(alice)}})
    assert refused == (400, "M_INVALID_PARAM")


async def test_keys_end_with_their_device(alice: Talker, bob: Talker) -> None:
    phone = await bob.another_device()
    await publish(bob), await publish(phone, "A")
    room_id = await alice.make_room()
    await alice.bring(room_id, bob)
    since = await now(alice)
    await phone.post(f"{V3}/logout")
    assert list((await query(alice, bob))["device_keys"][bob.user_id]) == [bob.device_id]
    assert await lists(alice, since) == ({bob.user_id}, set())
    assert await claim(alice, phone) == {}


# --- one-time keys ---


async def test_one_time_keys_are_counted(alice: Talker, bob: Talker) -> None:
    keys = one_time_keys(bob, "A", "B", "C")
    assert await bob.post(UPLOAD, {"one_time_keys": keys}) == {"one_time_key_counts": {CURVE: 3}}
    assert await bob.post(UPLOAD, {"one_time_keys": keys}) == {"one_time_key_counts": {CURVE: 3}}
    plain = {"curve25519:P": random_key()}
    assert await bob.post(UPLOAD, {"one_time_keys": plain}) == {"one_time_key_counts": {CURVE: 3, "curve25519": 1}}
    assert await claim(alice, bob, "curve25519") == plain
    first = await claim(alice, bob)
    assert keys.items() >= first.items()
    assert await bob.post(UPLOAD) == {"one_time_key_counts": {CURVE: 2}}
    assert (await bob.sync())["device_one_time_keys_count"] == {CURVE: 2}


async def test_a_one_time_key_keeps_its_value(bob: Talker) -> None:
    await bob.post(UPLOAD, {"one_time_keys": one_time_keys(bob, "A")})
    refused = await bob.refused("POST", UPLOAD, {"one_time_keys": one_time_keys(bob, "A", "B")})
    assert refused == (400, "M_INVALID_PARAM")
    assert await bob.post(UPLOAD) == {"one_time_key_counts": {CURVE: 1}}, "B was stored although A was refused"


async def test_the_oldest_key_is_claimed_first(alice: Talker, bob: Talker) -> None:
    for key_id in ("Z", "M", "A"):
        await bob.post(UPLOAD, {"one_time_keys": one_time_keys(bob, key_id)})
    claimed = [list(await claim(alice, bob)) for _ in range(4)]
    assert claimed == [[f"{CURVE}:Z"], [f"{CURVE}:M"], [f"{CURVE}:A"], []]


async def test_a_claimed_key_does_not_come_back(alice: Talker, bob: Talker) -> None:
    """The client did not get the answer to its upload, and repeats it after somebody has claimed the key."""
    keys = one_time_keys(bob, "A")
    await bob.post(UPLOAD, {"one_time_keys": keys})
    assert await claim(alice, bob) == keys
    assert await bob.post(UPLOAD, {"one_time_keys": keys}) == {"one_time_key_counts": {CURVE: 0}}
    assert await claim(alice, bob) == {}
    again = one_time_keys(bob, "A")
    await bob.post(UPLOAD, {"one_time_keys": again})
    assert await claim(alice, bob) == again


async def test_each_key_is_claimed_once(alice: Talker, bob: Talker, elsewhere: aiohttp.ClientSession) -> None:
    keys = one_time_keys(bob, *(f"K{number}" for number in range(30)))
    await bob.post(UPLOAD, {"one_time_keys": keys})
    crowd = [alice, alice.through(elsewhere)] * 20
    claimed = await asyncio.gather(*(claim(one, bob) for one in crowd))
    names = [name for found in claimed for name in found]
    assert sorted(names) == sorted(keys)
    assert claimed.count({}) == 10


async def test_the_fallback_key_serves_when_none_is_left(
    alice: Talker, bob: Talker, elsewhere: aiohttp.ClientSession
) -> None:
    fallback = {f"{CURVE}:F": one_time_key(bob, fallback=True)}
    await bob.post(UPLOAD, {"one_time_keys": one_time_keys(bob, "A"), "fallback_keys": fallback})
    answer = await bob.sync()
    since = answer["next_batch"]
    assert answer["device_unused_fallback_key_types"] == [CURVE]
    assert list(await claim(alice, bob)) == [f"{CURVE}:A"]
    assert (await bob.sync(since))["device_unused_fallback_key_types"] == [CURVE]
    assert await claim(alice.through(elsewhere), bob) == fallback
    assert await claim(alice, bob) == fallback
    await catch_up(bob, alice)
    told = await bob.sync(since)
    assert (told["device_unused_fallback_key_types"], told["device_one_time_keys_count"]) == ([], {CURVE: 0})
    await bob.post(UPLOAD, {"fallback_keys": fallback})
    assert (await bob.sync())["device_unused_fallback_key_types"] == [], "the same key is as used as before"
    await bob.post(UPLOAD, {"fallback_keys": {f"{CURVE}:G": one_time_key(bob, fallback=True)}})
    assert (await bob.sync())["device_unused_fallback_key_types"] == [CURVE]
    assert list(await claim(alice, bob)) == [f"{CURVE}:G"]


async def test_one_fallback_key_of_each_algorithm(bob: Talker) -> None:
    refused = await bob.refused("POST", UPLOAD, {"fallback_keys": one_time_keys(bob, "F", "G")})
    assert refused == (400, "M_INVALID_PARAM")


async def test_claims_of_what_is_not_there(alice: Talker, bob: Talker) -> None:
    wanted = {bob.user_id: {"NOTHING": CURVE, bob.device_id: "x"}, "@nobody:test.example": {"A": CURVE}, "x": {}}
    assert await alice.post(CLAIM, {"one_time_keys": wanted}) == {"failures": {}, "one_time_keys": {}}
    assert await alice.refused("POST", CLAIM, {"one_time_keys": {bob.user_id: {"\x00": CURVE}}}) == (
        400,
        "M_INVALID_PARAM",
    )


async def test_another_identity_leaves_no_old_keys(alice: Talker, bob: Talker) -> None:
    await publish(bob, "A")
    await publish(bob, "B")
    assert list(await claim(alice, bob)) == [f"{CURVE}:B"]
    assert await claim(alice, bob) == {}


async def test_counts_reach_a_waiting_sync(alice: Talker, bob: Talker, elsewhere: aiohttp.ClientSession) -> None:
    await bob.post(UPLOAD, {"one_time_keys": one_time_keys(bob, "A", "B")})
    since = await now(bob)
    waiting = asyncio.create_task(told(bob.through(elsewhere), since, "device_one_time_keys_count", {CURVE: 1}))
    await asyncio.sleep(0.3)
    await claim(alice, bob)
    await asyncio.wait_for(waiting, 5)


# --- cross-signing ---


def password(talker: Talker) -> Json:
    return {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": talker.user_id}}


async def test_cross_signing_keys_are_found(alice: Talker, bob: Talker) -> None:
    body, _ = signing_keys(bob)
    assert await bob.post(SIGNING, body) == {}
    own, others = await query(bob, bob), await query(alice, bob)
    for usage in ("master", "self_signing"):
        assert own[f"{usage}_keys"] == others[f"{usage}_keys"] == {bob.user_id: body[f"{usage}_key"]}
    assert own["user_signing_keys"] == {bob.user_id: body["user_signing_key"]}
    assert others["user_signing_keys"] == {}


async def test_replacing_them_needs_the_password(bob: Talker) -> None:
    body, _ = signing_keys(bob)
    await bob.post(SIGNING, body)
    assert await bob.post(SIGNING, body) == {}, "a retry changes nothing, so it needs no proof"
    other, signers = signing_keys(bob)
    status, asked = await bob.ask("POST", SIGNING, other)
    assert (status, asked["flows"]) == (401, [{"stages": ["m.login.password"]}])
    wrong = {**password(bob), "password": "wrong", "session": asked["session"]}
    status, answer = await bob.ask("POST", SIGNING, {**other, "auth": wrong})
    assert (status, answer["errcode"]) == (401, "M_FORBIDDEN")
    right = {**password(bob), "password": bob._password, "session": asked["session"]}
    assert await bob.post(SIGNING, {**other, "auth": right}) == {}
    assert list((await query(bob, bob))["master_keys"][bob.user_id]["keys"].values()) == [signers["master"].public]


async def test_a_new_master_key_ends_what_it_did_not_sign(bob: Talker) -> None:
    await bob.post(SIGNING, signing_keys(bob)[0])
    auth = {**password(bob), "password": bob._password}
    master = Signer()
    await bob.post(SIGNING, {"master_key": signing_key(bob, "master", master), "auth": auth})
    found = await query(bob, bob)
    assert list(found["master_keys"][bob.user_id]["keys"].values()) == [master.public]
    assert (found["self_signing_keys"], found["user_signing_keys"]) == ({}, {})


async def test_two_first_uploads_at_once(bob: Talker, elsewhere: aiohttp.ClientSession) -> None:
    tries = [one.ask("POST", SIGNING, signing_keys(bob)[0]) for one in (bob, bob.through(elsewhere)) * 3]
    answers = await asyncio.gather(*tries)
    assert sorted(status for status, _ in answers) == [200, *[401] * 5]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"self_signing_key": None, "user_signing_key": None, "master_key": None}, (400, "M_MISSING_PARAM")),
        ({"master_key": None}, (400, "M_MISSING_PARAM")),
        ({"master_key": {"user_id": "@other:test.example"}}, (400, "M_INVALID_PARAM")),
        ({"master_key": {"usage": ["self_signing"]}}, (400, "M_INVALID_PARAM")),
        ({"master_key": {"usage": "master"}}, (400, "M_BAD_JSON")),
        ({"master_key": {"keys": {}}}, (400, "M_INVALID_PARAM")),
        ({"master_key": {"keys": {"ed25519:A": "B"}}}, (400, "M_INVALID_PARAM")),
        ({"master_key": {"keys": {"curve25519:A": "A"}}}, (400, "M_INVALID_PARAM")),
        ({"master_key": {"keys": {"ed25519:A": "A", "ed25519:B": "B"}}}, (400, "M_INVALID_PARAM")),
        ({"master_key": {"keys": {"ed25519:A": "A"}}}, (400, "M_INVALID_PARAM")),
        ({"master_key": {"keys": {"ed25519:": ""}}}, (400, "M_INVALID_PARAM")),
        ({"self_signing_key": {"usage": ["self_signing", "other"]}}, (400, "M_INVALID_SIGNATURE")),
        ({"self_signing_key": {"signatures": {}}}, (400, "M_INVALID_SIGNATURE")),
        ({"user_signing_key": {"signatures": {}}}, (400, "M_INVALID_SIGNATURE")),
    ],
)
async def test_wrong_cross_signing_keys(bob: Talker, change: Json, expected: tuple[int, str]) -> None:
    body: Json = signing_keys(bob)[0]
    for name, changed in change.items():
        body[name] = None if changed is None else {**body[name], **changed}
    assert await bob.refused("POST", SIGNING, body) == expected
    assert (await query(bob, bob))["master_keys"] == {}


@pytest.mark.parametrize("usage", ["self_signing", "user_signing"])
@pytest.mark.parametrize("signature", ["", "A", "not base64!", "x" * 86, "AAAA" * 40, "서명"])
async def test_signatures_that_are_none(bob: Talker, usage: str, signature: str) -> None:
    body, signers = signing_keys(bob)
    body[f"{usage}_key"]["signatures"] = {bob.user_id: {signers["master"].name: signature}}
    assert await bob.refused("POST", SIGNING, body) == (400, "M_INVALID_SIGNATURE")
    assert (await query(bob, bob))["master_keys"] == {}


async def test_a_signature_of_another_key(bob: Talker) -> None:
    """By the right master key, and of the other of the two; and by another master key, with the right name on it."""
    body, signers = signing_keys(bob)
    swapped = {**body["self_signing_key"], "signatures": body["user_signing_key"]["signatures"]}
    assert await bob.refused("POST", SIGNING, {**body, "self_signing_key": swapped}) == (400, "M_INVALID_SIGNATURE")
    forged = {signers["master"].name: Signer().sign(body["self_signing_key"])}
    stranger = {**body["self_signing_key"], "signatures": {bob.user_id: forged}}
    assert await bob.refused("POST", SIGNING, {**body, "self_signing_key": stranger}) == (400, "M_INVALID_SIGNATURE")


async def test_a_key_that_the_present_master_key_signs(bob: Talker) -> None:
    """It may come alone; it replaces another, so it needs the password. Padding of base64 does no harm."""
    body, signers = signing_keys(bob)
    await bob.post(SIGNING, body)
    other = signing_key(bob, "self_signing", Signer(), signers["master"])
    other["signatures"][bob.user_id][signers["master"].name] += "=="
    status, _ = await bob.ask("POST", SIGNING, {"self_signing_key": other})
    assert status == 401
    await bob.post(SIGNING, {"self_signing_key": other, "auth": {**password(bob), "password": bob._password}})
    found = await query(bob, bob)
    assert found["self_signing_keys"][bob.user_id] == other
    assert found["master_keys"][bob.user_id] == body["master_key"]


async def test_a_key_that_is_a_device_id(bob: Talker) -> None:
    signer = Signer()
    again = {**password(bob), "password": bob._password, "device_id": signer.public}
    await bob.post(f"{V3}/login", again)
    body = {"master_key": signing_key(bob, "master", signer)}
    assert await bob.refused("POST", SIGNING, body) == (403, "M_FORBIDDEN")


# --- signatures ---


def signed(key: Json, talker: Talker, signer: Signer, name: str | None = None) -> Json:
    """The key with this one signature. name: of the signing key, where that is not its public key."""
    bare = {field: value for field, value in key.items() if field not in ("signatures", "unsigned")}
    return {**bare, "signatures": {talker.user_id: {name or signer.name: signer.sign(bare)}}}


async def test_signatures_are_merged(alice: Talker, bob: Talker) -> None:
    """Bob's phone is signed by his self-signing key, his master key by the phone, and then by Alice."""
    phone = Signer()
    keys = await publish(bob, signer=phone)
    body, signers = signing_keys(bob)
    await bob.post(SIGNING, body)
    by_self, by_device, master = signers["self_signing"], f"ed25519:{bob.device_id}", signers["master"].public
    own = {
        bob.device_id: signed(keys, bob, by_self),
        master: signed(body["master_key"], bob, phone, by_device),
    }
    assert await bob.post(SIGNATURES, {bob.user_id: own}) == {"failures": {}}
    hers, her_signers = signing_keys(alice)
    await alice.post(SIGNING, hers)
    by_alice = her_signers["user_signing"]
    verified = {master: signed(body["master_key"], alice, by_alice)}
    assert await alice.post(SIGNATURES, {bob.user_id: verified}) == {"failures": {}}

    seen_by_alice, seen_by_bob = await query(alice, bob), await query(bob, bob)
    for seen in (seen_by_alice, seen_by_bob):
        device = seen["device_keys"][bob.user_id][bob.device_id]
        made = own[bob.device_id]["signatures"][bob.user_id]
        assert device["signatures"][bob.user_id] == {**keys["signatures"][bob.user_id], **made}
        made = own[master]["signatures"][bob.user_id]
        assert seen["master_keys"][bob.user_id]["signatures"][bob.user_id] == made
    signatures = seen_by_alice["master_keys"][bob.user_id]["signatures"]
    assert signatures[alice.user_id] == verified[master]["signatures"][alice.user_id]
    assert alice.user_id not in seen_by_bob["master_keys"][bob.user_id]["signatures"], "who verifies whom is private"


async def test_signatures_that_fail(alice: Talker, bob: Talker) -> None:
    """Each for its own reason; the good one among them is kept."""
    phone = await bob.another_device()
    keys, others, phones = await publish(bob), await publish(alice), await publish(phone)
    body, signers = signing_keys(bob)
    await bob.post(SIGNING, body)
    by_self, master = signers["self_signing"], signers["master"].public
    hers, _ = signing_keys(alice)
    await alice.post(SIGNING, hers)
    [her_master] = hers["master_key"]["keys"].values()
    answer = await bob.post(
        SIGNATURES,
        {
            bob.user_id: {
                bob.device_id: signed({**keys, "algorithms": []}, bob, by_self),
                phone.device_id: signed(phones, bob, by_self),
                "NOTHING": signed(keys, bob, by_self),
                master: signed(body["master_key"], bob, by_self),
            },
            alice.user_id: {
                alice.device_id: signed(others, bob, by_self),
                her_master: signed(hers["master_key"], bob, Signer(), signers["user_signing"].name),
            },
            "nobody": {"X": {}},
        },
    )
    failures = {
        (user, key): error["errcode"] for user, errors in answer["failures"].items() for key, error in errors.items()
    }
    assert failures == {
        (bob.user_id, bob.device_id): "M_INVALID_SIGNATURE",
        (bob.user_id, "NOTHING"): "M_NOT_FOUND",
        (bob.user_id, master): "M_INVALID_SIGNATURE",
        (alice.user_id, alice.device_id): "M_NOT_FOUND",
        (alice.user_id, her_master): "M_INVALID_SIGNATURE",
        ("nobody", "X"): "M_NOT_FOUND",
    }
    found = await query(bob, bob, alice)
    devices = found["device_keys"][bob.user_id]
    assert by_self.name in devices[phone.device_id]["signatures"][bob.user_id]
    assert by_self.name not in devices[bob.device_id]["signatures"][bob.user_id]
    assert "signatures" not in found["master_keys"][alice.user_id]


async def sign_each_other(talker: Talker) -> tuple[Json, Signer, Json]:
    """The device's key and its self-signing key, with signatures of both sides made; the third is the master key."""
    device = Signer()
    keys = await publish(talker, signer=device)
    body, signers = signing_keys(talker)
    await talker.post(SIGNING, body)
    own = {
        talker.device_id: signed(keys, talker, signers["self_signing"]),
        signers["master"].public: signed(body["master_key"], talker, device, f"ed25519:{talker.device_id}"),
    }
    assert await talker.post(SIGNATURES, {talker.user_id: own}) == {"failures": {}}
    return keys, signers["self_signing"], body["master_key"]


async def test_a_device_that_says_something_else_is_not_signed(bob: Talker) -> None:
    keys, by_self, _ = await sign_each_other(bob)
    await bob.post(UPLOAD, {"device_keys": {**keys, "signatures": {bob.user_id: {"ed25519:x": "y"}}}})
    found = (await query(bob, bob))["device_keys"][bob.user_id][bob.device_id]
    assert by_self.name in found["signatures"][bob.user_id], "what was signed is the same still"
    await bob.post(UPLOAD, {"device_keys": {**keys, "algorithms": ["m.megolm.v1.aes-sha2"]}})
    found = await query(bob, bob)
    assert found["device_keys"][bob.user_id][bob.device_id]["signatures"] == keys["signatures"]
    [master] = found["master_keys"].values()
    assert f"ed25519:{bob.device_id}" in master["signatures"][bob.user_id], "its own key is the same still"


async def test_another_identity_leaves_no_signatures(bob: Talker) -> None:
    _, _, master = await sign_each_other(bob)
    other = await publish(bob)
    found = await query(bob, bob)
    assert found["device_keys"][bob.user_id][bob.device_id]["signatures"] == other["signatures"]
    assert found["master_keys"][bob.user_id] == master


async def test_forged_signatures_fail(bob: Talker) -> None:
    keys = await publish(bob)
    body, signers = signing_keys(bob)
    await bob.post(SIGNING, body)
    by_self, by_device = signers["self_signing"], f"ed25519:{bob.device_id}"
    forged = {
        bob.device_id: signed(keys, bob, Signer(), by_self.name),
        signers["master"].public: signed(body["master_key"], bob, Signer(), by_device),
    }
    failures = (await bob.post(SIGNATURES, {bob.user_id: forged}))["failures"][bob.user_id]
    assert {key: error["errcode"] for key, error in failures.items()} == dict.fromkeys(forged, "M_INVALID_SIGNATURE")
    found = await query(bob, bob)
    assert found["device_keys"][bob.user_id][bob.device_id]["signatures"] == keys["signatures"]
    assert found["master_keys"][bob.user_id] == body["master_key"]


async def test_a_verification_is_told_to_the_own_devices_alone(alice: Talker, bob: Talker) -> None:
    carol = await sign_up(alice._http, "carol")
    room_id = await alice.make_room()
    await alice.bring(room_id, bob, carol)
    body, signers = signing_keys(bob)
    await bob.post(SIGNING, body)
    hers, her_signers = signing_keys(alice)
    await alice.post(SIGNING, hers)
    phone = await alice.another_device()
    since = {talker: await now(talker) for talker in (phone, bob, carol)}
    verified = {signers["master"].public: signed(body["master_key"], alice, her_signers["user_signing"])}
    assert await alice.post(SIGNATURES, {bob.user_id: verified}) == {"failures": {}}
    assert await lists(phone, since[phone]) == ({bob.user_id}, set())
    assert await lists(bob, since[bob]) == await lists(carol, since[carol]) == (set(), set())


# --- who hears of what ---


async def test_a_change_is_told_to_those_who_share_a_room(
    alice: Talker, bob: Talker, elsewhere: aiohttp.ClientSession
) -> None:
    stranger = await sign_up(alice._http, "stranger")
    room_id = await alice.make_room()
    await alice.bring(room_id, bob)
    here, there = alice, alice.through(elsewhere)
    since, strangers, bobs = await now(here), await now(stranger), await now(bob)
    await catch_up(there, here)
    waiting = asyncio.create_task(told(there, since, "device_lists", {"changed": [bob.user_id], "left": []}))
    await asyncio.sleep(0.3)
    keys = await publish(bob)
    await asyncio.wait_for(waiting, 5)
    assert await lists(here, since) == await lists(bob, bobs) == ({bob.user_id}, set())
    assert await lists(stranger, strangers) == (set(), set())
    since = await now(here)
    await bob.post(UPLOAD, {"device_keys": keys})
    assert await lists(here, since) == (set(), set()), "nothing changed"
    await bob.post(SIGNING, signing_keys(bob)[0])
    assert await lists(here, since) == ({bob.user_id}, set())


async def test_a_first_sync_has_no_lists(alice: Talker, bob: Talker) -> None:
    await publish(bob)
    await alice.bring(await alice.make_room(), bob)
    assert "device_lists" not in await alice.sync()


async def test_who_comes_and_goes(alice: Talker, bob: Talker, elsewhere: aiohttp.ClientSession) -> None:
    await publish(alice), await publish(bob)
    room_id, other = await alice.make_room(), await alice.make_room()
    there = alice.through(elsewhere)

    async def heard(since: str, bobs: str) -> list[tuple[set[str], set[str]]]:
        """What Alice hears from both workers, and Bob."""
        await catch_up(there, alice)
        return [await lists(alice, since), await lists(there, since), await lists(bob, bobs)]

    shared, apart = ({bob.user_id}, set[str]()), (set[str](), {bob.user_id})
    nothing = (set[str](), set[str]())
    for _ in range(2):
        tokens = await now(alice), await now(bob)
        await alice.invite(room_id, bob)
        assert await heard(*tokens) == [nothing] * 3, "an invite shares no room"
        await bob.join(room_id)
        assert await heard(*tokens) == [shared, shared, ({alice.user_id}, set())]

        tokens = await now(alice), await now(bob)
        await alice.bring(other, bob)
        await bob.put(f"{V3}/profile/{segment(bob.user_id)}/displayname", {"displayname": "Bob"})
        assert await heard(*tokens) == [nothing] * 3, "they shared one already"
        tokens = await now(alice), await now(bob)
        await bob.leave(room_id)
        assert await heard(*tokens) == [nothing] * 3, "they share one still"
        await alice.post(f"{room(other)}/kick", {"user_id": bob.user_id})
        assert await heard(*tokens) == [apart, apart, (set(), {alice.user_id})]


async def test_leaving_and_coming_back(alice: Talker, bob: Talker) -> None:
    await publish(bob)
    room_id = await alice.make_room()
    await alice.bring(room_id, bob)
    since = await now(alice)
    await bob.leave(room_id)
    await publish(bob)
    await alice.bring(room_id, bob)
    assert await lists(alice, since) == ({bob.user_id}, set()), "his keys changed while she could not see it"


async def test_somebody_who_was_away_hears_it_from_the_tables(
    alice: Talker, bob: Talker, elsewhere: aiohttp.ClientSession
) -> None:
    """A worker that sees her for the first time knows nothing of her from before."""
    carol = await sign_up(alice._http, "carol")
    await publish(bob), await publish(carol)
    one, two = await alice.make_room(), await alice.make_room()
    await alice.bring(one, bob)
    since = await now(alice)
    await alice.bring(two, carol)
    await bob.leave(one)
    there = alice.through(elsewhere)
    await catch_up(there, alice)
    assert await lists(there, since) == ({carol.user_id}, {bob.user_id})


async def test_changes_needs_tokens(alice: Talker) -> None:
    assert await alice.refused("GET", CHANGES, to="s1") == (400, "M_MISSING_PARAM")
    assert await alice.refused("GET", CHANGES, **{"from": "x", "to": "s1"}) == (400, "M_INVALID_PARAM")


# --- shapes ---


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (UPLOAD, {"one_time_keys": []}),
        (UPLOAD, {"one_time_keys": {"signed_curve25519:A": {"key": 1, "signatures": {}}}}),
        (UPLOAD, {"one_time_keys": {"signed_curve25519:A": {"key": "k", "signatures": {"@a:b": "x"}}}}),
        (UPLOAD, {"fallback_keys": {"signed_curve25519:A": 7}}),
        (QUERY, {"device_keys": []}),
        (QUERY, {"device_keys": {"@a:b": "X"}}),
        (CLAIM, {"one_time_keys": {"@a:b": {"X": ["signed_curve25519"]}}}),
        (SIGNING, {"master_key": []}),
        (SIGNATURES, {"@a:b": {"X": "y"}}),
    ],
)
async def test_wrong_shapes(alice: Talker, path: str, body: Any) -> None:
    assert await alice.refused("POST", path, body) == (400, "M_BAD_JSON")


async def test_too_many_at_once(alice: Talker) -> None:
    people: Json = {f"@p{number}:test.example": [] for number in range(1_001)}
    assert (await alice.refused("POST", QUERY, {"device_keys": people}))[0] == 413
    devices = {f"D{number}": CURVE for number in range(5_001)}
    assert (await alice.refused("POST", CLAIM, {"one_time_keys": {alice.user_id: devices}}))[0] == 413


@pytest.mark.parametrize(("method", "path"), [("PUT", "/dehydrated_device"), ("GET", "/dehydrated_device")])
async def test_what_is_not_kept(alice: Talker, method: str, path: str) -> None:
    assert await alice.refused(method, f"{V3}{path}", None if method == "GET" else {}) == (404, "M_UNRECOGNIZED")
