"""What happened in the demo's rooms, so far."""

from typing import Final

from bongsu.demo.people import SQUARE_ALIAS
from bongsu.demo.steps import (
    Edit,
    Invite,
    Join,
    Knock,
    Pin,
    Place,
    React,
    Read,
    RoomPlan,
    Say,
    Show,
    Step,
    TakeBack,
)

_NURSE, _SENIOR, _DOCTOR = "demo-nurse", "demo-senior", "demo-doctor"
_BAKER, _MUM, _DAD = "demo-baker", "demo-mum", "demo-dad"
_ENGINEER, _DESIGNER = "demo-engineer", "demo-designer"

CHECKLIST: Final = """밤근무 점검표

[ ] 21:00  인수인계
[ ] 21:30  응급카트: 제세동기 충전, 산소통 압력, 약품 유효기간
[ ] 22:00  약품 수령, 두 사람이 함께 확인
[ ] 00:00  수액 펌프 배터리
[ ] 03:00  비상 전등과 통로
[ ] 06:30  상황판 정리
[ ] 07:10  아침 인계
"""

_WARD: Final = RoomPlan(
    creator=_SENIOR,
    when="6d 20:00",
    name="7병동 밤근무",
    topic="인수인계와 밤사이 부탁. 환자 이름은 쓰지 않습니다.",
    avatar="avatar-ward.png",
    favourite_of=(_NURSE, _SENIOR),
    steps=(
        Join(_NURSE, "6d 20:01", _SENIOR),
        Join(_DOCTOR, "6d 20:04", _SENIOR),
        Say(_SENIOR, "2d 20:52", "오늘 밤도 잘 부탁드려요. 인수인계는 21시에 시작합니다.", "hello"),
        Say(_NURSE, "2d 20:54", "네, 지금 올라가고 있어요. 커피 사 갈게요 ☕"),
        React((_SENIOR, _DOCTOR), "2d 20:55", "hello", "🙏"),
        Show(_SENIOR, "2d 20:58", "밤근무-점검표.txt", "오늘 점검표입니다.", "checklist"),
        Pin(_SENIOR, "2d 20:59", ("checklist",)),
        Say(_SENIOR, "2d 21:12", "응급카트 점검은 22시입니다.", "cart"),
        Edit(_SENIOR, "2d 21:13", "cart", "응급카트 점검은 21시 30분입니다."),
        Say(_NURSE, "2d 21:41", "응급카트 점검 끝났습니다. 빠진 것 없어요.", "cart-done", reply="cart"),
        React((_SENIOR, _DOCTOR), "2d 21:42", "cart-done", "✅"),
        Show(_SENIOR, "2d 22:05", "chart-calls.png", "이번 주 밤 호출 수예요. 역시 수요일이 제일 바빴네요.", "calls"),
        React((_NURSE,), "2d 22:06", "calls", "😮"),
        Say(_DOCTOR, "2d 22:11", "부르실 일이 있으면 여기에 먼저 남겨 주세요. 전화보다 빨리 봅니다."),
        Say(_NURSE, "2d 23:40", "5번 방 수액 펌프 경보가 자꾸 울립니다. 여분이 있을까요?", "pump"),
        Say(_DOCTOR, "2d 23:42", "지금 내려갑니다.", thread="pump"),
        Say(_SENIOR, "2d 23:44", "창고 둘째 칸에 두 대 있어요. 위쪽이 새것입니다.", "shelf", thread="pump"),
        Say(_NURSE, "2d 23:55", "찾았어요. 바꿨더니 조용합니다.", "quiet", reply="shelf", thread="pump"),
        React((_DOCTOR, _SENIOR), "2d 23:56", "quiet", "👍"),
        Say(_NURSE, "1d 02:15", "엄마 아침에 들를게, 국 남겨 둬", "slip"),
        TakeBack(_NURSE, "1d 02:16", "slip"),
        Say(_NURSE, "1d 02:16", "앗, 방을 잘못 찾았네요. 지웠습니다 😅", "oops"),
        React((_SENIOR, _DOCTOR), "1d 02:20", "oops", "😂"),
        Say(_SENIOR, "1d 06:48", "다들 고생했어요. 아침 인계는 7시 10분, 상황판 앞에서 합니다."),
        Say(_DOCTOR, "1d 06:50", "수고하셨습니다. 눈 좀 붙이세요.", "morning"),
        Say(_SENIOR, "130m", "오늘 밤 근무표 그대로 갑니다. 바뀐 것 없어요."),
        Say(_DOCTOR, "95m", "저는 20시부터 있습니다."),
        Say(_SENIOR, "48m", "간호사 데모 님, 오늘 22시 약품 수령 같이 부탁드려요.", to=_NURSE),
    ),
    reads=(Read(_NURSE, "morning"), Read(_DOCTOR), Read(_SENIOR)),
)

