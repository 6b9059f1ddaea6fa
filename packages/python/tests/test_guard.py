"""What runs, with what, and what stops it."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

import pytest

from conftest import ROOT, Desk, end_of, sync_end_of, until
from remit_pdp import Denied, Permitted, RemitClient, fields_of, redacted
from remit_pdp._canonical import canonical, number


def test_runs_what_is_permitted_and_reports_what_became_of_it(desk: Desk) -> None:
    async def story() -> None:
        async with desk.client() as remit:
            async with remit.guard(desk.action()) as permitted:
                assert permitted.action["resource"]["id"] == "n-1"
                with pytest.raises(TypeError):
                    permitted.action["resource"]["id"] = "n-2"
            for kind, code in (("vault", "denied"), ("invoice", "waiting"), ("unmapped", "denied")):
                assert await end_of(remit.guard(desk.action(kind)).run(lambda: 1)) == code
            with pytest.raises(ZeroDivisionError):
                await remit.guard(desk.action()).run(lambda: 1 / 0)
        assert remit.outcomes_lost == 0

    asyncio.run(story())


def test_guards_a_function_by_the_action_of_its_arguments(desk: Desk) -> None:
    async def story() -> None:
        async with desk.client(follow=False) as remit:

            @remit.guard(lambda kind, amount: desk.action(kind, arguments={"amount": amount}))
            async def transfer(kind: str, amount: int, *, permitted: Permitted) -> int:
                """Transfers."""
                return int(permitted.action["arguments"]["amount"])

            assert await transfer("note", 500) == 500
            # The answer sets the amount.
            assert await transfer("transfer", amount=500) == 10
            assert transfer.__doc__ == "Transfers." and set(transfer.__annotations__) == {"kind", "amount", "return"}
            with pytest.raises(Denied):
                await transfer("vault", 1)
            with pytest.raises(TypeError):
                await transfer("note", 1, permitted=None)

            @remit.guard(lambda kind: desk.action(kind, arguments={"amount": 500}))
            def blind(kind: str) -> int:
                return 500

            # It would run with the amount that it has from elsewhere.
            assert [await end_of(blind(kind)) for kind in ("note", "transfer")] == ["ran", "obligation_unmet"]

    asyncio.run(story())


def test_meets_obligations_or_does_not_run(desk: Desk) -> None:
    async def story() -> None:
        told: list[Any] = []
        async with desk.client() as remit:
            # People take their time, so changes have to be heard meanwhile.
            await remit.ready()
            assert await end_of(remit.guard(desk.action("letter")).run(lambda: 1)) == "obligation_unmet"
            for agrees, code in ((True, "ran"), (False, "not_confirmed"), (1, "not_confirmed"), ("yes", "not_confirmed")):
                assert await end_of(remit.guard(desk.action("letter"), confirm=lambda who, action: agrees).run(lambda: 1)) == code
            assert await end_of(remit.guard(desk.action("letter"), confirm=lambda who, action: 1 / 0).run(lambda: 1)) == "not_confirmed"
            assert await end_of(remit.guard(desk.action("refund")).run(lambda: 1)) == "obligation_unmet"

            async def notify(*given: Any) -> None:
                told.append(given[0])

            assert await end_of(remit.guard(desk.action("refund"), notify=notify).run(lambda: 1)) == "ran"
            assert told == ["billing"]
            card = {"id": "ada", "cards": [{"card_number": "4111", "iban": {"x": 1}}]}
            shown = await remit.guard(desk.action("card")).run(lambda: card)
            assert shown == {"id": "ada", "cards": [{"card_number": "[redacted]", "iban": "[redacted]"}]}
            assert await end_of(remit.guard(desk.action("card")).run(lambda: "card_number 4111")) == "obligation_unmet"
            with pytest.raises(Denied, match="not permitted"):
                async with remit.guard(desk.action("card")):
                    raise AssertionError("nobody would redact what comes of it")
            async with remit.guard(desk.action("card"), redacts=True) as permitted:
                assert permitted.redacted({"iban": "DE"}) == {"iban": "[redacted]"}
                assert fields_of(permitted.answer) == ["card_number", "iban"]

    asyncio.run(story())


def test_does_not_run_an_action_that_was_changed_meanwhile(desk: Desk) -> None:
    async def story() -> None:
        async with desk.client() as remit:
            await remit.ready()
            action = desk.action(arguments={"amount": 1})
            held = await remit.decide(action)
            action["arguments"]["amount"] = 1000
            assert await end_of(remit.act(held, lambda: 1)) == "action_changed"
            held = await remit.decide(desk.action())
            assert await remit.act(held, lambda: "ran") == "ran"
            assert await end_of(remit.act(held, lambda: 1)) == "answer_used"
            async with desk.client() as other:
                assert await end_of(other.act(await remit.decide(desk.action()), lambda: 1)) == "answer_foreign"

    asyncio.run(story())


def test_waits_for_its_approval_and_then_runs_that_very_action(desk: Desk) -> None:
    async def story() -> None:
        asked: list[Any] = []

        def approve(answer: Any) -> None:
            asked.append(answer)
            said = desk.change(
                "POST",
                f"/findings/{answer['finding']}/approvals",
                {"decision": answer["decision_id"], "reason": "looked at it"},
                scope="remit:review",
            )
            assert said["outcome"] == "201"

        async with desk.client() as remit:
            await remit.ready()
            action = desk.action("invoice", verb="send")
            assert await remit.guard(action, wait_ms=30_000, waiting=approve).run(lambda: "sent") == "sent"
            assert len(asked) == 1
            assert await end_of(remit.guard(action).run(lambda: "sent")) == "waiting"

    asyncio.run(story())


def task_for(desk: Desk, name: str) -> Any:
    expires = "2099-01-01T00:00:00Z"
    import datetime

    expires = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)).isoformat().replace("+00:00", "Z")
    said = desk.change("POST", "/tasks", {"id": name, "agent": "a-1", "purpose": "testing", "subjects": {}, "expires": expires})
    assert said["outcome"] == "201"
    return desk.action(task=name)


@pytest.mark.parametrize("how", ["run", "with"])
def test_stops_what_runs_once_it_is_revoked(desk: Desk, how: str) -> None:
    async def story() -> None:
        action = task_for(desk, f"T-{how}")
        cancelled = asyncio.Event()
        async with desk.client() as remit:
            await remit.ready()
            running = asyncio.Event()

            async def work(_: object = None) -> None:
                running.set()
                try:
                    await asyncio.sleep(3600)
                except asyncio.CancelledError:
                    cancelled.set()
                    raise

            async def within() -> None:
                async with remit.guard(action):
                    await work()

            task = asyncio.create_task(end_of(remit.guard(action).run(work) if how == "run" else within()))
            await running.wait()
            await asyncio.to_thread(desk.change, "PATCH", f"/tasks/T-{how}", {"ended": True, "reason": "over"})
            async with asyncio.timeout(30):
                assert await task == "stopped"
            assert cancelled.is_set()
            assert await end_of(remit.guard(action).run(lambda: 1)) == "denied"

    asyncio.run(story())


def test_leaves_the_cancelling_of_others_alone(desk: Desk) -> None:
    async def story() -> None:
        async with desk.client() as remit:
            task = asyncio.create_task(remit.guard(desk.action()).run(lambda: asyncio.sleep(3600)))
            await asyncio.sleep(0.5)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(story())


def test_tells_what_runs_in_a_thread_that_it_is_stopped(desk: Desk) -> None:
    action = task_for(desk, "T-thread")
    with RemitClient(**desk.options()) as remit:
        remit.ready()
        seen: list[bool] = []

        def work() -> str:
            with remit.guard(action) as permitted:
                desk.change("PATCH", "/tasks/T-thread", {"ended": True, "reason": "over"})
                until(lambda: permitted.stopped, "the stop")
                seen.append(permitted.stopped)
            return "done"

        assert sync_end_of(work) == "stopped"
        assert seen == [True]

        @remit.guard(lambda kind: desk.action(kind))
        def read(kind: str) -> str:
            return threading.current_thread().name

        assert read("note") == threading.current_thread().name
        assert sync_end_of(lambda: read("vault")) == "denied"
        assert sync_end_of(lambda: remit.guard(desk.action("letter"), confirm=lambda who, action: True).run(lambda: 1)) == "ran"


def test_asks_again_while_nothing_is_heard_of_changes(desk: Desk) -> None:
    async def story() -> None:
        desk.tell(events=False)
        async with desk.client(deadline_ms=1000) as remit:
            assert await end_of(remit.ready()) == "deadline"
            held = await remit.decide(desk.action())
            assert await end_of(remit.act(held, lambda: 1)) == "not_live"
            # A fresh answer is one to act on all the same.
            assert await end_of(remit.guard(desk.action()).run(lambda: 1)) == "ran"

    asyncio.run(story())


def test_writes_numbers_and_keys_as_rfc_8785() -> None:
    vectors = [
        *[(0.0, "0"), (-0.0, "0"), (1e21, "1e+21"), (1e20, "100000000000000000000"), (5e-324, "5e-324"), (1e-7, "1e-7"), (1e-6, "0.000001")],
        *[(1.7976931348623157e308, "1.7976931348623157e+308"), (333333333.33333329, "333333333.3333333"), (4.5, "4.5"), (2e-3, "0.002")],
        *[(1e23, "1e+23"), (9007199254740994.0, "9007199254740994"), (-12.25, "-12.25"), (123456.789e3, "123456789")],
    ]
    for value, text in vectors:
        assert number(value) == text
    keys = {"\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\U0001f600": 5, "\u0080": 6, "\u00f6": 7}
    assert [json.loads(key) for key in canonical(keys)[1:-1].replace("\\r", "\\r").split(",") for key in [key.split(":")[0]]] == [
        *["\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]
    ]


def test_redacts_json_and_refuses_what_could_hide_a_field() -> None:
    assert redacted({"a": [{"b": 1}], "c": "x"}, ["b"]) == {"a": [{"b": "[redacted]"}], "c": "x"}
    assert redacted(None, ["b"]) is None
    for value in ("b: 1", {"a": object()}, [object()], {1: 2}):
        with pytest.raises(TypeError):
            redacted(value, ["b"])


def test_has_no_option_that_runs_without_an_answer() -> None:
    import inspect

    from remit_pdp import AsyncRemitClient, Guard

    for made in (AsyncRemitClient, Guard):
        for name in inspect.signature(made).parameters:
            assert not any(word in name for word in ("open", "allow", "default", "dry", "skip", "ignore")) or name == "breaker_open_ms"
    assert (ROOT / "packages" / "python" / "src" / "remit_pdp" / "py.typed").exists()
