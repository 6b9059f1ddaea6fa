"""One request and its whole answer: bounded in time and bytes, never redirected, tried again only where no answer had begun."""

from __future__ import annotations

import asyncio
import inspect
import re
import ssl
import time
from dataclasses import dataclass
from typing import Any, AsyncIterator, Awaitable, Callable

import httpx

from ._answer import parsed
from ._errors import Undecided

Token = str | Callable[[], str | Awaitable[str]]

_RETRY_PAUSE_S = 0.02
_PROBLEM_BYTES_MAX = 64 * 1024
_JSON_TYPE = re.compile(r'application/json(?:[ \t]*;[ \t]*charset=(?:utf-8|"utf-8"))?', re.IGNORECASE)
_PROBLEM_TYPE = re.compile(r"application/problem\+json(?:[ \t]*;.*)?", re.IGNORECASE)
_TOKEN = re.compile(r"[\x21-\x7e]+")
#: Whatever a service in good health never does.
_FAILURES = {
    "unreachable",
    "deadline",
    "redirected",
    "status_unexpected",
    "type_unexpected",
    "answer_too_large",
    "answer_cut",
    "answer_unreadable",
}


@dataclass(frozen=True)
class Received:
    value: Any
    #: When the first attempt was sent, monotonic: a later one may be answered by what was meant for it.
    sent: float


class Breaker:
    """Gives a service that keeps failing a rest: callers hear at once what they would hear after their deadline."""

    def __init__(self, failures_max: int, open_s: float) -> None:
        self._failures_max = failures_max
        self._open_s = open_s
        self._failures = 0
        self._until: float | None = None

    def enter(self) -> None:
        """:raises Undecided: `breaker_open`"""
        if self._until is None:
            return
        now = time.monotonic()
        if now < self._until:
            raise Undecided("breaker_open")
        # One call finds out; the others wait for what it finds.
        self._until = now + self._open_s

    def ended(self, error: Undecided | None) -> None:
        if error is None:
            self._failures, self._until = 0, None
            return
        status = error.problem["status"] if error.problem is not None else 0
        if error.code in _FAILURES or status >= 500:
            self._failures += 1
            if self._failures >= self._failures_max:
                self._until = time.monotonic() + self._open_s
        elif error.code == "problem":
            self._failures, self._until = 0, None


class Transport:
    def __init__(self, url: str, token: Token, retries_max: int, breaker: Breaker, verify: ssl.SSLContext | None) -> None:
        self._token = token
        self._retries_max = retries_max
        self._breaker = breaker
        # Proxies of the environment would read the token. Elsewhere nobody is meant to see it either, so redirections aren't followed.
        self._http = httpx.AsyncClient(
            base_url=url,
            verify=verify or ssl.create_default_context(),
            trust_env=False,
            follow_redirects=False,
            timeout=None,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=32),
            headers={"accept-encoding": "identity"},
        )

    async def send(self, path: str, body: str, within_s: float, bytes_max: int, method: str = "POST", creates: bool = False) -> Received:
        """:raises Undecided:"""
        self._breaker.enter()
        try:
            async with asyncio.timeout(max(0.0, within_s)):
                received = await self._exchange(path, body, bytes_max, method, creates)
        except TimeoutError as cause:
            late = Undecided("deadline")
            self._breaker.ended(late)
            raise late from cause
        except Undecided as error:
            self._breaker.ended(error)
            raise
        self._breaker.ended(None)
        return received

    async def opened(self, path: str, last_id: str | None) -> AsyncIterator[bytes]:
        """The bytes of an answer that goes on."""
        headers = {"authorization": await self._authorization(), "accept": "text/event-stream"}
        if last_id is not None:
            headers["last-event-id"] = last_id
        async with self._http.stream("GET", path, headers=headers) as response:
            if response.status_code != 200 or not response.headers.get("content-type", "").startswith("text/event-stream"):
                raise Undecided("type_unexpected")
            async for content in response.aiter_raw():
                yield content

    async def close(self) -> None:
        await self._http.aclose()

    async def _exchange(self, path: str, body: str, bytes_max: int, method: str, creates: bool) -> Received:
        headers = {"authorization": await self._authorization(), "content-type": "application/json"}
        request = self._http.build_request(method, path, content=body.encode("utf-8"), headers=headers)
        sent = time.monotonic()
        for attempt in range(self._retries_max + 1):
            try:
                response = await self._http.send(request, stream=True)
                break
            except (httpx.TransportError, OSError) as cause:
                if attempt == self._retries_max:
                    raise Undecided("unreachable") from cause
                await asyncio.sleep(_RETRY_PAUSE_S * 2**attempt)
        try:
            return Received(await _read(response, bytes_max, creates), sent)
        finally:
            await response.aclose()

    async def _authorization(self) -> str:
        try:
            token = self._token if isinstance(self._token, str) else self._token()
            if inspect.isawaitable(token):
                token = await token
        except Exception as cause:
            raise Undecided("token_unavailable") from cause
        if not isinstance(token, str) or _TOKEN.fullmatch(token) is None:
            raise Undecided("token_unavailable")
        return f"Bearer {token}"


async def _read(response: httpx.Response, bytes_max: int, creates: bool) -> Any:
    status, kind = response.status_code, response.headers.get("content-type", "")
    if status == 200 or (creates and status == 201):
        if _JSON_TYPE.fullmatch(kind) is None:
            raise Undecided("type_unexpected")
        return parsed(await _content(response, bytes_max))
    if 300 <= status < 400:
        raise Undecided("redirected")
    if _PROBLEM_TYPE.fullmatch(kind) is None:
        raise Undecided("status_unexpected")
    problem = parsed(await _content(response, _PROBLEM_BYTES_MAX))
    if not isinstance(problem, dict) or not isinstance(problem.get("code"), str):
        raise Undecided("status_unexpected")
    raise Undecided("problem", {**problem, "status": status})


async def _content(response: httpx.Response, bytes_max: int) -> bytes:
    """As it came: what is packed is read as it is, and so can't be read."""
    announced = response.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > bytes_max:
        raise Undecided("answer_too_large")
    content = bytearray()
    try:
        async for chunk in response.aiter_raw():
            content += chunk
            if len(content) > bytes_max:
                raise Undecided("answer_too_large")
    except (httpx.TransportError, OSError) as cause:
        raise Undecided("answer_cut") from cause
    return bytes(content)
