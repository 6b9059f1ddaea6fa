"""A real service behind a proxy that fails as it is told to: the TypeScript client's own, so that both clients meet the same answers."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any, Awaitable, Callable, Iterator

import pytest

from remit_pdp import AsyncRemitClient, Refusal

ROOT = Path(__file__).parents[3]
DESK = ROOT / "dist" / "test" / "client" / "desk_process.js"


class Process:
    """A program that takes one command a line, as JSON, and answers each by one."""

    def start(self, program: Path) -> Any:
        """Returns its first line."""
        node = os.environ.get("NODE_BIN", "node")
        self._process = subprocess.Popen([node, str(program)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self._answer()

    def tell(self, **command: Any) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=30)

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        # A service may log before it.
        for line in self._process.stdout:
            if line.startswith("{") and '"level"' not in line:
                return json.loads(line)
        raise AssertionError("the program has ended")


class Desk(Process):
    def __init__(self) -> None:
        said = self.start(DESK)
        self.url, self.direct, self.token, self._action = said["url"], said["direct"], said["token"], said["action"]

    def change(self, method: str, path: str, body: dict[str, Any], scope: str | None = None) -> Any:
        return self.tell(change={"method": method, "path": path, "body": body, **({"scope": scope} if scope else {})})

    def action(self, kind: str = "note", **changes: Any) -> Any:
        return {**json.loads(json.dumps(self._action)), "resource": {"type": kind, "id": "n-1"}, **changes}

    def options(self, **changes: Any) -> dict[str, Any]:
        return {"url": self.url, "token": self.token, "deadline_ms": 30_000, **changes}

    def client(self, **changes: Any) -> AsyncRemitClient:
        return AsyncRemitClient(**self.options(**changes))


@pytest.fixture(scope="session")
def desk() -> Iterator[Desk]:
    made = Desk()
    yield made
    made.close()


@pytest.fixture(autouse=True)
def in_order(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "desk" in request.fixturenames:
        request.getfixturevalue("desk").tell(fault="none", events=True)


async def end_of(call: Awaitable[Any]) -> str:
    try:
        await call
    except Refusal as refused:
        return refused.code
    return "ran"


def sync_end_of(call: Callable[[], Any]) -> str:
    try:
        call()
    except Refusal as refused:
        return refused.code
    return "ran"


def until(holds: Callable[[], bool], what: str) -> None:
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < 30, f"{what} has not come"
        time.sleep(0.01)
