"""A board's beds for other systems, in the terms of OASIS EDXL-HAVE 2.0. How far it is that: docs/decisions/have.md."""

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import Final
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from bongsu.store.boards import BedRow

HAVE: Final = "urn:oasis:names:tc:emergency:edxl:have:2.0"
CT: Final = "urn:oasis:names:tc:emergency:edxl:ct:1.0"
XNL: Final = "urn:oasis:names:tc:emergency:edxl:ciq:1.0:xnl"
GML: Final = "http://www.opengis.net/gml/3.2"
KINDS_URI: Final = "urn:bongsu:bed-kinds"  # of the list that kinds are from: the board's own words
_WGS84: Final = "urn:ogc:def:crs:EPSG::4326"  # latitude first
_PREFIXES: Final = {"have": HAVE, "ct": CT, "xnl": XNL, "gml": GML}


def when(ms: int) -> str:
    """With an offset and without fractions, which is how EDXL writes times."""
    return datetime.fromtimestamp(ms / 1_000, UTC).isoformat(timespec="seconds")


def as_have(title: str, beds: Sequence[BedRow], now_ms: int) -> bytes:
    """Each hospital as a facility, with its entries of beds that are still valid."""
    for prefix, uri in _PREFIXES.items():
        ElementTree.register_namespace(prefix, uri)
    valid = sorted((bed for bed in beds if bed.valid_until_ms > now_ms), key=lambda bed: (bed.hospital, bed.bed_id))
    root = Element(f"{{{HAVE}}}HAVE")
    name = _in(_in(root, HAVE, "organizationInformation"), XNL, "organisationName")
    _in(name, XNL, "nameElement", title)
    period = _in(root, HAVE, "reportingPeriod")
    _in(period, CT, "fromDateTime", when(min((bed.published_ms for bed in valid), default=now_ms)))
    _in(period, CT, "toDateTime", when(now_ms))
    for hospital, entries in groupby(valid, lambda bed: bed.hospital):
        _facility(root, hospital, list(entries))
    return bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True))


def _facility(root: Element, hospital: str, beds: Sequence[BedRow]) -> None:
    facility = _in(root, HAVE, "facility")
    about = _in(facility, HAVE, "facilityInformation")
    _in(about, HAVE, "facilityID", hospital)
    _in(about, HAVE, "facilityName", hospital)
    _location(about, beds)
    services = _in(facility, HAVE, "serviceList")
    for bed in beds:
        _service(services, bed)
    _in(facility, HAVE, "lastUpdateTime", when(max(bed.published_ms for bed in beds)))


def _location(about: Element, beds: Sequence[BedRow]) -> None:
    """Where the first of its entries is that says so."""
    place = next((bed.place for bed in beds if bed.place.lat is not None and bed.place.lon is not None), None)
    if place is None:
        return
    geo = _in(_in(about, HAVE, "facilityGeoLocation"), CT, "EDXLGeoLocation")
    point = _in(geo, GML, "Point")
    point.set("srsName", _WGS84)
    _in(point, GML, "pos", f"{place.lat} {place.lon}")


def _service(services: Element, bed: BedRow) -> None:
    """An entry's beds can do all of its kinds, so that they are counted once."""
    service = _in(services, HAVE, "serviceListItem")
    _in(service, HAVE, "serviceName", ", ".join(bed.kinds))
    capacity = _in(service, HAVE, "bedCapacity")
    for kind in bed.kinds:
        named = _in(capacity, HAVE, "bedType")
        _in(named, CT, "ValueListURI", KINDS_URI)
        _in(named, CT, "Value", kind)
    counts = _in(capacity, HAVE, "capacity")
    _in(counts, HAVE, "capacityStatus", "VacantAvailable" if bed.free else "NotAvailable")
    _in(counts, HAVE, "availableCount", str(bed.free))
    _in(counts, HAVE, "baselineCount", str(bed.places))


def _in(parent: Element, namespace: str, name: str, text: str | None = None) -> Element:
    child = ElementTree.SubElement(parent, f"{{{namespace}}}{name}")
    child.text = text
    return child