_FAMILY: Final = RoomPlan(
    creator=_MUM,
    when="30d 19:00",
    name="우리 가족",
    avatar="avatar-family.png",
    favourite_of=(_NURSE, _DAD),
    steps=(
        Join(_DAD, "30d 19:02", _MUM),
        Join(_NURSE, "30d 19:20", _MUM),
        Say(_MUM, "4d 18:20", "이번 주말에 다들 집에 오니? 김치찌개 해 둘게."),
        Say(_NURSE, "4d 18:31", "저는 토요일에 쉬어요!", "off"),
        React((_MUM, _DAD), "4d 18:32", "off", "❤️"),
        Say(_DAD, "4d 18:40", "토요일 좋다. 아침에 남산 한 바퀴 돌고 오마."),
        Show(_DAD, "2d 07:42", "hills-day.jpg", "봉수대까지 다녀왔다. 연기 한 줄기는 평안하다는 뜻이라더라.", "hills"),
        Place(_DAD, "2d 07:43", "남산 봉수대", "geo:37.5512,126.9882"),
        React((_MUM, _NURSE), "2d 07:50", "hills", "😍"),
        Say(_MUM, "2d 07:55", "무릎은 괜찮고? 내려올 때 천천히 걸어요.", "knee", reply="hills"),
        Say(_DAD, "2d 08:10", "오늘 구천 보 걸었다.", "walked"),
        Edit(_DAD, "2d 08:12", "walked", "오늘 9,842보 걸었다. 만 보에서 조금 모자라네."),
        React((_NURSE,), "2d 08:15", "walked", "👏"),
        Show(_NURSE, "1d 08:05", "persimmon.jpg", "퇴근길 감나무. 다 익었어요.", "tree"),
        Say(_MUM, "1d 08:20", "어머, 올해는 많이 달렸네.", reply="tree"),
        Say(_NURSE, "1d 08:22", "이제 들어가서 자요. 다들 좋은 하루요.", "sleep"),
        Say(_MUM, "82m", "국 끓여 놨다. 일어나서 데워 먹어."),
        Say(_MUM, "21m", "일어나면 답 하나 남겨 주렴 🙂"),
    ),
    reads=(Read(_NURSE, "sleep"), Read(_DAD), Read(_MUM)),
)

_MENU: Final = (
    "내일 굽는 빵\n- 통밀 식빵 (열 개)\n- 밤 식빵\n- 소금빵",
    "<p><strong>내일 굽는 빵</strong></p><ul><li>통밀 식빵 (열 개)</li><li>밤 식빵</li><li>소금빵</li></ul>",
)

