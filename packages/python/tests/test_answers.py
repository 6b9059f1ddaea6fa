"""What comes in the place of an answer is not acted on: the cases of `test/cases/client_answers.json`, which the TypeScript client has too."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from conftest import ROOT, Desk, end_of, sync_end_of
from remit_pdp import DENIALS, NO_ANSWERS, AsyncRemitClient, OptionError, Refusal, RemitClient, Undecided

CASES: list[dict[str, Any]] = json.loads((ROOT / "test" / "cases" / "client_answers.json").read_text())
SOON_MS = 300


def patient(code: str) -> dict[str, Any]:
    return {"follow": False, "breaker_failures_max": 1000, **({"deadline_ms": SOON_MS} if code == "deadline" else {})}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["what"])
def test_is_not_acted_on(desk: Desk, case: dict[str, Any]) -> None:
    async def story() -> None:
        runs = 0

        def run(_: object) -> None:
            nonlocal runs
            runs += 1

        async with desk.client(**patient(case["code"])) as remit, desk.client(follow=False) as waiting:
            # The first answer is one to exchange with; a short deadline is for the fault alone.
            await waiting.guard(desk.action()).run(run)
            if case["code"] != "deadline":
                await remit.guard(desk.action()).run(run)
            before = runs
            desk.tell(fault=case["fault"])
            assert await end_of(remit.guard(desk.action()).run(run)) == case["code"]
            entered = False
            # The decision before is one that this client was never told of, the second time.
            if case["code"] != "answer_replayed":
                with pytest.raises(Refusal) as refused:
                    async with remit.guard(desk.action()):
                        entered = True
                assert refused.value.code == case["code"]
            assert (runs, entered) == (before, False)
            desk.tell(fault="none")
            assert await end_of(waiting.guard(desk.action()).run(run)) == "ran"

    asyncio.run(story())


@pytest.mark.parametrize("case", [case for case in CASES if isinstance(case["fault"], str)], ids=lambda case: case["what"])
def test_is_not_acted_on_without_an_event_loop(desk: Desk, case: dict[str, Any]) -> None:
    runs: list[int] = []
    with RemitClient(**desk.options(**patient(case["code"]))) as remit:
        desk.tell(fault=case["fault"])
        assert sync_end_of(lambda: remit.guard(desk.action()).run(lambda: runs.append(1))) == case["code"]
    assert runs == []


def test_is_asked_for_again_where_the_connection_failed_so_many_times(desk: Desk) -> None:
    async def story() -> None:
        async with desk.client(follow=False) as remit:
            asked = desk.tell(fault="cut before")["asked"]
            assert await end_of(remit.guard(desk.action()).run(lambda: 1)) == "unreachable"
            assert desk.tell(fault="half")["asked"] - asked == 3
            asked = desk.tell()["asked"]
            assert await end_of(remit.guard(desk.action()).run(lambda: 1)) == "answer_cut"
            assert desk.tell()["asked"] - asked == 1

    asyncio.run(story())


def test_is_not_asked_for_a_while_after_so_many_failures(desk: Desk) -> None:
    async def story() -> None:
        async with desk.client(follow=False, retries_max=0, breaker_failures_max=3, breaker_open_ms=60_000) as remit:
            desk.tell(fault="cut before")
            ends = [await end_of(remit.guard(desk.action()).run(lambda: 1)) for _ in range(5)]
            assert ends == ["unreachable"] * 3 + ["breaker_open"] * 2

    asyncio.run(story())


@pytest.mark.parametrize(
    ("what", "code", "token"),
    [
        ("fails", "token_unavailable", lambda: 1 / 0),
        ("gives none", "token_unavailable", lambda: ""),
        ("gives two lines", "token_unavailable", lambda: "a\r\nx-admin: 1"),
        ("gives what isn't a text", "token_unavailable", lambda: None),
        ("gives another's", "problem", lambda: "a.b.c"),
        ("never answers", "deadline", lambda: asyncio.sleep(3600)),
    ],
)
def test_is_none_where_whoever_has_the_token(desk: Desk, what: str, code: str, token: Any) -> None:
    async def story() -> None:
        deadline = {"deadline_ms": SOON_MS} if code == "deadline" else {}
        async with desk.client(token=token, follow=False, **deadline) as remit:
            assert await end_of(remit.guard(desk.action()).run(lambda: 1)) == code

    asyncio.run(story())


def test_is_none_after_the_client_is_closed_nor_in_another_loop(desk: Desk) -> None:
    async def made() -> AsyncRemitClient:
        remit = desk.client(follow=False)
        await remit.guard(desk.action()).run(lambda: 1)
        return remit

    remit = asyncio.run(made())
    with pytest.raises(RuntimeError, match="another event loop"):
        asyncio.run(end_of(remit.guard(desk.action()).run(lambda: 1)))

    async def closed() -> str:
        async with desk.client(follow=False) as remit:
            pass
        return await end_of(remit.guard(desk.action()).run(lambda: 1))

    assert asyncio.run(closed()) == "closed"
    with RemitClient(**desk.options()) as sync:
        pass
    assert sync_end_of(lambda: sync.decide(desk.action())) == "closed"


@pytest.mark.parametrize(
    "changes",
    [
        {"resource": {"type": "note", "id": "Übergröße-№9"}},
        {"resource": {"type": "note", "id": 'a"b\\c'}},
        {"arguments": {"text": '\x00\b\t\n\f\r"\\\x7f\u2028\U0001f600'}},
        {"arguments": {"text": "x", "amount": 1}},
        {"arguments": {"amount": -0.0}},
        {"arguments": {"amount": 2**53 - 1}},
        {"arguments": {"amount": 1e15}},
        {"arguments": {"amount": 12.0}},
        {"arguments": {"text": None, "amount": None}},
        {"arguments": {}},
        {"resource": {"type": "note", "id": "n-1", "attributes": {"customer": "ada"}}},
    ],
    ids=repr,
)
def test_is_the_same_action_for_the_service(desk: Desk, changes: dict[str, Any]) -> None:
    async def story() -> None:
        async with desk.client(follow=False) as remit:
            assert await end_of(remit.guard(desk.action(**changes)).run(lambda: 1)) == "ran"

    asyncio.run(story())


@pytest.mark.parametrize(
    "arguments", [{"amount": float("nan")}, {"amount": 2**53}, {"text": "\ud800"}, {1: "x"}, {"text": b"x"}, {"text": {1}}], ids=repr
)
def test_is_not_asked_for_with_what_no_json_says(desk: Desk, arguments: Any) -> None:
    async def story() -> None:
        async with desk.client(follow=False) as remit:
            assert await end_of(remit.guard(desk.action(arguments=arguments)).run(lambda: 1)) == "action_unreadable"

    asyncio.run(story())


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"url": "remit"}, "url"),
        ({"url": "file:///etc/passwd"}, "url"),
        ({"url": "http://user:pass@127.0.0.1:1"}, "url"),
        ({"url": "http://127.0.0.1:1?tenant=a"}, "url"),
        ({"token": ""}, "token"),
        ({"deadline_ms": 0}, "deadline_ms"),
        ({"deadline_ms": float("inf")}, "deadline_ms"),
        ({"retries_max": 0.5}, "retries_max"),
        ({"requests_max": True}, "requests_max"),
        ({"follow": "no"}, "follow"),
        ({"confirm": True}, "confirm"),
        ({"verify": False}, "verify"),
    ],
    ids=repr,
)
def test_has_no_client_with(options: dict[str, Any], names: str) -> None:
    for made in (AsyncRemitClient, RemitClient):
        with pytest.raises(OptionError, match=f"^{names}: expected "):
            made(**{"url": "http://127.0.0.1:1", "token": "t", **options})


def test_has_the_codes_of_the_typescript_client() -> None:
    source = (ROOT / "src" / "client" / "errors.ts").read_text()
    for name, table in (("DENIALS", DENIALS), ("NO_ANSWERS", NO_ANSWERS)):
        body = source.split(f"export const {name} = {{")[1].split("} as const")[0]
        theirs = dict(line.strip().rstrip(",").split(": ", 1) for line in body.strip().splitlines())
        # Who cancels a coroutine gets asyncio's own error.
        theirs.pop("cancelled", None)
        assert {code: json.loads(title) for code, title in theirs.items()} == table


def test_tells_the_model_nothing_of_what_it_was_about(desk: Desk) -> None:
    async def story() -> None:
        async with desk.client(follow=False) as remit:
            with pytest.raises(Undecided) as refused:
                await remit.guard(desk.action(arguments={"amount": "x"})).run(lambda: 1)
            assert str(refused.value) == "This cannot be decided now; nothing was done."
            assert refused.value.problem is not None
            assert (refused.value.problem["code"], refused.value.problem["field"]) == ("field_type", "/arguments/amount")

    asyncio.run(story())
