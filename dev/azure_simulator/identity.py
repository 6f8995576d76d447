"""The managed-identity token endpoint of App Service and Azure Functions.

Rules: "How to use managed identities for App Service and Azure Functions", section "REST endpoint reference".
"""

import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

API_VERSION = "2019-08-01"
SYSTEM_ASSIGNED_CLIENT_ID = "5d0a4c1e-0000-4000-8000-000000000001"
AUDIENCES = frozenset({"https://cognitiveservices.azure.com", "https://ai.azure.com"})
"""The audiences that Azure OpenAI accepts, without a trailing slash."""

type IdentityHandler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class TokenRequest:
    """One request to the token endpoint. status: of the answer, None while there is none."""

    resource: str | None
    client_id: str | None
    status: int | None = None


@dataclass(frozen=True)
class _Token:
    audience: str
    expires_on: int  # unix seconds


class Identity:
    """Issues access tokens and says which of them Azure OpenAI accepts."""

    def __init__(self, header: str) -> None:
        """header: the value that X-IDENTITY-HEADER must have."""
        self.header = header
        self.token_lifetime: float = 86400
        self._tokens: dict[str, _Token] = {}

    def accepts(self, authorization: str | None) -> bool:
        """Whether `Authorization` carries a token from here: known, not expired, for Azure OpenAI."""
        scheme, _, value = (authorization or "").partition(" ")
        token = self._tokens.get(value.strip())
        return (
            scheme.lower() == "bearer"
            and token is not None
            and token.expires_on > time.time()
            and token.audience.rstrip("/") in AUDIENCES
        )

    def revoke(self) -> None:
        """Makes every token that was issued so far unknown."""
        self._tokens.clear()

    def answer(self, request: web.Request) -> web.Response:
        """Answers one request as the endpoint does: a token, or 400 or 401 with the reason."""
        if request.headers.get("X-IDENTITY-HEADER") != self.header:
            return _refusal(401, "X-IDENTITY-HEADER is missing or has not the value of IDENTITY_HEADER.")
        if request.query.get("api-version") != API_VERSION:
            return _refusal(400, f"api-version is missing or unknown; known: {API_VERSION}.")
        resource = request.query.get("resource")
        if not resource:
            return _refusal(400, "resource is missing.")
        expires_on = int(time.time() + self.token_lifetime)
        value = f"simulated-{secrets.token_urlsafe(32)}"
        self._tokens[value] = _Token(resource, expires_on)
        return web.json_response(
            {
                "access_token": value,
                "client_id": request.query.get("client_id", SYSTEM_ASSIGNED_CLIENT_ID),
                "expires_on": str(expires_on),
                "resource": resource,
                "token_type": "Bearer",
            }
        )


def _refusal(status: int, message: str) -> web.Response:
    return web.json_response({"statusCode": status, "message": message}, status=status)
