"""An app that signs people in by OAuth 2.0, and people who do so in a browser."""

import base64
import hashlib
import secrets
from typing import Any
from urllib.parse import urlencode

import aiohttp
from tests.api.browser import Browser, Page
from tests.api.talking import V3, Json, ask

PASSWORD = "beacon fires at dusk"
SITE = "https://app.example.org"
REDIRECT = f"{SITE}/back"
API = "urn:matrix:client:api:*"
DEVICE = "urn:matrix:client:device:"
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
METADATA: Json = {
    "client_name": "Beacon",
    "client_uri": SITE,
    "redirect_uris": [REDIRECT],
    "token_endpoint_auth_method": "none",
    "grant_types": ["authorization_code", "refresh_token", DEVICE_GRANT],
    "response_types": ["code"],
    "application_type": "web",
}


def new_name() -> str:
    return f"person-{secrets.token_hex(6)}"


async def register(http: aiohttp.ClientSession, **more: Any) -> tuple[int, Any]:
    async with http.post("/oauth2/register", json={**METADATA, **more}) as response:
        return response.status, await response.json()


async def sign_up(http: aiohttp.ClientSession, name: str | None = None, password: str = PASSWORD) -> str:
    """An account without a session; the user id."""
    body = {"username": name or new_name(), "password": password, "inhibit_login": True}
    status, answer = await ask(http, "POST", f"{V3}/register", {**body, "auth": {"type": "m.login.dummy"}})
    assert status == 200, answer
    return str(answer["user_id"])


class App:
    """client_id: as registered. Each wish has a verifier of its own."""

    def __init__(self, http: aiohttp.ClientSession, client_id: str, redirect_uri: str = REDIRECT) -> None:
        self._http = http
        self.client_id = client_id
        self.redirect_uri = redirect_uri
        self.verifier = secrets.token_urlsafe(48)
        self.state = secrets.token_urlsafe(12)

    @classmethod
    async def new(cls, http: aiohttp.ClientSession, **more: Any) -> "App":
        status, registered = await register(http, **more)
        assert status == 201, registered
        return cls(http, registered["client_id"], registered["redirect_uris"][0])

    def wish(self, **more: str | None) -> str:
        """The address that the app sends a browser to; None leaves a parameter out."""
        challenge = base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).decode().rstrip("=")
        pairs = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "scope": f"{API} {DEVICE}BEACON{secrets.token_hex(6)}",
            "state": self.state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            **more,
        }
        return "/oauth2/authorize?" + urlencode({name: text for name, text in pairs.items() if text is not None})

    async def post(self, path: str, **fields: str) -> tuple[int, Any]:
        async with self._http.post(path, data={"client_id": self.client_id, **fields}) as response:
            assert response.headers["cache-control"] == "no-store"
            return response.status, await response.json()

    async def fetch(self, code: str, **more: str) -> tuple[int, Any]:
        fields = {"code": code, "redirect_uri": self.redirect_uri, "code_verifier": self.verifier, **more}
        return await self.post("/oauth2/token", grant_type="authorization_code", **fields)

    async def refresh(self, token: str) -> tuple[int, Any]:
        return await self.post("/oauth2/token", grant_type="refresh_token", refresh_token=token)

    def through(self, http: aiohttp.ClientSession) -> "App":
        """The same app, asking another worker."""
        there = App(http, self.client_id, self.redirect_uri)
        there.verifier, there.state = self.verifier, self.state
        return there

    async def sign_in(self, browser: Browser, **more: str | None) -> Json:
        """The tokens, for somebody whose browser is signed in."""
        page = await browser.open(self.wish(**more))
        assert page.status == 200, page.text
        page = await browser.fill(press="allow")
        status, tokens = await self.fetch(page.answer["code"])
        assert status == 200, tokens
        assert isinstance(tokens, dict)
        return tokens


async def sign_in_browser(browser: Browser, user_id: str, password: str = PASSWORD) -> Page:
    await browser.open("/account/sign-in")
    return await browser.fill(user=user_id, password=password)


async def whoami(http: aiohttp.ClientSession, access_token: str) -> tuple[int, Any]:
    return await ask(http, "GET", f"{V3}/account/whoami", None, {"Authorization": f"Bearer {access_token}"})
