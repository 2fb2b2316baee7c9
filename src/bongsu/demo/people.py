"""Who is in the demo: roles, not persons."""

from typing import Final

import msgspec

SQUARE_ALIAS: Final = "bongsu-square"  # the room by which a demo is recognised


class Person(msgspec.Struct, frozen=True):
    """localpart: of the user id; name: as shown in rooms; about: by language, for who chooses an account."""

    localpart: str
    name: str
    about: dict[str, str]


PEOPLE: Final = (
    Person(
        "demo-nurse",
        "간호사 데모",
        {
            "en": "Sees most: night shift, family; has a ticket, reads the bed board, follows the channel",
            "ko": "볼 것이 가장 많습니다. 밤근무와 가족방, 예약 확인증, 병상 현황(보기만), 채널 소식",
        },
    ),
    Person("demo-senior", "수간호사 데모", {"en": "Leads the ward", "ko": "병동을 이끕니다"}),
    Person(
        "demo-doctor",
        "당직의 데모",
        {
            "en": "On call: told of requests for beds that wait too long",
            "ko": "당직의. 병상 요청이 늦어지면 불립니다",
        },
    ),
    Person("demo-baker", "빵집 데모", {"en": "A shop and its regulars", "ko": "동네 빵집과 단골들"}),
    Person(
        "demo-mum",
        "엄마 데모",
        {
            "en": "Family and the bakery; asks the channel",
            "ko": "가족방과 빵집 단골. 채널에 물어봅니다",
        },
    ),
    Person("demo-dad", "아빠 데모", {"en": "Walks to the old beacons", "ko": "옛 봉수대를 찾아 걷습니다"}),
    Person("demo-engineer", "Demo Engineer", {"en": "An English project room", "ko": "영어로 일하는 프로젝트방"}),
    Person(
        "demo-designer",
        "Demo Designer",
        {"en": "Waits to be let into two rooms", "ko": "들어가기를 기다리는 방이 있습니다"},
    ),
    Person(
        "demo-centre",
        "보건소 데모",
        {
            "en": "A health centre: asks for beds, offers vaccinations",
            "ko": "보건소. 병상을 요청하고 예방접종 예약을 받습니다",
        },
    ),
    Person(
        "demo-coordinator",
        "상황실 데모",
        {
            "en": "Coordinates the bed board: offers beds, says who is what",
            "ko": "병상 상황실. 병상을 배정하고 역할을 정합니다",
        },
    ),
    Person(
        "demo-hospital",
        "병원 데모",
        {
            "en": "A hospital: publishes beds, accepts or declines",
            "ko": "병원. 빈 병상을 올리고 배정을 수락하거나 거절합니다",
        },
    ),
    Person(
        "demo-channel",
        "채널지기 데모",
        {
            "en": "Owns a channel with the official mark: posts, broadcasts, desk",
            "ko": "공식 채널의 주인. 소식을 올리고 알리며 상담에 답합니다",
        },
    ),
)
