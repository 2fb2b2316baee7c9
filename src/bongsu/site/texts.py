"""What the start page says, in every language it speaks. All tables have the same keys."""

from collections.abc import Mapping
from typing import Final

import msgspec


class Client(msgspec.Struct, frozen=True):
    """A program to talk with, and how it is told to use this server. In a step, {address} and {user} stand for them.

    caution: what may go wrong, if something may.
    """

    name: str
    where: str
    link: str
    steps: tuple[str, ...]
    caution: str = ""


_EN: Final = {
    "title": "Bongsu on {server_name}",
    "description": "A Matrix homeserver. Talk here with any Matrix client.",
    "language": "Language",
    "heading": "Bongsu is running here.",
    "heading_gone": "The fire is out.",
    "lead": "A messenger server that speaks the open Matrix protocol. Open it here, or choose another client and enter"
    " the address below.",
    "open_app": "Open Bongsu",
    "own_account": "Your account: sessions, password, passkeys",
    "state": "State of this server",
    "state_asking": "Asking the server…",
    "state_well": "All is well",
    "state_well_why": "One fire on the hill has always meant: all is well.",
    "state_trouble": "The server runs, but cannot serve",
    "state_trouble_why": "Two fires: something is wrong. Reason: {reason}.",
    "state_gone": "No answer since {time}",
    "state_gone_never": "No answer",
    "state_gone_why": "This page keeps asking every few seconds.",
    "state_no_script": "Without scripts this page cannot watch the server. Its state is at",
    "address": "Homeserver address",
    "copy": "Copy",
    "copied": "Copied",
    "copy_failed": "Select the text and copy it by hand",
    "here_only": "This address works on this computer. For a phone, start the server with --host 0.0.0.0 and open"
    " this page there under this computer’s own address.",
    "here_under_another_name": "This address works on this computer. On a phone, open this page under this"
    " computer’s own address.",
    "not_encrypted": "The way to this address is not encrypted (http). Use it only in a network you trust. Most web"
    " and phone clients want https.",
    "connect": "Connect a client",
    "connect_lead": "Made by others, and not the only ones: any Matrix client may be tried.",
    "people": "Demo accounts",
    "people_lead": "Invented people with rooms, pictures and unread messages. Sign in as one of them, and as another"
    " in a second client to talk with yourself.",
    "people_hidden": "Their passwords are shown only in a browser on the server’s own computer. The command"
    " “bongsu demo” prints them, too.",
    "user_name": "User name",
    "password": "Password",
    "copy_password": "Copy the password of {name}",
    "copy_address": "Copy the address",
    "account": "Get an account",
    "account_open": "Registration is open: choose “Create account” in your client.",
    "account_closed": "Registration is closed. The operator of this server makes accounts with",
    "figures": "Live figures",
    "database": "Database answers in",
    "database_silent": "no answer",
    "position": "Newest position",
    "rate": "Writes a second",
    "parked": "Waiting for news",
    "uptime": "Running for",
    "version": "Version",
    "more": "For operators",
    "ready": "Readiness",
    "metrics": "Metrics",
    "protocol": "Protocol versions",
    "footer": "Bongsu 봉수: the beacon fires that carried news across old Korea, from hill to hill."
    " Smoke by day, fire by night, and one fire every evening to say that all is well.",
}

_KO: Final = {
    "title": "{server_name}의 봉수",
    "description": "Matrix 홈서버입니다. 어떤 Matrix 앱으로든 이야기할 수 있습니다.",
    "language": "언어",
    "heading": "봉수가 켜져 있습니다.",
    "heading_gone": "봉수가 꺼졌습니다.",
    "lead": "공개 표준 Matrix로 대화하는 메신저 서버입니다. 여기서 바로 열거나, 다른 앱을 골라 아래 주소를 넣으세요.",
    "open_app": "봉수 열기",
    "own_account": "내 계정: 세션, 비밀번호, 패스키",
    "state": "서버 상태",
    "state_asking": "서버에 묻는 중…",
    "state_well": "이상 없음",
    "state_well_why": "봉수 한 줄기는 예로부터 평안하다는 뜻입니다.",
    "state_trouble": "켜져 있지만 지금은 일할 수 없습니다",
    "state_trouble_why": "봉수 두 줄기, 문제가 생겼습니다. 까닭: {reason}",
    "state_gone": "{time}부터 응답 없음",
    "state_gone_never": "응답 없음",
    "state_gone_why": "몇 초마다 다시 물어봅니다.",
    "state_no_script": "스크립트가 꺼져 있어 서버를 지켜볼 수 없습니다. 상태는 여기서 볼 수 있습니다:",
    "address": "홈서버 주소",
    "copy": "복사",
    "copied": "복사됨",
    "copy_failed": "글자를 골라 직접 복사해 주세요",
    "here_only": "이 주소는 이 컴퓨터에서만 통합니다. 휴대전화에서 쓰려면 서버를 --host 0.0.0.0으로 켜고,"
    " 휴대전화에서 이 컴퓨터의 주소로 이 페이지를 여세요.",
    "here_under_another_name": "이 주소는 이 컴퓨터에서만 통합니다. 휴대전화에서는"
    " 이 컴퓨터의 주소로 이 페이지를 여세요.",
    "not_encrypted": "이 주소까지의 길은 암호화되지 않습니다(http). 믿을 수 있는 네트워크에서만 쓰세요."
    " 웹과 휴대전화 앱은 대개 https를 요구합니다.",
    "connect": "앱 연결하기",
    "connect_lead": "모두 다른 이들이 만든 앱입니다. 이 밖의 Matrix 앱도 써 볼 수 있습니다.",
    "people": "체험 계정",
    "people_lead": "대화방과 사진, 읽지 않은 메시지까지 갖춘 가상의 사람들입니다. 한 사람으로 로그인하고,"
    " 다른 앱에서 또 한 사람으로 로그인하면 혼자서도 대화해 볼 수 있습니다.",
    "people_hidden": "비밀번호는 서버가 있는 컴퓨터의 브라우저에만 보입니다. “bongsu demo” 명령으로도 볼 수 있습니다.",
    "user_name": "아이디",
    "password": "비밀번호",
    "copy_password": "{name}의 비밀번호 복사",
    "copy_address": "주소 복사",
    "account": "계정 만들기",
    "account_open": "누구나 가입할 수 있습니다. 앱에서 “계정 만들기”를 고르세요.",
    "account_closed": "가입은 닫혀 있습니다. 이 서버의 운영자가 다음 명령으로 계정을 만듭니다:",
    "figures": "지금 이 서버는",
    "database": "데이터베이스 응답",
    "database_silent": "없음",
    "position": "가장 새로운 위치",
    "rate": "초당 쓰기",
    "parked": "소식을 기다리는 연결",
    "uptime": "켜진 지",
    "version": "버전",
    "more": "운영자에게",
    "ready": "준비 상태",
    "metrics": "측정값",
    "protocol": "프로토콜 버전",
    "footer": "봉수는 산에서 산으로 소식을 나르던 옛 한국의 통신망입니다."
    " 낮에는 연기로, 밤에는 불로. 그리고 저녁마다 한 줄기를 올려 평안을 알렸습니다.",
}

