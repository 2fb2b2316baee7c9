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
        {"en": "Night shift, family, project: sees most", "ko": "밤근무, 가족, 프로젝트. 볼 것이 가장 많습니다"},
    ),
    Person("demo-senior", "수간호사 데모", {"en": "Leads the ward", "ko": "병동을 이끕니다"}),
    Person("demo-doctor", "당직의 데모", {"en": "Doctor on call", "ko": "오늘 밤 당직입니다"}),
    Person("demo-baker", "빵집 데모", {"en": "A shop and its regulars", "ko": "동네 빵집과 단골들"}),
    Person("demo-mum", "엄마 데모", {"en": "Family and the bakery", "ko": "가족방과 빵집 단골"}),
    Person("demo-dad", "아빠 데모", {"en": "Walks to the old beacons", "ko": "옛 봉수대를 찾아 걷습니다"}),
    Person("demo-engineer", "Demo Engineer", {"en": "An English project room", "ko": "영어로 일하는 프로젝트방"}),
    Person(
        "demo-designer",
        "Demo Designer",
        {"en": "Waits to be let into two rooms", "ko": "들어가기를 기다리는 방이 있습니다"},
    ),
)