_BAKERY: Final = RoomPlan(
    creator=_BAKER,
    when="20d 09:00",
    name="골목빵집 단골방",
    topic="빵 나오는 시간과 예약. 문을 두드리면 열어 드립니다.",
    alias="골목빵집",
    avatar="avatar-bakery.png",
    join_rule="knock",
    is_published=True,
    steps=(
        Join(_MUM, "20d 09:30", _BAKER),
        Join(_NURSE, "19d 10:00", _BAKER),
        Say(_BAKER, "2d 08:44", "첫 빵 나왔습니다. 통밀은 오늘 열 개만 구웠어요."),
        Show(_BAKER, "2d 08:45", "bread.jpg", "방금 꺼냈습니다.", "bread"),
        React((_MUM, _NURSE), "2d 08:50", "bread", "😋"),
        Say(_MUM, "2d 08:51", "통밀 하나 남겨 주세요. 열 시에 들를게요.", "order", reply="bread"),
        Say(_BAKER, "2d 08:53", "이름 적어 뒀습니다.", reply="order"),
        Say(_BAKER, "1d 18:30", _MENU[0], "menu", html=_MENU[1]),
        Pin(_BAKER, "1d 18:31", ("menu",)),
        Say(_NURSE, "1d 18:40", "소금빵 네 개 부탁드려요. 병동에 가져가려고요.", "salt"),
        React((_BAKER,), "1d 18:41", "salt", "👌"),
        Knock(_DESIGNER, "1d 19:05", "Hello! I moved in next door. May I come in?"),
        Say(_BAKER, "33m", "내일은 쉽니다. 모레 아침에 뵈어요."),
    ),
    reads=(Read(_NURSE, "salt"), Read(_MUM), Read(_BAKER)),
)

_CODE: Final = (
    "The whole rule, for whoever asks:\n\n```python\n"
    "def is_loud(note):\n    return note.is_new and not note.is_read\n```",
    '<p>The whole rule, for whoever asks:</p><pre><code class="language-python">def is_loud(note):\n'
    "    return note.is_new and not note.is_read\n</code></pre>",
)

_PROJECT: Final = RoomPlan(
    creator=_ENGINEER,
    when="12d 10:00",
    name="Beacon Board",
    topic="A message board for the ward: what people need, what we tried, what broke.",
    avatar="avatar-project.png",
    favourite_of=(_ENGINEER, _DESIGNER),
    steps=(
        Join(_DESIGNER, "12d 10:02", _ENGINEER),
        Join(_NURSE, "11d 17:00", _ENGINEER),
        Say(
            _ENGINEER,
            "5d 10:02",
            "Welcome. The board hangs by the door of the ward and shows what is new since you last passed.",
        ),
        Show(_DESIGNER, "4d 11:20", "sketch-board.png", "First sketch: three notes, large, no white.", "sketch"),
        React((_ENGINEER, _NURSE), "4d 11:25", "sketch", "🔥"),
        Say(
            _NURSE, "3d 07:30", "Tried it last night. The dark one is much better for our eyes.", "eyes", reply="sketch"
        ),
        React((_DESIGNER,), "3d 07:45", "eyes", "💛"),
        Say(_DESIGNER, "3d 10:05", "Which colour should an unread note have?", "colour"),
        Say(
            _ENGINEER, "3d 10:07", "Amber. Red is for alarms, and people stop looking at red.", "amber", thread="colour"
        ),
        Say(_NURSE, "3d 15:10", "Agreed. We have enough red here.", thread="colour"),
        Say(_DESIGNER, "3d 15:12", "Amber it is. I will also make it rounder.", reply="amber", thread="colour"),
        Say(_ENGINEER, "2d 14:00", _CODE[0], "code", html=_CODE[1]),
        Say(_DESIGNER, "2d 14:06", "Two lines. I am almost disapointed.", "short"),
        Edit(_DESIGNER, "2d 14:07", "short", "Two lines. I am almost disappointed."),
        React((_ENGINEER,), "2d 14:08", "short", "😄"),
        Show(_ENGINEER, "1d 16:30", "chart-reading.png", "When people read it. The peak is the shift change.", "chart"),
        Show(_ENGINEER, "1d 16:42", "beacon-notes.pdf", "Notes of the first week, one page.", "notes"),
        Pin(_ENGINEER, "1d 16:43", ("sketch", "notes")),
        React((_DESIGNER, _NURSE), "1d 17:00", "chart", "🎉"),
        Say(
            _ENGINEER,
            "68m",
            "We show it on the ward at three. Demo Designer, can you bring the tablet?",
            "tablet",
            to=_DESIGNER,
        ),
        Say(_DESIGNER, "61m", "Yes. Charged, and labelled.", reply="tablet"),
        Say(_ENGINEER, "12m", "Thank you. See you at the lift."),
    ),
    reads=(Read(_NURSE, "chart"), Read(_DESIGNER, "tablet"), Read(_ENGINEER)),
)

