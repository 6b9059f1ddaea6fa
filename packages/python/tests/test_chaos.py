"""Agents that act under guard while everything between guard and service fails at random. What ran is held against what the service answered."""

from __future__ import annotations

import asyncio
import json
import os
import time

from conftest import ROOT, Desk, end_of
from remit_pdp import DENIALS, NO_ANSWERS, Permitted

FAULTS = int(os.environ.get("CHAOS_FAULTS", "400"))
DEADLINE_MS = 500
ACTIONS = [("note", True), ("note", True), ("vault", False), ("invoice", False), ("unmapped", False)]


def test_nothing_runs_that_the_service_has_not_permitted(desk: Desk) -> None:
    specs = [case["fault"] for case in json.loads((ROOT / "test" / "cases" / "client_answers.json").read_text())]
    ran: list[tuple[str, Permitted, float]] = []
    ends: dict[str, int] = {}

    async def story() -> None:
        desk.tell(chaos={"seed": 7, "faults": specs})
        options = {"deadline_ms": DEADLINE_MS, "breaker_failures_max": 20, "breaker_open_ms": 20, "requests_max": 4}
        clients = [desk.client(**options) for _ in range(3)]

        async def act(number: int) -> None:
            for turn in range(FAULTS // 4):
                kind, _ = ACTIONS[(number + turn) % len(ACTIONS)]
                action = desk.action(kind, arguments={"amount": turn % 10})
                call = clients[number % 3].guard(action).run(lambda given: ran.append((kind, given, time.monotonic())))
                async with asyncio.timeout(60):
                    end = await end_of(call)
                ends[end] = ends.get(end, 0) + 1
                if end == "breaker_open":
                    await asyncio.sleep(0.01)

        await asyncio.gather(*(act(number) for number in range(8)))
        desk.tell(fault="none")
        for client in clients:
            await client.close()

    asyncio.run(story())
    faults = desk.tell()["faults"]
    print(f"{faults} faults, {len(ran)} runs, {ends}")
    assert faults > FAULTS / 4
    assert len(ran) > 10
    assert set(ends) - {"ran"} <= {*DENIALS, *NO_ANSWERS}
    for kind, given, _ in ran:
        assert kind == "note"
        answers = desk.tell(genuine=given.answer["request_id"])["genuine"]
        # The proxy may exchange ids of decisions that this client was never told of; who asked, about what, it can't.
        assert any(one["proceed"] and one["action_digest"] == given.answer["action_digest"] for one in answers), given.answer
