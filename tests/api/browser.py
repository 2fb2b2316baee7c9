"""A browser without scripts: it keeps cookies, follows links to this server, and fills in forms as a person would."""

from collections.abc import Mapping
from urllib.parse import parse_qsl, urljoin, urlsplit

import aiohttp
from selectolax.lexbor import LexborHTMLParser, LexborNode
from yarl import URL

_HOPS_MAX = 10


class Page:
    """What the browser shows. left_for: the address elsewhere that it was sent to instead of a page here."""

    def __init__(self, status: int, url: str, headers: Mapping[str, str], text: str, left_for: str | None) -> None:
        self.status = status
        self.url = url
        self.headers = headers
        self.text = text
        self.left_for = left_for
        self.tree = LexborHTMLParser(text)

    @property
    def title(self) -> str:
        return _text(self.tree.css_first("h1"))

    @property
    def path(self) -> str:
        return urlsplit(self.url).path

    def said(self, selector: str) -> str:
        """The text of what is found first; "" for nothing."""
        return _text(self.tree.css_first(selector))

    def value(self, selector: str, attribute: str = "value") -> str:
        """Of an attribute that must be there."""
        node = self.tree.css_first(selector)
        assert node is not None, f"no {selector} on {self.url}: {self.text[:2000]}"
        return node.attributes[attribute] or ""

    @property
    def csrf(self) -> str:
        return self.value("input[name=csrf]")

    @property
    def answer(self) -> dict[str, str]:
        """What stands in the address elsewhere, in its query or fragment."""
        assert self.left_for is not None, f"{self.status} {self.title}: {self.text[:2000]}"
        parts = urlsplit(self.left_for)
        return dict(parse_qsl(parts.fragment or parts.query))


class Browser:
    """One person's, with cookies of its own. https: what a proxy in front would say is not there; plain HTTP."""

    def __init__(self, base_url: str, language: str = "en") -> None:
        self.base_url = base_url
        self._language = language
        self._http = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))
        self.page = Page(0, base_url, {}, "", None)

    async def close(self) -> None:
        await self._http.close()

    @property
    def cookies(self) -> dict[str, str]:
        return {cookie.key: cookie.value for cookie in self._http.cookie_jar}

    async def open(self, address: str) -> Page:
        return await self._follow("GET", urljoin(self.base_url, address), None)

    async def send(self, address: str, fields: Mapping[str, str]) -> Page:
        """A form that this browser was never shown."""
        return await self._follow("POST", urljoin(self.base_url, address), fields)

    async def ask(self, address: str, fields: Mapping[str, str]) -> aiohttp.ClientResponse:
        """What a script of the page asks for."""
        response = await self._http.post(urljoin(self.base_url, address), data=dict(fields))
        await response.read()
        return response

    async def fill(self, *, press: str = "", form: str = "form", **fields: str) -> Page:
        """Fills the page's form and presses the button with this value (or its only one)."""
        node = self.page.tree.css_first(form)
        assert node is not None, f"no form on {self.page.url}: {self.page.text[:2000]}"
        filled = _filled(node, fields, press)
        action = urljoin(self.page.url, node.attributes.get("action") or "")
        if (node.attributes.get("method") or "get").lower() == "get":
            return await self._follow("GET", str(URL(action).update_query(filled)), None)
        return await self._follow("POST", action, filled)

    async def _follow(self, method: str, url: str, fields: Mapping[str, str] | None) -> Page:
        for _ in range(_HOPS_MAX):
            headers = {"accept-language": self._language}
            async with self._http.request(
                method, URL(url, encoded=True), data=fields, headers=headers, allow_redirects=False
            ) as response:
                text = await response.text()
                location = response.headers.get("location")
                if location is None:
                    self.page = Page(response.status, url, response.headers, text, None)
                    return self.page
                following = urljoin(url, location)
                if not following.startswith(f"{self.base_url}/"):
                    self.page = Page(response.status, url, response.headers, text, following)
                    return self.page
            method, url, fields = "GET", following, None
        raise AssertionError(f"sent round and round, now to {url}")


def _filled(form: LexborNode, fields: Mapping[str, str], press: str) -> dict[str, str]:
    """What a browser would send: what stands there already, what was typed, the pressed button."""
    sent: dict[str, str] = {}
    for node in form.css("input"):
        name, kind = node.attributes.get("name"), node.attributes.get("type") or "text"
        if name and (kind != "checkbox" or "checked" in node.attributes):
            sent[name] = node.attributes.get("value") or ""
    names = {node.attributes.get("name") for node in form.css("input")}
    assert set(fields) <= names, f"the form has {names}, not {set(fields)}"
    sent.update({name: value for name, value in fields.items() if value != "(off)"})
    sent = {name: value for name, value in sent.items() if fields.get(name) != "(off)"}
    if press:
        buttons = [node for node in form.css("button") if node.attributes.get("value") == press]
        assert buttons, f"no button {press}"
        sent[buttons[0].attributes["name"] or ""] = press
    return sent


def _text(node: LexborNode | None) -> str:
    return "" if node is None else node.text(strip=False).strip()
