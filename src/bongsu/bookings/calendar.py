"""A booking for somebody's calendar (RFC 5545)."""

from datetime import UTC, datetime

from bongsu.store.bookings import Booking, Offer

_LINE_BYTES = 73  # 75 with the space that a folded line begins with


def calendar(offer: Offer, booking: Booking, server_name: str) -> str:
    lines = (
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//Bongsu//Booking//EN",
        "BEGIN:VEVENT",
        f"UID:{booking.booking_id}@{server_name}",
        f"DTSTAMP:{_time(booking.made_at)}",
        f"DTSTART:{_time(offer.starts_at)}",
        f"DTEND:{_time(offer.ends_at)}",
        f"SUMMARY:{_text(offer.title)}",
        f"LOCATION:{_text(offer.place)}",
        "END:VEVENT",
        "END:VCALENDAR",
    )
    return "".join(f"{_folded(line)}\r\n" for line in lines)


def _time(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y%m%dT%H%M%SZ")


def _text(said: str) -> str:
    return said.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,").replace("\n", "\\n")


def _folded(line: str) -> str:
    """In pieces of so many bytes, never through a letter."""
    pieces, size = [""], 0
    for letter in line:
        width = len(letter.encode())
        if size + width > _LINE_BYTES:
            pieces.append("")
            size = 0
        pieces[-1] += letter
        size += width
    return "\r\n ".join(pieces)