_EVENINGS: Final = 40


def _evening(days_ago: int) -> Say:
    """What the keepers of a beacon reported every evening. In fog they walked."""
    if days_ago % 9 == 4:
        text = "저녁 봉수: 안개가 짙어 걸어서 전했습니다. 이상 없음. · Fog tonight: we walked. All is well."
    elif days_ago % 9 == 7:
        text = "저녁 봉수: 비 그치고 한 줄기. 이상 없음. · After the rain, one fire. All is well."
    else:
        text = "저녁 봉수: 한 줄기. 이상 없음. · Evening beacon: one fire. All is well."
    return Say(_DAD if days_ago < 6 else _ENGINEER, f"{days_ago}d 19:30", text, is_notice=True)


_TALK: Final[tuple[Step, ...]] = (
    Say(
        _ENGINEER,
        "41d 12:05",
        "누구나 들어올 수 있는 방입니다. 인사부터 나눠요. · Everybody may come in. Say hello first.",
        "hello",
    ),
    Say(_BAKER, "38d 14:00", "안녕하세요. 빵 이야기는 단골방에서 합니다. 검색해서 문을 두드려 주세요 🍞"),
    Say(_DESIGNER, "35d 10:10", "Hello from next door. The evening notices are lovely."),
    Say(_SENIOR, "21d 08:30", "병동에서 인사드립니다. 밤에 창밖을 보면 정말 하나 켜져 있을 것 같네요."),
    React((_ENGINEER, _DESIGNER, _BAKER), "21d 08:40", "hello", "👋"),
    Say(_DAD, "6d 17:00", "오늘부터 저녁 소식은 제가 올립니다. 매일 산에 가니까요.", "mine"),
    React((_MUM, _ENGINEER, _NURSE), "6d 17:20", "mine", "🙌"),
    Show(_DAD, "3d 18:50", "beacon-dusk.jpg", "해 질 녘. 가운데 하나만 켜면 평안. · One of five: all is well.", "dusk"),
    React((_MUM, _NURSE, _DESIGNER, _BAKER), "3d 19:00", "dusk", "🔥"),
    Say(_DESIGNER, "3d 19:05", "Why five?", "why", reply="dusk"),
    Say(
        _DAD,
        "3d 19:12",
        "하나는 평안, 둘은 무언가 나타남, 셋은 다가옴, 넷은 넘어옴, 다섯은 싸움입니다."
        " · One: peace. Two: seen. Three: near. Four: across. Five: fighting.",
        reply="why",
    ),
    Say(_MUM, "17m", "오늘 저녁에도 한 줄기겠지요?"),
)

_SQUARE: Final = RoomPlan(
    creator=_ENGINEER,
    when="41d 12:00",
    name="봉수 광장 · Bongsu Square",
    topic="누구나 환영합니다. · Everybody is welcome.",
    alias=SQUARE_ALIAS,
    avatar="avatar-square.png",
    join_rule="public",
    is_published=True,
    steps=(
        *(
            Join(who, f"{day}d 12:30")
            for who, day in ((_BAKER, 38), (_DESIGNER, 36), (_SENIOR, 22), (_NURSE, 21), (_MUM, 15), (_DAD, 10))
        ),
        *(_evening(day) for day in range(_EVENINGS, 0, -1)),
        *_TALK,
    ),
    reads=(Read(_NURSE), Read(_ENGINEER), Read(_BAKER), Read(_DAD)),
)

