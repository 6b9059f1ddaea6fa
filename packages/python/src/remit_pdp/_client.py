"""
Asks a decision point before an agent acts, and sees to it that nothing runs without a whole, valid answer that permits it. There is no
option that changes that: every way to fail ends in `Denied` or `Undecided`.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import json
import ssl
import time
import uuid
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Awaitable, Callable, Mapping, TypeVar, cast
from urllib.parse import quote, urlsplit

from ._action import Action, AskedAction
from ._answer import Answer, read_answer
from ._errors import DENIALS, Denied, OptionError, Undecided
from ._events import Follower, Kept, Work, cuts_off, dumped, hits, narrows
from ._obligations import fields_of, known, modified, redacted
from ._transport import Breaker, Token, Transport

T = TypeVar("T")
Run = Callable[..., Any]
Confirm = Callable[[str, Mapping[str, Any]], bool | Awaitable[bool]]
Notify = Callable[[str, Mapping[str, Any], Answer], None | Awaitable[None]]
Redact = Callable[[Any, list[str]], Any]
Returned = Callable[[Any], Mapping[str, Any]]

_ANSWER_BYTES_MAX = 256 * 1024
_FACT_BYTES_MAX = 1024 * 1024
_SEEN_MAX = 8192
#: Answers that came too late, or that something has taken back, before one is taken for none.
_ROUNDS_MAX = 4
_POLL_S, _POLL_LIVE_S, _POLL_S_MIN = 2.0, 15.0, 0.2
_MS_MAX = 2**31 - 1


@dataclass(frozen=True)
class Handlers:
    """How a host meets what only it can. What is left out can't be met, and the action doesn't run."""

    confirm: Confirm | None = None
    notify: Notify | None = None
    redact: Redact | None = None

    def over(self, below: Handlers) -> Handlers:
        return Handlers(self.confirm or below.confirm, self.notify or below.notify, self.redact or below.redact)


class Held:
    """An answer, and whether it may still be acted on: once, soon, and only while nothing has taken it back."""

    def __init__(self, answer: Answer, asked: AskedAction, sent: float, mark: int, follower: Follower) -> None:
        self.answer = answer
        self.asked = asked
        self.action = asked.action
        self.until = sent + answer["valid_for_ms"] / 1000
        self._mark = mark
        self._follower = follower
        self._used = False

    @property
    def work(self) -> Work:
        return Work(self.action["agent"], self.action["purpose"], self.asked.task)

    @property
    def heard_of(self) -> bool:
        """Whether something that concerns it has come since it was asked for."""
        return self._follower.heard_of(self._mark, self.work)

    def fault(self, fresh: bool = False) -> str | None:
        """Why it can't be acted on now; None: it can. `fresh`: it hasn't been kept, so nothing has to have been heard meanwhile."""
        if not self.answer["proceed"]:
            return "waiting" if self.answer["decision"] == "flag" else "denied"
        if not self.asked.unchanged:
            return "action_changed"
        if self._used:
            return "answer_used"
        if time.monotonic() >= self.until:
            return "answer_expired"
        revision = self.answer["facts_revision"]
        if self._follower.hit(self._mark, self.work, revision):
            return "answer_dropped"
        return None if fresh or self._follower.covers(revision) else "not_live"

    def use(self) -> None:
        self._used = True


class Permitted:
    """What an action runs with. Do `action`, and nothing else."""

    def __init__(self, action: Mapping[str, Any], answer: Answer, redact: Redact | None) -> None:
        #: As it was decided, with its arguments set as the answer says.
        self.action = action
        self.answer = answer
        #: Whether what permitted the action was taken back while it ran.
        self.stopped = False
        self._redact = redact
        self._seen: list[Any] = []

    def saw(self, result: Any) -> None:
        """Says, in the body of a guard with `returned`, what the action returned. It is reported as the body ends."""
        self._seen.append(result)

    def redacted(self, result: Any) -> Any:
        """
        What the agent may see of a result.

        :raises Denied: `obligation_unmet`
        """
        fields = fields_of(self.answer)
        if not fields:
            return result
        try:
            return self._redact(result, fields) if self._redact is not None else redacted(result, fields)
        except Exception as cause:
            raise Denied("obligation_unmet", self.answer) from cause


class Running:
    """
    Watches over one action while it runs. A change that cuts it off stops it at once; any other that may concern it has it asked about again.
    While no changes are heard it is asked about again whenever its last answer is no longer valid.
    """

    def __init__(self, held: Held, follower: Follower, ask: Callable[[int | None], Awaitable[Held]], stop: Callable[[], None]) -> None:
        self._held = held
        self._follower = follower
        self._ask = ask
        self._stop = stop
        self._work = held.work
        self._obligations = dumped(held.answer["obligations"])
        self._loop = asyncio.get_running_loop()
        self._over = False
        self._timer: asyncio.TimerHandle | None = None
        self._asking: asyncio.Task[None] | None = None
        self._again: int | None = None
        self._unlisten = follower.listen(self._heard)
        self._look_again()

    def end(self) -> None:
        self._over = True
        self._unlisten()
        if self._timer is not None:
            self._timer.cancel()

    def _heard(self, what: str, change: Kept) -> None:
        if what == "anew":
            self._asks(0)
        elif what == "change" and change is not None:
            if not narrows(change, self._work, self._held.answer["facts_revision"]):
                return
            if cuts_off(change, self._work):
                self._stopped()
            else:
                revision = change.get("revision")
                self._asks(revision if isinstance(revision, int) else 0)
        elif what != "change":
            self._look_again()

    def _look_again(self) -> None:
        """Once nothing vouches for it any more, unless changes are heard by then, all since its answer."""
        if self._timer is not None:
            self._timer.cancel()
        if self._over or self._follower.covers(self._held.answer["facts_revision"]):
            return
        self._timer = self._loop.call_later(max(0.0, self._held.until - time.monotonic()), self._asks, 0)

    def _asks(self, at_least: int) -> None:
        if self._over:
            return
        if self._asking is not None:
            self._again = max(self._again or 0, at_least)
        else:
            self._asking = self._loop.create_task(self._asked(at_least))

    async def _asked(self, at_least: int) -> None:
        goes_on = False
        try:
            held = await self._ask(at_least or None)
            fault = held.fault(fresh=True)
            goes_on = fault in (None, "answer_dropped") and dumped(held.answer["obligations"]) == self._obligations
            if goes_on and fault is None:
                self._held = held
            elif goes_on:
                # Something else has come since: what is asked then says more than this answer.
                self._again = self._again or 0
        except Exception:  # Nobody says that it may go on.
            goes_on = False
        self._asking = None
        if not goes_on:
            self._stopped()
            return
        again, self._again = self._again, None
        if again is None:
            self._look_again()
        else:
            self._asks(again)

    def _stopped(self) -> None:
        if not self._over:
            self.end()
            self._stop()


class Outcomes:
    """Tells the service what became of each permitted action, in the background; what can't be told is counted."""

    _AT_ONCE, _TRIES_MAX, _TRY_S, _RETRY_S = 4, 5, 5.0, 0.2

    def __init__(self, transport: Transport, queue_max: int) -> None:
        self._transport = transport
        self._queue_max = queue_max
        self._tasks: set[asyncio.Task[None]] = set()
        self._room = asyncio.Semaphore(Outcomes._AT_ONCE)
        self._closing = False
        self.lost = 0

    def report(self, decision_id: str, outcome: str, **said: Any) -> asyncio.Task[None] | None:
        """Returns what ends once it is told or lost, and never fails; None: it is lost already."""
        if len(self._tasks) >= self._queue_max:
            self.lost += 1
            return None
        body = {"outcome": outcome, **{name: value for name, value in said.items() if value is not None}}
        task = asyncio.get_running_loop().create_task(self._send(f"decisions/{decision_id}/outcome", json.dumps(body)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def close(self) -> None:
        """Nothing is tried again from here on."""
        self._closing = True
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _send(self, path: str, body: str) -> None:
        async with self._room:
            for tries in range(1, Outcomes._TRIES_MAX + 1):
                try:
                    # The same said twice is recorded once, so what may have arrived can be sent again.
                    await self._transport.send(path, body, Outcomes._TRY_S, _FACT_BYTES_MAX)
                    return
                except Undecided as error:
                    status = error.problem["status"] if error.problem is not None else 503
                    if status < 500 or tries == Outcomes._TRIES_MAX or self._closing:
                        break
                await asyncio.sleep(Outcomes._RETRY_S * 2**tries)
            self.lost += 1


class AsyncRemitClient:
    """
    Client of one decision point, for one event loop. Nothing is connected until the first question.

    :param url: the service, such as `http://127.0.0.1:8181`
    :param token: with scope `remit:decide`; a function is asked for each request, so that a token can be renewed
    :param deadline_ms: milliseconds from asking to the last byte of an answer
    :param follow: whether changes are followed. Without, no answer can be kept, and what runs is asked about again whenever its last answer is
        no longer valid
    :param verify: certificates to trust in place of the system's
    :raises OptionError: naming the option

    >>> async with AsyncRemitClient(url=url, token=token) as remit:
    ...     async with remit.guard(action) as permitted:
    ...         customer = await read_customer(permitted.action["resource"]["id"])
    """

    def __init__(
        self,
        *,
        url: str,
        token: Token,
        deadline_ms: int = 2000,
        retries_max: int = 2,
        requests_max: int = 8,
        queue_max: int = 10_000,
        outcomes_max: int = 1024,
        breaker_failures_max: int = 5,
        breaker_open_ms: int = 1000,
        follow: bool = True,
        confirm: Confirm | None = None,
        notify: Notify | None = None,
        redact: Redact | None = None,
        verify: ssl.SSLContext | None = None,
    ) -> None:
        _check_url(url)
        if not (callable(token) or (isinstance(token, str) and token)):
            raise OptionError("token", "a token, or a function that gives one")
        if not isinstance(follow, bool):
            raise OptionError("follow", "True or False")
        for name, handler in (("confirm", confirm), ("notify", notify), ("redact", redact)):
            if handler is not None and not callable(handler):
                raise OptionError(name, "a function")
        if verify is not None and not isinstance(verify, ssl.SSLContext):
            raise OptionError("verify", "an ssl.SSLContext")
        self.deadline_ms = whole("deadline_ms", deadline_ms, 1, _MS_MAX)
        self.handlers = Handlers(confirm, notify, redact)
        self._follow = follow
        self._requests = asyncio.Semaphore(whole("requests_max", requests_max, 1, 1024))
        self._queue_max = whole("queue_max", queue_max, 1, 1_000_000)
        breaker = Breaker(
            whole("breaker_failures_max", breaker_failures_max, 1, 1_000_000), whole("breaker_open_ms", breaker_open_ms, 1, _MS_MAX) / 1000
        )
        self._transport = Transport(url, token, whole("retries_max", retries_max, 0, 10), breaker, verify)
        self.outcomes = Outcomes(self._transport, whole("outcomes_max", outcomes_max, 0, 1_000_000))
        self.follower = Follower(functools.partial(self._transport.opened, "events"), self.deadline_ms / 1000)
        #: Requests of this client are named by it: an answer from before its start is to none of them.
        self._start = str(uuid.uuid4())
        self._asked = 0
        self._waiting = 0
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._seen: OrderedDict[str, None] = OrderedDict()

    async def __aenter__(self) -> AsyncRemitClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def outcomes_lost(self) -> int:
        """How many outcomes could not be reported."""
        return self.outcomes.lost

    def guard(self, action: Action | Callable[..., Action], **options: Any) -> Guard:
        """
        Guards one action, as `async with remit.guard(action) as permitted:` or `await remit.guard(action).run(call)`; or a function, as
        `@remit.guard(action_of)`, where `action_of` makes the action from the function's arguments.

        :param wait_ms: milliseconds that people may take, to approve a flag that waits and to confirm; 0: no approval is waited for
        :param waiting: called once, with the answer, when the action begins to wait for an approval
        :param deadline_ms: milliseconds from asking to the last byte of an answer
        :param at_least: facts revision that the decision has to have seen
        :param redacts: as a context manager only: the body hands every result through `permitted.redacted`
        :param confirm: asks someone to agree to this very action
        :param notify: tells someone, before the action runs
        :param redact: takes fields out of a result that isn't plain JSON
        :param returned: takes apart what the action returned, so that the service knows where later values come from: `remit_pdp.flow.returned_of`.
            Nobody has the result before the service has that. As a context manager the body hands every result to `permitted.saw`. Without, an
            agent that has read something is taken to have read anything
        :raises OptionError: naming the option
        """
        return Guard(self, action, **options)

    async def decide(self, action: Action, *, deadline_ms: int | None = None, at_least: int | None = None) -> Held:
        """
        Asks for a decision, whatever it is, to act on by `act`.

        :raises Undecided: with a code of `NO_ANSWERS`
        """
        ms = whole("deadline_ms", deadline_ms if deadline_ms is not None else self.deadline_ms, 1, _MS_MAX)
        return await self.ask(AskedAction(action), ms / 1000, at_least)

    async def act(self, held: Held, run: Run, **options: Any) -> Any:
        """
        Runs on an answer that was kept: once, while it is valid, and only if every change since has been received.

        :raises Denied, Undecided: and whatever `run` raises
        """
        return await Guard(self, held, **options).run(run)

    async def create_task(self, task: Mapping[str, Any]) -> Mapping[str, Any]:
        """Gives an agent a task; needs scope `remit:register`. :raises Undecided:"""
        return await self._change("POST", "tasks", task)

    async def end_task(self, task: str, reason: str | None = None) -> Mapping[str, Any]:
        """Ends a task, and with it what it permitted; needs scope `remit:register`. :raises Undecided:"""
        return await self._change("PATCH", f"tasks/{quote(task, safe='')}", {"ended": True, **({"reason": reason} if reason else {})})

    async def ready(self, deadline_ms: int | None = None) -> None:
        """Returns once changes are received, so that answers may be kept. :raises Undecided: `deadline`"""
        self.follower.start()
        try:
            async with asyncio.timeout((deadline_ms or self.deadline_ms) / 1000):
                await self.follower.ready()
        except TimeoutError as cause:
            raise Undecided("deadline") from cause

    async def close(self) -> None:
        """Ends the client: nothing more is asked. Returns once outcomes are reported or lost."""
        self._closed = True
        await self.follower.close()
        await self.outcomes.close()
        await self._transport.close()

    async def ask(self, asked: AskedAction, within_s: float, at_least: int | None) -> Held:
        """:raises Undecided:"""
        loop = asyncio.get_running_loop()
        if self._loop is None:
            self._loop = loop
        if self._loop is not loop:
            raise RuntimeError("this client belongs to another event loop; make one for each")
        if self._closed:
            raise Undecided("closed")
        if self._waiting >= self._queue_max:
            raise Undecided("queue_full")
        if self._follow:
            self.follower.start()
        self._asked += 1
        request_id = f"{self._start}-{self._asked}"
        mark = self.follower.mark
        until = time.monotonic() + within_s
        self._waiting += 1
        try:
            async with asyncio.timeout(within_s):
                await self._requests.acquire()
        except TimeoutError as cause:
            raise Undecided("deadline") from cause
        finally:
            self._waiting -= 1
        try:
            left = until - time.monotonic()
            received = await self._transport.send("decide", asked.request(request_id, at_least), left, _ANSWER_BYTES_MAX)
        finally:
            self._requests.release()
        answer = read_answer(received.value)
        if answer.get("request_id") != request_id:
            raise Undecided("answer_foreign")
        if answer["action_digest"] != asked.digest:
            raise Undecided("answer_other_action")
        if answer["decision_id"] in self._seen:
            raise Undecided("answer_replayed")
        self._seen[answer["decision_id"]] = None
        if len(self._seen) > _SEEN_MAX:
            self._seen.popitem(last=False)
        return Held(answer, asked, received.sent, mark, self.follower)

    async def _change(self, method: str, path: str, said: Mapping[str, Any]) -> Mapping[str, Any]:
        body = json.dumps(said)
        received = await self._transport.send(path, body, self.deadline_ms / 1000, _FACT_BYTES_MAX, method, creates=method == "POST")
        return cast(Mapping[str, Any], received.value)


class Guard:
    """One guarded action, from asking to its outcome; or what guards each call of a function."""

    def __init__(
        self,
        client: AsyncRemitClient,
        action: Action | Callable[..., Action] | Held,
        *,
        deadline_ms: int | None = None,
        at_least: int | None = None,
        wait_ms: int = 0,
        waiting: Callable[[Answer], object] | None = None,
        redacts: bool = False,
        confirm: Confirm | None = None,
        notify: Notify | None = None,
        redact: Redact | None = None,
        returned: Returned | None = None,
    ) -> None:
        if returned is not None and not callable(returned):
            raise OptionError("returned", "a function")
        self._client = client
        self._action = action
        self._deadline_s = whole("deadline_ms", client.deadline_ms if deadline_ms is None else deadline_ms, 1, _MS_MAX) / 1000
        self._wait_s = whole("wait_ms", wait_ms, 0, _MS_MAX) / 1000
        self._at_least = at_least
        self._told = waiting
        self._redacts = redacts
        self._handlers = Handlers(confirm, notify, redact).over(client.handlers)
        self.returned = returned
        self._met: set[str] = set()
        self._held: Held | None = None
        self._running: Running | None = None
        self._task: asyncio.Task[Any] | None = None
        self._permitted: Permitted | None = None
        self._began = 0.0
        self._reported: asyncio.Task[None] | None = None

    def __call__(self, function: Callable[..., T]) -> Callable[..., Awaitable[T]]:
        """A function of the same arguments that runs only as far as it is permitted. It may take the permission as `permitted`."""
        action_of = self._action
        if not callable(action_of):
            raise TypeError("a guarded function needs a function that makes its action")
        takes = "permitted" in inspect.signature(function).parameters

        @functools.wraps(function)
        async def guarded(*args: Any, **kwargs: Any) -> T:
            if "permitted" in kwargs:
                raise TypeError("`permitted` is given by the guard")
            one = self._of(action_of(*args, **kwargs))
            call = (lambda permitted: function(*args, **kwargs, permitted=permitted)) if takes else (lambda: function(*args, **kwargs))
            return cast(T, await one.run(call))

        # Frameworks read what a tool takes from its signature, which the permission is no part of.
        of = inspect.signature(function)
        guarded.__signature__ = of.replace(parameters=[p for p in of.parameters.values() if p.name != "permitted"])  # type: ignore[attr-defined]
        guarded.__annotations__ = {name: kind for name, kind in function.__annotations__.items() if name != "permitted"}
        return guarded

    async def run(self, call: Run) -> Any:
        """
        Runs, and returns the result without the fields that the answer redacts. What takes no permission would run with the arguments that it
        has from elsewhere: it isn't run where the answer sets one.

        :raises Denied, Undecided: and whatever `call` raises
        """
        takes = len(inspect.signature(call).parameters) > 0
        permitted = await self.begin(redacts=True, modifies=takes)
        self._task = asyncio.current_task()
        try:
            result = call(permitted) if takes else call()
            if inspect.isawaitable(result):
                result = await result
        except BaseException as error:
            self._end(error)
            raise
        await self._end_with([result])
        return permitted.redacted(result)

    async def __aenter__(self) -> Permitted:
        permitted = await self.begin(redacts=self._redacts, modifies=True)
        self._task = asyncio.current_task()
        return permitted

    async def __aexit__(self, _: object, error: BaseException | None, __: object) -> None:
        assert self._permitted is not None
        if error is not None:
            self._end(error)
        else:
            await self._end_with(self._permitted._seen)

    async def begin(self, *, redacts: bool, modifies: bool) -> Permitted:
        """:raises Denied, Undecided:"""
        if callable(self._action):
            raise TypeError("this guards a function")
        if self._permitted is not None:
            raise RuntimeError("a guard is for one action")
        held = await (self._on(self._action, redacts, modifies) if isinstance(self._action, Held) else self._through(redacts, modifies))
        held.use()
        self._held = held
        self._permitted = Permitted(modified(held.answer, held.action), held.answer, self._handlers.redact)
        self._began = time.monotonic()
        self._running = Running(held, self._client.follower, functools.partial(self._ask_again, held), self._stop)
        return self._permitted

    def over(self, failed: bool, returned: Mapping[str, Any] | None = None) -> bool:
        """Ends what began, and returns whether it was stopped."""
        assert self._held is not None and self._running is not None and self._permitted is not None
        self._running.end()
        took_ms = max(0.0, (time.monotonic() - self._began) * 1000)
        # What a run that was stopped comes to is reported too: nobody can say that it did nothing.
        outcome = "failed" if failed else "done"
        self._reported = self._client.outcomes.report(self._held.answer["decision_id"], outcome, took_ms=took_ms, returned=returned)
        return self._permitted.stopped

    async def reported(self) -> None:
        """Returns once the outcome is told or lost."""
        if self._reported is not None:
            await asyncio.shield(self._reported)

    async def _end_with(self, results: list[Any]) -> None:
        """Ends what was done. Who takes the results apart sees them first, and the service knows of them before anybody else."""
        if self.returned is None or not results:
            self._end(None)
            return
        try:
            returned = await asyncio.to_thread(self.returned, results[0] if len(results) == 1 else results)
        except BaseException as error:
            # The action was done. The service takes an answer that isn't reported for a stranger's.
            self._end(error, failed=False)
            raise
        self._end(None, returned=returned)
        await self.reported()

    def _end(self, error: BaseException | None, *, failed: bool | None = None, returned: Mapping[str, Any] | None = None) -> None:
        task, self._task = self._task, None
        assert self._held is not None
        if not self.over(error is not None if failed is None else failed, returned):
            return
        # The cancelling was the guard's own, unless somebody else cancels it too.
        if task is not None and task.uncancel() > 0 and isinstance(error, asyncio.CancelledError):
            return
        raise Denied("stopped", self._held.answer) from error

    def _stop(self) -> None:
        assert self._permitted is not None
        self._permitted.stopped = True
        if self._task is not None:
            self._task.cancel()

    def _of(self, action: Action) -> Guard:
        one = Guard.__new__(Guard)
        one.__dict__.update(self.__dict__)
        one._action, one._met = action, set()
        return one

    async def _through(self, redacts: bool, modifies: bool) -> Held:
        asked = AskedAction(cast(Action, self._action))
        wait_until = time.monotonic() + self._wait_s
        until = time.monotonic() + self._deadline_s
        at_least, told, rounds = self._at_least, False, 1
        while True:
            held = await self._client.ask(asked, max(0.001, until - time.monotonic()), at_least)
            wait = held.answer.get("wait")
            if wait is not None and wait["for"] == "approval" and time.monotonic() < wait_until:
                if not told and self._told is not None:
                    self._told(held.answer)
                told = True
                at_least = await self._approval(held, wait_until) or at_least
                until = time.monotonic() + self._deadline_s
                rounds = 1
                continue
            waited = await self._meet(held, redacts, modifies)
            fault = self._fault(held, fresh=not waited)
            if fault is None:
                return held
            if waited:
                # People took their time: what they agreed to is asked about once more.
                until = time.monotonic() + self._deadline_s
            if rounds == _ROUNDS_MAX:
                raise Undecided(fault)
            rounds += 1
            if fault == "not_live":
                await self._live(until - time.monotonic())

    async def _on(self, held: Held, redacts: bool, modifies: bool) -> Held:
        if held._follower is not self._client.follower:
            raise Undecided("answer_foreign")
        for meets in (True, False):
            fault = self._fault(held, fresh=False)
            if fault is not None:
                raise Undecided(fault)
            if meets:
                await self._meet(held, redacts, modifies)
        return held

    def _fault(self, held: Held, *, fresh: bool) -> str | None:
        fault = held.fault(fresh)
        if fault not in (None, "answer_used"):
            self._not_attempted(held)
        if fault is not None and fault in DENIALS:
            raise Denied(fault, held.answer)
        return fault

    async def _meet(self, held: Held, redacts: bool, modifies: bool) -> bool:
        """Meets what has to be met before the action runs, and returns whether that took time. :raises Denied:"""
        answer = held.answer
        waited = False
        try:
            if not answer["proceed"]:
                raise Denied("waiting" if answer["decision"] == "flag" else "denied", answer)
            for one in known(answer):
                if (one["type"] == "modify" and not modifies) or (one["type"] == "redact" and not redacts):
                    raise Denied("obligation_unmet", answer)
                name = dumped(one)
                if one["type"] in ("confirm", "notify") and name not in self._met:
                    waited = True
                    await self._meet_one(one, held)
                    self._met.add(name)
        except BaseException:
            self._not_attempted(held)
            raise
        return waited

    async def _meet_one(self, one: Mapping[str, Any], held: Held) -> None:
        answer, confirms = held.answer, one["type"] == "confirm"
        handler = self._handlers.confirm if confirms else self._handlers.notify
        if handler is None:
            raise Denied("obligation_unmet", answer)
        try:
            async with asyncio.timeout(max(self._wait_s, self._deadline_s)):
                met: Any = handler(one["with"], held.action) if confirms else handler(one["channel"], held.action, answer)  # type: ignore[call-arg]
                if inspect.isawaitable(met):
                    met = await met
        except Exception as cause:
            raise Denied("not_confirmed" if confirms else "obligation_unmet", answer) from cause
        if confirms and met is not True:
            raise Denied("not_confirmed", answer)

    async def _approval(self, held: Held, until: float) -> int | None:
        """Waits until something has happened that may have brought it, and returns the facts revision to be decided on, where one is known."""
        happened: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        follower = self._client.follower

        def heard(what: str, change: Kept) -> None:
            if happened.done() or (what == "change" and change is not None and not hits(change, held.work)):
                return
            revision = change.get("revision") if change is not None else None
            happened.set_result(revision if isinstance(revision, int) else None)

        unlisten = follower.listen(heard)
        if held.heard_of:
            happened.set_result(None)
        poll_s = _POLL_LIVE_S if follower.covers(held.answer["facts_revision"]) else _POLL_S
        try:
            # However many changes come.
            await asyncio.sleep(max(0.0, min(_POLL_S_MIN, until - time.monotonic())))
            async with asyncio.timeout(max(0.0, min(poll_s, until - time.monotonic()))):
                return await happened
        except TimeoutError:
            return None
        finally:
            unlisten()

    async def _live(self, within_s: float) -> None:
        try:
            async with asyncio.timeout(max(0.0, within_s)):
                await self._client.follower.ready()
        except TimeoutError as cause:
            raise Undecided("not_live") from cause

    async def _ask_again(self, held: Held, at_least: int | None) -> Held:
        again = await self._client.ask(held.asked, self._deadline_s, at_least)
        if again.answer["proceed"]:
            detail = f"asked again for {held.answer['decision_id']}"
            self._client.outcomes.report(again.answer["decision_id"], "not_attempted", detail=detail)
        return again

    def _not_attempted(self, held: Held) -> None:
        if held.answer["proceed"]:
            self._client.outcomes.report(held.answer["decision_id"], "not_attempted")


def whole(name: str, value: Any, least: int, most: int) -> int:
    """:raises OptionError:"""
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise OptionError(name, f"a whole number from {least} to {most}")
    return value


def _check_url(url: Any) -> None:
    try:
        parts = urlsplit(url) if isinstance(url, str) else None
        good = (
            parts is not None
            and parts.scheme in ("http", "https")
            and parts.hostname is not None
            and not (parts.username or parts.password or parts.query or parts.fragment)
        )
    except ValueError:
        good = False
    if not good:
        raise OptionError("url", "an http(s) URL, without user, query and fragment")
