"""Each framework's example, run by its own runner with a scripted model. One that isn't installed is skipped, and says so."""

from __future__ import annotations

import asyncio
import importlib
import sys
from typing import Any, Mapping

import pytest

from conftest import ROOT, Desk, end_of
from remit_pdp import Action, tools

sys.path.insert(0, str(ROOT / "packages" / "python" / "examples"))

TOLD = ["note n-1: call back", "Nobody may do this.", "transferred 10"]


@pytest.mark.parametrize(
    ("example", "needs"),
    [
        *[("langgraph_agent", "langgraph"), ("openai_agents_agent", "agents"), ("pydantic_ai_agent", "pydantic_ai")],
        *[("google_adk_agent", "google.adk"), ("autogen_agent", "autogen_agentchat")],
    ],
)
def test_the_model_is_told_what_it_may_and_nothing_else_runs(desk: Desk, example: str, needs: str) -> None:
    pytest.importorskip(needs, reason=f"{needs} isn't installed")
    module = importlib.import_module(example)
    transferred = importlib.import_module("desk").TRANSFERRED
    transferred.clear()

    async def story() -> None:
        async with desk.client(follow=False) as remit:
            assert await module.converse(remit) == TOLD
        # The answer sets the amount.
        assert transferred == [10]
        desk.tell(fault={"status": 200, "headers": {"content-type": "application/json"}, "body": '{"proceed":true}'})
        async with desk.client(follow=False) as remit:
            assert await module.converse(remit) == ["This cannot be decided now; nothing was done."] * 3
        assert transferred == [10]

    asyncio.run(story())


def test_a_tool_that_the_host_does_not_know_is_refused(desk: Desk) -> None:
    def action_of(name: str, arguments: Mapping[str, Any]) -> Action | None:
        return desk.action("transfer") if name == "transfer" else None  # type: ignore[no-any-return]

    async def story() -> None:
        async with desk.client(follow=False) as remit:
            assert await end_of(tools.call(remit, action_of, "unknown", {}, lambda given: 1)) == "denied"
            # The answer sets an argument that the tool doesn't have.
            assert await end_of(tools.call(remit, action_of, "transfer", {}, lambda given: 1)) == "obligation_unmet"

    asyncio.run(story())
