"""Mail leaves: what is owed is a row, sent behind the commit that made it, and again until the mail server has it.

A worker that dies after the mail server took a mail, and before the row went, leaves it to be sent once more; both have
one Message-ID, by which mail programs show it once.
"""

import asyncio
import ssl
from email.message import EmailMessage
from email.utils import formatdate, parseaddr
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
import structlog
from prometheus_client import Counter

from bongsu import pace
from bongsu.core import limits
from bongsu.core.errors import Refusal
from bongsu.store.database import REFUSED, Database
from bongsu.store.third_party_ids import Mail, Mails

log = structlog.get_logger(__name__)

SENT: Final = Counter("bongsu_mails_total", "Mails given to the mail server", ["outcome"])


class MailServer(msgspec.Struct, frozen=True, kw_only=True):
    """Whom mail is given to, and in whose name. ca: certificates it is checked against, if not the system's."""

    host: str
    port: int
    security: Literal["starttls", "tls", "none"]
    user: str | None
    password: str | None
    sender: str
    ca: Path | None = None

    @property
    def options(self) -> dict[str, Any]:
        """As aiosmtplib wants them."""
        context = None if self.security == "none" else ssl.create_default_context(cafile=self.ca)
        return {
            "hostname": self.host,
            "port": self.port,
            "username": self.user,
            "password": self.password,
            "use_tls": self.security == "tls",
            "start_tls": self.security == "starttls",
            "tls_context": context,
            "timeout": limits.MAIL_SEND_SECONDS_MAX,
        }


class Postman:
    """start() and stop() for workers that serve; hurry() when there is something new. Without a server he rests."""

    def __init__(self, database: Database, server: MailServer | None) -> None:
        self.is_there = server is not None
        self._server = server
        self._mails = Mails(database)
        self._news = pace.Bell()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        if self._server is not None:
            self._task = asyncio.create_task(self._run(self._server), name="postman")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def hurry(self) -> None:
        self._news.set()

    async def _run(self, server: MailServer) -> None:
        """Whatever goes wrong, it goes on."""
        while True:
            try:
                while await self._mails.any_due() and (mails := await self._mails.claim(limits.MAILS_AT_ONCE_MAX)):
                    await self._round(server, mails)
            except (Refusal, *REFUSED) as error:
                log.warning("mail_waits", error=repr(error))
            except Exception:
                log.exception("mail_waits")
            self._news.clear()
            await self._news.comes(limits.MAIL_LOOK_SECONDS)

    async def _round(self, server: MailServer, mails: list[Mail]) -> None:
        """Returns when all have ended: what goes wrong with one, or a stop, leaves none of them behind."""
        ended = await asyncio.gather(*(self._deliver(server, mail) for mail in mails), return_exceptions=True)
        for error in ended:
            if error is not None:
                raise error

    async def _deliver(self, server: MailServer, mail: Mail) -> None:
        import aiosmtplib

        try:
            async with asyncio.timeout(limits.MAIL_SEND_SECONDS_MAX):
                message = _message(server, mail)
                sender = parseaddr(server.sender)[1]
                await aiosmtplib.send(message, sender=sender, recipients=[mail.recipient], **server.options)
        except aiosmtplib.SMTPRecipientsRefused as error:
            if all(500 <= refused.code < 600 for refused in error.recipients):
                SENT.labels("refused").inc()
                log.warning("mail_refused", mail_id=mail.mail_id, codes=[each.code for each in error.recipients])
                await self._mails.done(mail.mail_id)
                return
            await self._postpone(mail, error)
        except Exception as error:  # also a mail that cannot be made: the others go on, and it ends with its time
            await self._postpone(mail, error)
        else:
            SENT.labels("sent").inc()
            await self._mails.done(mail.mail_id)

    async def _postpone(self, mail: Mail, error: Exception) -> None:
        SENT.labels("postponed").inc()
        log.warning("mail_postponed", mail_id=mail.mail_id, tries=mail.tries, error=type(error).__name__)
        seconds = min(limits.MAIL_RETRY_SECONDS_MIN * 2.0 ** min(mail.tries - 1, 20), limits.MAIL_RETRY_SECONDS_MAX)
        await self._mails.postpone(mail.mail_id, seconds)


def _message(server: MailServer, mail: Mail) -> EmailMessage:
    message = EmailMessage()
    message["From"] = server.sender
    message["To"] = mail.recipient
    message["Subject"] = mail.subject
    message["Date"] = formatdate()
    message["Message-ID"] = f"<{mail.mail_id}@{server.sender.rpartition('@')[2].rstrip('>')}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.body)
    return message
