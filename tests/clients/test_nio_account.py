"""Accounts and devices through matrix-nio."""

import uuid
from typing import Any

import nio  # type: ignore[import-untyped]

from tests.clients.person import PASSWORD, People, Person, ok, refused


async def test_sign_up_and_sign_in(people: People) -> None:
    (alice,) = await people.sign_up("alice")
    whoami = await ok(alice.client.whoami(), nio.WhoamiResponse)
    assert (whoami.user_id, whoami.device_id) == (alice.user_id, alice.client.device_id)
    await refused(people.stranger(alice.name).client.register(alice.name, PASSWORD), "M_USER_IN_USE")
    await refused(people.stranger(alice.name).client.login("wrong password"), "M_FORBIDDEN")
    await refused(people.stranger(f"nobody-{uuid.uuid4().hex}").client.login(PASSWORD), "M_FORBIDDEN")
    phone = await people.another_device(alice)
    assert phone.user_id == alice.user_id
    assert phone.client.device_id != alice.client.device_id
    flows = await ok(phone.client.login_info(), nio.LoginInfoResponse)
    assert "m.login.password" in flows.flows


async def test_devices(people: People) -> None:
    (alice,) = await people.sign_up("alice")
    phone = await people.another_device(alice)
    call = alice.client.update_device(phone.client.device_id, {"display_name": "the phone"})
    await ok(call, nio.UpdateDeviceResponse)
    devices = await ok(alice.client.devices(), nio.DevicesResponse)
    names = {device.id: device.display_name for device in devices.devices}
    assert names == {alice.client.device_id: "first device", phone.client.device_id: "the phone"}
    await delete_device(alice, phone.client.device_id)
    await refused(phone.client.whoami(), "M_UNKNOWN_TOKEN")
    left = await ok(alice.client.devices(), nio.DevicesResponse)
    assert [device.id for device in left.devices] == [alice.client.device_id]


async def delete_device(person: Person, device_id: str) -> None:
    """The server asks for the password first."""
    asked = await ok(person.client.delete_devices([device_id]), nio.DeleteDevicesAuthResponse)
    assert {"stages": ["m.login.password"]} in asked.flows
    auth = {
        "type": "m.login.password",
        "identifier": {"type": "m.id.user", "user": person.user_id},
        "session": asked.session,
    }
    wrong = {**auth, "password": "wrong password"}
    answer = await ok(person.client.delete_devices([device_id], wrong), nio.DeleteDevicesAuthResponse)
    assert answer.session == asked.session
    right = {**auth, "password": PASSWORD}
    await ok(person.client.delete_devices([device_id], right), nio.DeleteDevicesResponse)


async def test_logout_ends_one_device(people: People) -> None:
    (alice,) = await people.sign_up("alice")
    phone = await people.another_device(alice)
    token = phone.client.access_token
    await ok(phone.client.logout(), nio.LogoutResponse)
    phone.client.access_token = token
    await refused(phone.client.whoami(), "M_UNKNOWN_TOKEN")
    await refused(phone.client.sync(), "M_UNKNOWN_TOKEN")
    await ok(alice.client.whoami(), nio.WhoamiResponse)


async def test_logout_everywhere(people: People) -> None:
    (alice,) = await people.sign_up("alice")
    phone = await people.another_device(alice)
    token = alice.client.access_token
    await ok(alice.client.logout(all_devices=True), nio.LogoutResponse)
    alice.client.access_token = token
    for device in (alice, phone):
        await refused(device.client.whoami(), "M_UNKNOWN_TOKEN")
    await alice.sign_in()
    await ok(alice.client.whoami(), nio.WhoamiResponse)


async def test_presence(people: People) -> None:
    _, (alice, bob) = await people.group("alice", "bob")
    await ok(alice.client.set_presence("unavailable", "in a meeting"), nio.PresenceSetResponse)
    await bob.until("her status", lambda bob: newest_presence(bob, alice) == ("unavailable", "in a meeting"))
    shown = await ok(bob.client.get_presence(alice.user_id), nio.PresenceGetResponse)
    assert (shown.presence, shown.status_msg) == ("unavailable", "in a meeting")
    await ok(alice.client.set_presence("online", "back"), nio.PresenceSetResponse)
    await bob.until("that she is back", lambda bob: newest_presence(bob, alice) == ("online", "back"))


def newest_presence(person: Person, of: Person) -> tuple[str, str | None] | None:
    seen = [(event.presence, event.status_msg) for event in person.presence if event.user_id == of.user_id]
    return seen[-1] if seen else None


def signals(person: Person) -> list[tuple[str, dict[str, Any]]]:
    return [
        (event.sender, event.source["content"])
        for event in person.to_device
        if event.source["type"] == "org.example.signal"
    ]


async def test_account_data_reaches_the_other_device(people: People) -> None:
    room_id, (alice, _) = await people.group("alice", "bob")
    phone = await people.another_device(alice)
    await phone.sync()
    base = f"/user/{alice.user_id}"
    await alice.request("PUT", f"{base}/account_data/org.example.theme", {"dark": True})
    await alice.request("PUT", f"{base}/rooms/{room_id}/account_data/org.example.colour", {"colour": "red"})
    await alice.request("PUT", f"{base}/rooms/{room_id}/tags/m.favourite", {"order": 0.25})
    wanted = [("org.example.theme", {"dark": True}), ("org.example.colour", {"colour": "red"})]
    await phone.until("both", lambda phone: all(data in account_data(phone) for data in wanted))
    await phone.until("the tag", lambda phone: phone.room(room_id).tags == {"m.favourite": {"order": 0.25}})
    assert await phone.request("GET", f"{base}/account_data/org.example.theme") == {"dark": True}
    await phone.request("DELETE", f"{base}/rooms/{room_id}/tags/m.favourite")
    await alice.until("no tag", lambda alice: alice.room(room_id).tags == {})


def account_data(person: Person) -> list[tuple[str, dict[str, Any]]]:
    return [
        (event.type, event.content) for event in person.account_data if isinstance(event, nio.UnknownAccountDataEvent)
    ]


async def test_push_rule_makes_a_highlight(people: People) -> None:
    room_id, (alice, bob) = await people.group("alice", "bob")
    rule = ("global", nio.PushRuleKind.content, "org.example.word")
    actions = [nio.PushNotify(), nio.PushSetTweak("highlight", True)]
    await ok(bob.client.set_pushrule(*rule, pattern="beacon", actions=actions), nio.SetPushRuleResponse)
    await bob.until("the rule", lambda bob: has_rule(bob, "org.example.word"))
    heard = await alice.say(room_id, "The Beacon burns")
    await bob.until("a highlight", lambda bob: bob.room(room_id).unread_highlights == 1)
    await bob.read(room_id, heard)
    await bob.until("nothing unread", lambda bob: bob.room(room_id).unread_notifications == 0)
    await ok(bob.client.enable_pushrule(*rule, enable=False), nio.EnablePushRuleResponse)
    await alice.say(room_id, "the beacon still burns")
    await bob.until("one unread", lambda bob: bob.room(room_id).unread_notifications == 1)
    assert bob.room(room_id).unread_highlights == 0
    await ok(bob.client.delete_pushrule(*rule), nio.DeletePushRuleResponse)
    await bob.until("no rule", lambda bob: not has_rule(bob, "org.example.word"))


def has_rule(person: Person, rule_id: str) -> bool:
    """Whether the newest push rules that came through sync hold this rule of words."""
    rules = [event for event in person.account_data if isinstance(event, nio.PushRulesEvent)]
    return bool(rules) and any(rule.id == rule_id for rule in rules[-1].global_rules.content)
