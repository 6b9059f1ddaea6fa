"""What has been heard of changes, and the stream that they come by."""

from __future__ import annotations

import asyncio
import codecs
import json
import re
from collections import deque
from dataclasses import dataclass
from typing import Any, AsyncIterator, Callable, Mapping

from ._answer import parsed
from ._errors import Undecided

Change = Mapping[str, Any]
#: `anew`: another bundle decides, or the facts are others, so whatever was decided before is void.
Kept = Change | None
Listener = Callable[[str, Kept], None]

_KEPT_MAX = 1024
_EVENT_CHARACTERS_MAX = 64 * 1024
_SILENT_S = 10.0
_HEARTBEAT_S_MAX = 60.0
_HEARTBEATS_MISSED = 3
_RETRY_S, _RETRY_S_MAX = 1.0, 30.0


@dataclass(frozen=True)
class Work:
    """The work that a change may hit."""

    agent: str
    purpose: str
    task: str | None


def hits(change: Change, work: Work) -> bool:
    """Whether a change may concern this work: each of what it names is the work's own."""
    for name, own in (("agent", work.agent), ("purpose", work.purpose), ("task", work.task)):
        named = change.get(name)
        if named is not None and named != own:
            return False
    return True


def narrows(change: Change, work: Work, revision: int) -> bool:
    """One that the answer knew is none; one that can't be read is one."""
    at = change.get("revision")
    is_known = isinstance(at, int) and at <= revision
    return change.get("narrows", True) is not False and hits(change, work) and not is_known


def cuts_off(change: Change, work: Work) -> bool:
    """Whether it cuts off this very work, so that asking again would only say so later."""
    scope, of = change.get("scope"), change.get("of")
    if change.get("change") != "revoked":
        return False
    return scope == "everything" or (scope == "agent" and of == work.agent) or (scope == "task" and of == work.task)


class Heard:
    """Which changes have come, whether they are being heard, and from which revision on all of them were."""

    def __init__(self) -> None:
        self._listeners: set[Listener] = set()
        self._kept: deque[Kept] = deque(maxlen=_KEPT_MAX)
        self._live = asyncio.Event()
        self._heard_from: int | None = None
        #: How many changes have come.
        self.mark = 0

    @property
    def live(self) -> bool:
        return self._live.is_set()

    def covers(self, revision: int) -> bool:
        """Whether every change after this revision has been heard, and the next will be."""
        return self.live and self._heard_from is not None and revision >= self._heard_from

    def since(self, mark: int) -> list[Kept] | None:
        """What has come since the mark; None where that isn't kept whole."""
        count = self.mark - mark
        return None if count > len(self._kept) else list(self._kept)[len(self._kept) - count :]

    def hit(self, mark: int, work: Work, revision: int) -> bool:
        since = self.since(mark)
        return since is None or any(one is None or narrows(one, work, revision) for one in since)

    def heard_of(self, mark: int, work: Work) -> bool:
        since = self.since(mark)
        return since is None or any(one is None or hits(one, work) for one in since)

    def listen(self, listener: Listener) -> Callable[[], None]:
        self._listeners.add(listener)
        return lambda: self._listeners.discard(listener)

    async def ready(self) -> None:
        await self._live.wait()

    def happened(self, change: Kept) -> None:
        self.mark += 1
        self._kept.append(change)
        self._tell("anew" if change is None else "change", change)

    def became_live(self, revision: int, resumed: bool) -> None:
        if not resumed or self._heard_from is None:
            self._heard_from = revision
        if not self.live:
            self._live.set()
            self._tell("live", None)

    def anew(self, revision: int) -> None:
        self._heard_from = revision
        self.happened(None)

    def silent(self) -> None:
        if self.live:
            self._live.clear()
            self._tell("silent", None)

    def _tell(self, what: str, change: Kept) -> None:
        for listener in list(self._listeners):
            listener(what, change)


class EventReader:
    """The receiving side of server-sent events (WHATWG HTML, section 9.2.6), as far as this service sends them."""

    _FIELD = re.compile(r"([^:]*)(?:: ?(.*))?", re.DOTALL)

    def __init__(self) -> None:
        self.last_id: str | None = None
        self.retry_s: float | None = None
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""
        self._event = ""
        self._data: list[str] = []
        self._id: str | None = None

    @property
    def pending(self) -> int:
        return len(self._rest) + sum(map(len, self._data))

    def read(self, content: bytes) -> list[tuple[str, str]]:
        *lines, self._rest = (self._rest + self._decoder.decode(content)).split("\n")
        return [one for line in lines if (one := self._line(line.removesuffix("\r"))) is not None]

    def _line(self, line: str) -> tuple[str, str] | None:
        if line == "":
            return self._dispatch()
        field, value = EventReader._FIELD.fullmatch(line).groups("")  # type: ignore[union-attr]
        if field == "event":
            self._event = value
        elif field == "data":
            self._data.append(value)
        elif field == "id":
            self._id = value
        elif field == "retry" and value.isascii() and value.isdigit():
            self.retry_s = int(value) / 1000
        return None

    def _dispatch(self) -> tuple[str, str] | None:
        received = (self._event or "message", "\n".join(self._data)) if self._data else None
        self.last_id = self._id if self._id is not None else self.last_id
        self._event, self._data, self._id = "", [], None
        return received


#: Opens `GET /events` after an id, and yields its bytes.
Open = Callable[[str | None], AsyncIterator[bytes]]


class Follower(Heard):
    """Follows `GET /events`, for what is kept or running."""

    def __init__(self, opened: Open, head_s: float) -> None:
        super().__init__()
        self._open = opened
        self._head_s = head_s
        self._last_id: str | None = None
        self._failed = 0
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    def start(self) -> None:
        if self._task is None and not self._closed:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        self._closed = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self.silent()

    async def _run(self) -> None:
        while True:
            reader = EventReader()
            try:
                await self._follow(reader)
            except Exception:  # Whatever it was: nothing is heard, and that is what counts.
                pass
            finally:
                self.silent()
            await asyncio.sleep(min(_RETRY_S_MAX, (reader.retry_s or _RETRY_S) * 2 ** min(self._failed, 10)))
            self._failed += 1

    async def _follow(self, reader: EventReader) -> None:
        resumed = self._last_id is not None
        stream = self._open(self._last_id)
        wait_s = self._head_s
        silence_s = _SILENT_S
        try:
            while True:
                async with asyncio.timeout(wait_s):
                    content = await anext(stream, None)
                if content is None:
                    return
                wait_s = silence_s
                for event, data in reader.read(content):
                    beat_s = self._take(event, parsed(data.encode("utf-8")), resumed)
                    if beat_s is not None:
                        wait_s = silence_s = _HEARTBEATS_MISSED * min(_HEARTBEAT_S_MAX, beat_s)
                        self._failed = 0
                self._last_id = reader.last_id if reader.last_id is not None else self._last_id
                if reader.pending > _EVENT_CHARACTERS_MAX:
                    return
        finally:
            await stream.aclose()  # type: ignore[attr-defined]

    def _take(self, event: str, said: Any, resumed: bool) -> float | None:
        if not isinstance(said, dict):
            raise Undecided("answer_unreadable")
        if event == "change":
            self.happened(said)
        elif event == "policy":
            self.happened(None)
        elif event == "reset":
            self.anew(int(said["facts_revision"]))
        elif event == "ready":
            self.became_live(int(said["facts_revision"]), resumed)
            return float(said["heartbeat_ms"]) / 1000
        return None


def dumped(value: Any) -> str:
    """A value in one spelling, to compare it by."""
    return json.dumps(value, sort_keys=True)
