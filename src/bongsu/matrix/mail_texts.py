"""What mails and the page behind their links say, in English and Korean."""

from typing import Final

Texts = dict[str, str]

# by language and kind of mail: (subject, body). {server}, {address}, {link}, {minutes} are put in.
MAILS: Final[dict[str, dict[str, tuple[str, str]]]] = {
    "en": {
        "register": (
            "Confirm your address for {server}",
            "Somebody, probably you, wants to make an account on {server} with the address {address}.\n\n"
            "To confirm that it is yours, open this link and press the button there:\n\n{link}\n\n"
            "The link works for {minutes} minutes. If this was not you, do nothing: no account is made.\n",
        ),
        "password": (
            "A new password for {server}",
            "Somebody, probably you, wants to set a new password for the account on {server} that has the address"
            " {address}.\n\nTo allow it, open this link and press the button there:\n\n{link}\n\n"
            "The link works for {minutes} minutes. If this was not you, do nothing: your password stays as it is.\n",
        ),
        "add": (
            "Confirm your address for {server}",
            "Somebody, probably you, wants to add the address {address} to an account on {server}.\n\n"
            "To confirm that it is yours, open this link and press the button there:\n\n{link}\n\n"
            "The link works for {minutes} minutes. If this was not you, do nothing: the address is not added.\n",
        ),
        "taken": (
            "You have an account on {server}",
            "Somebody, probably you, wants to use the address {address} for an account on {server}. There is an account"
            " with this address already, so nothing was changed.\n\n"
            "If you forgot its password, choose “forgot password” where you sign in. If this was not you, you need do"
            " nothing.\n",
        ),
        "unknown": (
            "No account on {server} has this address",
            "Somebody, probably you, wants to set a new password for an account on {server}, but no account there has"
            " the address {address}.\n\n"
            "Perhaps yours has another address, or none. If this was not you, you need do nothing.\n",
        ),
    },
    "ko": {
        "register": (
            "{server} 이메일 주소 확인",
            "누군가(아마 본인)가 {address} 주소로 {server}에 계정을 만들려고 합니다.\n\n"
            "본인의 주소가 맞으면 아래 링크를 열고 단추를 눌러 주세요.\n\n{link}\n\n"
            "링크는 {minutes}분 동안 쓸 수 있습니다."
            " 본인이 아니라면 아무것도 하지 않으셔도 됩니다. 계정은 만들어지지 않습니다.\n",
        ),
        "password": (
            "{server} 새 비밀번호",
            "누군가(아마 본인)가 {address} 주소를 쓰는 {server} 계정의 비밀번호를 새로 정하려고 합니다.\n\n"
            "허락하려면 아래 링크를 열고 단추를 눌러 주세요.\n\n{link}\n\n"
            "링크는 {minutes}분 동안 쓸 수 있습니다."
            " 본인이 아니라면 아무것도 하지 않으셔도 됩니다. 비밀번호는 그대로입니다.\n",
        ),
        "add": (
            "{server} 이메일 주소 확인",
            "누군가(아마 본인)가 {address} 주소를 {server} 계정에 더하려고 합니다.\n\n"
            "본인의 주소가 맞으면 아래 링크를 열고 단추를 눌러 주세요.\n\n{link}\n\n"
            "링크는 {minutes}분 동안 쓸 수 있습니다."
            " 본인이 아니라면 아무것도 하지 않으셔도 됩니다. 주소는 더해지지 않습니다.\n",
        ),
        "taken": (
            "{server}에 이미 계정이 있습니다",
            "누군가(아마 본인)가 {address} 주소를 {server} 계정에 쓰려고 합니다. 이 주소를 쓰는 계정이 이미 있어서"
            " 아무것도 바뀌지 않았습니다.\n\n"
            "비밀번호를 잊었다면 로그인 화면에서 ‘비밀번호 찾기’를 고르세요."
            " 본인이 아니라면 아무것도 하지 않으셔도 됩니다.\n",
        ),
        "unknown": (
            "이 주소를 쓰는 {server} 계정이 없습니다",
            "누군가(아마 본인)가 {server} 계정의 비밀번호를 새로 정하려고 하지만, {address} 주소를 쓰는 계정이"
            " 없습니다.\n\n"
            "다른 주소를 쓰셨거나 주소를 등록하지 않으셨을 수 있습니다."
            " 본인이 아니라면 아무것도 하지 않으셔도 됩니다.\n",
        ),
    },
}

PAGE: Final[dict[str, Texts]] = {
    "en": {
        "language": "Language",
        "ask_title": "Is this your address?",
        "ask_register": "Press the button to use {address} for a new account on {server}.",
        "ask_password": "Press the button to allow a new password for the account with the address {address}.",
        "ask_add": "Press the button to add {address} to your account on {server}.",
        "ask_again": "If you did not ask for this, close this page.",
        "button": "Yes, go on",
        "done_title": "Confirmed",
        "done": "Go back to where you began: it goes on there.",
        "next": "Go on",
        "gone_title": "This link does not work any more",
        "gone": "It is too old, or a newer one was sent. Ask for another mail where you began.",
    },
    "ko": {
        "language": "언어",
        "ask_title": "본인의 주소가 맞나요?",
        "ask_register": "{address} 주소로 {server}에 새 계정을 만들려면 단추를 누르세요.",
        "ask_password": "{address} 주소를 쓰는 계정의 비밀번호를 새로 정하려면 단추를 누르세요.",
        "ask_add": "{address} 주소를 {server} 계정에 더하려면 단추를 누르세요.",
        "ask_again": "요청하신 적이 없다면 이 창을 닫으세요.",
        "button": "네, 계속합니다",
        "done_title": "확인했습니다",
        "done": "처음 시작한 곳으로 돌아가면 이어서 진행됩니다.",
        "next": "계속하기",
        "gone_title": "이 링크는 더 이상 쓸 수 없습니다",
        "gone": "너무 오래되었거나 더 새로운 메일이 있습니다. 처음 시작한 곳에서 메일을 다시 요청해 주세요.",
    },
}