TEXTS: Final[Mapping[str, Mapping[str, str]]] = {"en": _EN, "ko": _KO}

REASONS: Final[Mapping[str, Mapping[str, str]]] = {  # what Health says, for people
    "en": {},
    "ko": {
        "stopping": "서버를 멈추는 중입니다",
        "this site is being emptied": "이 센터를 비우는 중입니다",
        "the database does not answer": "데이터베이스가 응답하지 않습니다",
        "the database cannot be written to": "데이터베이스에 쓸 수 없습니다",
    },
}

_ELEMENT: Final = "https://element.io/download"
_CINNY: Final = "https://cinny.in"
_FLUFFY: Final = "https://fluffychat.im"
_NHEKO: Final = "https://nheko-reborn.github.io"

CLIENTS: Final[Mapping[str, tuple[Client, ...]]] = {
    "en": (
        Client(
            "nheko",
            "Desktop",
            _NHEKO,
            (
                "Choose “LOGIN” and enter the whole Matrix ID, such as {user}",
                "A field for the homeserver’s address appears. Enter {address}",
                "Enter the password and sign in.",
            ),
            "Older versions show no pictures: they ask for files without saying who they are.",
        ),
        Client(
            "Cinny",
            "Web and desktop",
            _CINNY,
            (
                "On the login page, replace what stands in “Homeserver” by {address}",
                "Wait until the form for user name and password appears, and sign in.",
            ),
        ),
        Client(
            "Element",
            "Web, desktop and phone",
            _ELEMENT,
            (
                "Choose “Sign in”, then “Edit” beside the homeserver’s name.",
                "Choose “Other homeserver” and enter {address}",
                "Continue, and sign in with user name and password.",
            ),
        ),
        Client(
            "FluffyChat",
            "Phone, web and desktop",
            _FLUFFY,
            (
                "Choose to sign in, and enter {address} where it asks for a homeserver.",
                "Choose to sign in with a password.",
                "Enter user name and password.",
            ),
        ),
    ),
    "ko": (
        Client(
            "nheko",
            "데스크톱",
            _NHEKO,
            (
                "“로그인”을 누르고 Matrix ID를 모두 적습니다. 예: {user}",
                "홈서버 주소 칸이 나타나면 이 주소를 넣습니다: {address}",
                "비밀번호를 넣고 로그인합니다.",
            ),
            "옛 판은 사진을 보여 주지 못합니다. 누구인지 밝히지 않고 파일을 달라고 하기 때문입니다.",
        ),
        Client(
            "Cinny",
            "웹, 데스크톱",
            _CINNY,
            (
                "로그인 화면의 “Homeserver” 칸을 이 주소로 바꿉니다: {address}",
                "사용자 이름과 비밀번호 칸이 나타나면 로그인합니다.",
            ),
        ),
        Client(
            "Element",
            "웹, 데스크톱, 휴대전화",
            _ELEMENT,
            (
                "“로그인”을 누르고, 홈서버 이름 옆의 “편집”을 누릅니다.",
                "“다른 홈서버”를 고르고 이 주소를 넣습니다: {address}",
                "계속을 누른 뒤 사용자 이름과 비밀번호로 로그인합니다.",
            ),
        ),
        Client(
            "FluffyChat",
            "휴대전화, 웹, 데스크톱",
            _FLUFFY,
            (
                "로그인을 고르고, 홈서버를 묻는 칸에 이 주소를 넣습니다: {address}",
                "비밀번호로 로그인하기를 고릅니다.",
                "사용자 이름과 비밀번호를 넣습니다.",
            ),
        ),
    ),
}
