"""The same client for code without an event loop: one runs in a thread of its own, and actions run in the caller's."""

from __future__ import annotations

import asyncio
import functools
import inspect
import threading
from typing import Any, Awaitable, Callable, Coroutine, Mapping, TypeVar

from ._action import Action
from ._client import AsyncRemitClient, Guard, Held, Permitted, Run
from ._errors import Denied, Undecided

T = TypeVar("T")


def _aside(handler: Callable[..., Any] | None) -> Callable[..., Awaitable[Any]] | None:
    """A handler that may take its time, off the event loop."""
    return None if handler is None else functools.partial(asyncio.to_thread, handler)


class RemitClient:
    """
    As `AsyncRemitClient`, with its options; handlers and the function that gives a token are called in threads of their own.

    An action that runs here can't be broken off from outside: it may look at `permitted.stopped`, and what it comes to after that is a `Denied`.

    >>> with RemitClient(url=url, token=token) as remit:
    ...     with remit.guard(action) as permitted:
    ...         customer = read_customer(permitted.action["resource"]["id"])
    """

    def __init__(self, **options: Any) -> None:
        for name in ("confirm", "notify"):
            if callable(options.get(name)):
                options[name] = _aside(options[name])
        if callable(options.get("token")):
            options["token"] = _aside(options["token"])
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="remit", daemon=True)
        self._thread.start()
        self._lock = threading.Lock()
        self._ended = False
        try:
            self.client: AsyncRemitClient = self.call(self._made(options))
        except BaseException:
            self._end()
            raise

    @staticmethod
    async def _made(options: dict[str, Any]) -> AsyncRemitClient:
        return AsyncRemitClient(**options)

    def __enter__(self) -> RemitClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def outcomes_lost(self) -> int:
        return self.client.outcomes_lost

    def guard(self, action: Action | Callable[..., Action], **options: Any) -> SyncGuard:
        """As `AsyncRemitClient.guard`, with `with`, and for functions that aren't coroutines."""
        return SyncGuard(self, action, options)

    def decide(self, action: Action, **options: Any) -> Held:
        """As `AsyncRemitClient.decide`."""
        return self.call(self.client.decide(action, **options))

    def act(self, held: Held, run: Run, **options: Any) -> Any:
        """As `AsyncRemitClient.act`."""
        return SyncGuard(self, held, options).run(run)

    def create_task(self, task: Mapping[str, Any]) -> Mapping[str, Any]:
        """As `AsyncRemitClient.create_task`."""
        return self.call(self.client.create_task(task))

    def end_task(self, task: str, reason: str | None = None) -> Mapping[str, Any]:
        """As `AsyncRemitClient.end_task`."""
        return self.call(self.client.end_task(task, reason))

    def ready(self, deadline_ms: int | None = None) -> None:
        """As `AsyncRemitClient.ready`."""
        self.call(self.client.ready(deadline_ms))

    def close(self) -> None:
        """As `AsyncRemitClient.close`."""
        with self._lock:
            if self._ended:
                return
            self.call(self.client.close())
            self._end()

    def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Runs in the client's loop, and waits for it."""
        if self._ended:
            coroutine.close()
            raise Undecided("closed")
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def _end(self) -> None:
        self._ended = True
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5)


class SyncGuard:
    """As `Guard`."""

    def __init__(self, owner: RemitClient, action: Action | Callable[..., Action] | Held, options: Mapping[str, Any]) -> None:
        given: dict[str, Any] = {name: _aside(value) if name in ("confirm", "notify") else value for name, value in options.items()}
        self._owner = owner
        self._action = action
        self._options = options
        self._redacts = bool(options.get("redacts", False))
        self._guard = Guard(owner.client, action, **given)
        self._answer: Mapping[str, Any] | None = None
        self._permitted: Permitted | None = None

    def __call__(self, function: Callable[..., T]) -> Callable[..., T]:
        action_of = self._action
        if not callable(action_of):
            raise TypeError("a guarded function needs a function that makes its action")
        if inspect.iscoroutinefunction(function):
            raise TypeError("a coroutine function is guarded by AsyncRemitClient")
        takes = "permitted" in inspect.signature(function).parameters

        @functools.wraps(function)
        def guarded(*args: Any, **kwargs: Any) -> T:
            if "permitted" in kwargs:
                raise TypeError("`permitted` is given by the guard")
            one = SyncGuard(self._owner, action_of(*args, **kwargs), self._options)
            if takes:
                return one.run(lambda permitted: function(*args, **kwargs, permitted=permitted))  # type: ignore[no-any-return]
            return one.run(lambda: function(*args, **kwargs))  # type: ignore[no-any-return]

        of = inspect.signature(function)
        guarded.__signature__ = of.replace(parameters=[p for p in of.parameters.values() if p.name != "permitted"])  # type: ignore[attr-defined]
        guarded.__annotations__ = {name: kind for name, kind in function.__annotations__.items() if name != "permitted"}
        return guarded

    def run(self, call: Run) -> Any:
        """As `Guard.run`, in this thread."""
        takes = len(inspect.signature(call).parameters) > 0
        permitted = self._begin(redacts=True, modifies=takes)
        try:
            result = call(permitted) if takes else call()
        except BaseException as error:
            self._end(error)
            raise
        self._end_with([result])
        return permitted.redacted(result)

    def __enter__(self) -> Permitted:
        self._permitted = self._begin(redacts=self._redacts, modifies=True)
        return self._permitted

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        assert self._permitted is not None
        if error is not None:
            self._end(error)
        else:
            self._end_with(self._permitted._seen)

    def _begin(self, *, redacts: bool, modifies: bool) -> Permitted:
        permitted = self._owner.call(self._guard.begin(redacts=redacts, modifies=modifies))
        self._answer = permitted.answer
        return permitted

    def _end_with(self, results: list[Any]) -> None:
        take_apart = self._guard.returned
        if take_apart is None or not results:
            self._end(None)
            return
        try:
            returned = take_apart(results[0] if len(results) == 1 else results)
        except BaseException as error:
            self._end(error, failed=False)
            raise
        self._end(None, returned=returned)

    def _end(self, error: BaseException | None, *, failed: bool | None = None, returned: Mapping[str, Any] | None = None) -> None:
        if self._owner.call(self._over(error is not None if failed is None else failed, returned)):
            raise Denied("stopped", self._answer) from error

    async def _over(self, failed: bool, returned: Mapping[str, Any] | None) -> bool:
        stopped = self._guard.over(failed, returned)
        if returned is not None:
            await self._guard.reported()
        return stopped