_MUM_AND_NURSE: Final = RoomPlan(
    creator=_MUM,
    when="28d 20:00",
    between=_NURSE,
    steps=(
        Join(_NURSE, "28d 20:01", _MUM),
        Say(_MUM, "1d 17:40", "밥은 먹었니?"),
        Say(_NURSE, "1d 17:52", "네, 식당에서요. 엄마는요?"),
        Show(_MUM, "1d 17:58", "tea.jpg", "나는 차 한잔.", "tea"),
        React((_NURSE,), "1d 17:59", "tea", "🍵"),
        Say(_MUM, "1d 18:01", "밤에는 따뜻한 것 마셔."),
        Say(_NURSE, "1d 18:03", "네 😊"),
    ),
    reads=(Read(_NURSE), Read(_MUM)),
)

_ENGINEER_AND_DESIGNER: Final = RoomPlan(
    creator=_ENGINEER,
    when="12d 10:10",
    between=_DESIGNER,
    steps=(
        Join(_DESIGNER, "12d 10:11", _ENGINEER),
        Say(
            _ENGINEER,
            "1d 09:15",
            "Could you make the dots a little larger? I cannot tell them apart from the door.",
            "dots",
        ),
        Say(_DESIGNER, "1d 09:40", "Done: 34 instead of 22.", reply="dots"),
        Say(_ENGINEER, "1d 09:41", "Perfect.", "perfect"),
        Say(_ENGINEER, "55m", "One more thing: where is the charger?"),
    ),
    reads=(Read(_DESIGNER, "perfect"), Read(_ENGINEER)),
)

_DOCTOR_AND_NURSE: Final = RoomPlan(
    creator=_NURSE,
    when="5d 22:00",
    between=_DOCTOR,
    steps=(
        Join(_DOCTOR, "5d 22:01", _NURSE),
        Say(_NURSE, "2d 23:58", "아까 펌프 고맙습니다. 빨리 와 주셔서요."),
        Say(_DOCTOR, "1d 00:04", "별말씀을요. 커피 잘 마셨습니다."),
    ),
    reads=(Read(_NURSE), Read(_DOCTOR)),
)

_DAWN: Final = RoomPlan(
    creator=_BAKER,
    when="1d 20:00",
    name="새벽 빵 굽기",
    topic="새벽 다섯 시, 함께 반죽합니다.",
    avatar="avatar-bakery.png",
    steps=(
        Say(_BAKER, "1d 20:02", "이번 달은 둘째 토요일입니다. 앞치마만 가져오세요."),
        Invite(_NURSE, "1d 20:03", _BAKER),
        Invite(_MUM, "1d 20:03", _BAKER),
    ),
)

_WALK: Final = RoomPlan(
    creator=_DAD,
    when="9d 08:00",
    name="봉수길 걷기 · Beacon walks",
    topic="토요일 아침 여섯 시. · Saturdays at six in the morning.",
    alias="beacon-walks",
    avatar="avatar-walk.png",
    join_rule="knock",
    is_published=True,
    steps=(
        Join(_MUM, "9d 08:10", _DAD),
        Say(_DAD, "3d 17:30", "이번 주는 안산입니다. 봉수대 두 곳이 마주 보는 길이에요."),
        Say(_MUM, "3d 17:45", "물 챙기고, 천천히 가는 걸로 해요."),
        Knock(_DESIGNER, "2d 12:00", "I walk slowly and take pictures. Is that all right?"),
    ),
    reads=(Read(_DAD),),
)

PLANS: Final = (
    _SQUARE,
    _FAMILY,
    _MUM_AND_NURSE,
    _BAKERY,
    _PROJECT,
    _ENGINEER_AND_DESIGNER,
    _WALK,
    _WARD,
    _DOCTOR_AND_NURSE,
    _DAWN,
)
