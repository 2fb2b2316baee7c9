"""Forms, as browsers and OAuth apps send them."""

from bongsu.core import limits
from bongsu.core.errors import Refusal, invalid_param
from bongsu.http.request import Query, Request

_FORM = "application/x-www-form-urlencoded"


async def read_form(request: Request) -> Query:
    """The fields of the body. 415 for a body that is no form; a field that stands twice, or holds NUL, is refused."""
    kind = (request.header("content-type") or "").partition(";")[0].strip().lower()
    if kind != _FORM:
        raise Refusal(415, "M_UNKNOWN", f"the body must be {_FORM}")
    return check_fields(Query(await request.body(limits.FORM_BYTES_MAX)))


def check_fields(fields: Query) -> Query:
    names = [name for name, _ in fields.pairs()]
    if len(set(names)) < len(names):
        raise invalid_param("a field stands there twice")
    if any("\x00" in value for _, value in fields.pairs()):
        raise invalid_param("a field holds NUL")
    return fields
