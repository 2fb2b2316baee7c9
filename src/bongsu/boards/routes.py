"""What is done on the bed board (병상 배정) of a room, under /_bongsu/v1/boards/{room_id}.

POST      .                                   make it
PUT       /roles/{user_id}                    who is requester, coordinator, provider, observer
POST      /beds                               publish or update beds; POST /beds/{bed_id}/withdraw
POST      /requests                           ask for a bed
POST      /requests/{id}/assignment           offer one
POST      /requests/{id}/accept, decline, arrive, transfer, close
"""

from collections.abc import Callable
from typing import Any, Final, Literal

from bongsu.boards import changes, requests
from bongsu.boards.acting import Acting
from bongsu.boards.answers import BedPublished, BedWithdrawn, BoardMade, Nothing, RequestMade, RequestNow
from bongsu.boards.changes import Create
from bongsu.boards.desk import Do, Work
from bongsu.boards.forms import (
    BOARD,
    REQUEST,
    Answer,
    Appointment,
    BedOffer,
    NewBeds,
    NewBoard,
    NewRequest,
    Reason,
    ReasonedAnswer,
    beds_of,
    id_of,
    own_id,
    person_of,
    reason_of,
    room_of,
    wish_of,
    writer_of,
)
from bongsu.core import boards
from bongsu.core.boards import Act
from bongsu.core.tiers import Tier
from bongsu.http.describing import Described
from bongsu.http.request import Request
from bongsu.http.response import Response
from bongsu.http.router import Handler, Route
from bongsu.workflow.writes import answered, key_of

_CONFLICTS: Final = (
    *("BONGSU_WRONG_STATE", "BONGSU_BED_TAKEN", "BONGSU_BED_GONE", "BONGSU_BED_CHANGED", "BONGSU_PATIENT_WAITS"),
    *("BONGSU_BOARD_FULL", "BONGSU_BOARD_EXISTS", "BONGSU_LAST_COORDINATOR", "BONGSU_IDEMPOTENCY_KEY_REUSED"),
)


def _write(method: str, at: str, handler: Handler, body: Any, answer: Any, summary: str, status: int = 200) -> Route:
    told = Described(summary, {status: answer}, body=body, errors={409: _CONFLICTS}, is_write=True)
    return Route(method, at, handler, bucket="board", tier=Tier.SERVICE, described=told)


class Boards:
    """Each write is an operation of the committer."""

    def __init__(self, acting: Acting, now_ms: Callable[[], int]) -> None:
        self._acting = acting
        self._now_ms = now_ms

    def routes(self) -> list[Route]:
        return [*self._of_the_board(), *self._of_requests()]

    def _of_the_board(self) -> list[Route]:
        roles, withdraw = f"{BOARD}/roles/{{user_id}}", f"{BOARD}/beds/{{bed_id}}/withdraw"
        published = "Publishes beds, or updates an entry"
        return [
            _write("POST", BOARD, self.create, NewBoard, BoardMade, "Makes the board of a room", 201),
            _write("PUT", roles, self.appoint, Appointment, Nothing, "Says what somebody is on the board"),
            _write("POST", f"{BOARD}/beds", self.publish, NewBeds, BedPublished, published, 201),
            _write("POST", withdraw, self.withdraw, Reason, BedWithdrawn, "Takes beds back"),
        ]

    def _of_requests(self) -> list[Route]:
        wanted, answered_so = (
            f"{BOARD}/requests",
            (
                ("accept", self.accept, Answer, "The hospital takes the patient"),
                ("decline", self.decline, ReasonedAnswer, "The hospital does not, and says why"),
                ("arrive", self.arrive, Answer, "The patient has arrived"),
                ("transfer", self.transfer, ReasonedAnswer, "The patient needs another bed"),
                ("close", self.close, Reason, "The request is over"),
            ),
        )
        offered = "Offers the request a bed"
        return [
            _write("POST", wanted, self.ask, NewRequest, RequestMade, "Asks for a bed", 201),
            _write("POST", f"{REQUEST}/assignment", self.assign, BedOffer, RequestNow, offered),
            *(_write("POST", f"{REQUEST}/{act}", run, body, RequestNow, said) for act, run, body, said in answered_so),
        ]

    async def create(self, request: Request) -> Response:
        title = boards.check_impersonal((await request.read(NewBoard)).title, "title")
        doing = Create(
            room_id=room_of(request),
            user_id=writer_of(request),
            act="appoint",
            work=changes.begin,
            key=await key_of(request),
            status=201,
            title=title,
        )
        return answered(await self._acting.submit(doing))

    async def appoint(self, request: Request) -> Response:
        who = person_of(request.params["user_id"], await request.read(Appointment))
        return await self._do(request, "appoint", changes.appoint(who))

    async def publish(self, request: Request) -> Response:
        asked = await request.read(NewBeds)
        row, kept = beds_of(asked, self._now_ms())
        work = changes.publish(row, asked.free, asked.version, kept)
        return await self._do(request, "publish", work, 201 if kept is None else 200)

    async def withdraw(self, request: Request) -> Response:
        reason = reason_of((await request.read(Reason)).reason, needed=False)
        return await self._do(request, "withdraw", changes.withdraw(id_of(request, "bed_id"), reason))

    async def ask(self, request: Request) -> Response:
        return await self._do(request, "request", requests.ask(wish_of(await request.read(NewRequest))), 201)

    async def assign(self, request: Request) -> Response:
        bed_id = own_id((await request.read(BedOffer)).bed_id)
        return await self._do(request, "assign", requests.assign(id_of(request, "request_id"), bed_id))

    async def accept(self, request: Request) -> Response:
        meant = (await request.read(Answer)).meant()
        return await self._do(request, "accept", requests.accept(id_of(request, "request_id"), meant))

    async def decline(self, request: Request) -> Response:
        return await self._give_back(request, "decline")

    async def arrive(self, request: Request) -> Response:
        meant = (await request.read(Answer)).meant()
        return await self._do(request, "arrive", requests.arrive(id_of(request, "request_id"), meant))

    async def transfer(self, request: Request) -> Response:
        return await self._give_back(request, "transfer")

    async def _give_back(self, request: Request, act: Literal["decline", "transfer"]) -> Response:
        asked = await request.read(ReasonedAnswer)
        reason, meant = reason_of(asked.reason, needed=True), asked.meant()
        return await self._do(request, act, requests.give_back(act, id_of(request, "request_id"), meant, reason))

    async def close(self, request: Request) -> Response:
        reason = reason_of((await request.read(Reason)).reason, needed=False)
        return await self._do(request, "close", requests.close(id_of(request, "request_id"), reason))

    async def _do(self, request: Request, act: Act, work: Work, status: int = 200) -> Response:
        user_id, key = writer_of(request), await key_of(request)
        doing = Do(room_id=room_of(request), user_id=user_id, act=act, work=work, key=key, status=status)
        return answered(await self._acting.submit(doing))
