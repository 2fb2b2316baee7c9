"""Which methods an address answers, asked without doing anything there."""

import re

import aiohttp
from yarl import URL

NO_METHOD = "TRACE"  # answered by no endpoint, and with 405 where there is one


async def allowed(http: aiohttp.ClientSession, template: str) -> set[str]:
    """The methods of a path; its names in braces stand for anything. Empty where there is no endpoint."""
    assert http._base_url is not None
    path = re.sub(r"\{[^}]+\}", "x", template)
    async with http.request(NO_METHOD, URL(f"{http._base_url.origin()}{path}", encoded=True)) as response:
        assert response.status in (404, 405), (path, response.status)
        return {method.strip() for method in response.headers.get("allow", "").split(",")} - {""}
