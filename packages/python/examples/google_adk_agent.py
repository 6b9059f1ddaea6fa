"""An agent of Google's ADK whose tools ask first. The model is a script, so that this runs without one; yours takes its place."""

from __future__ import annotations

from typing import Any, AsyncGenerator

from google.adk.agents import LlmAgent
from google.adk.models import BaseLlm, LlmRequest, LlmResponse
from google.adk.runners import InMemoryRunner
from google.adk.tools import FunctionTool
from google.genai import types

from desk import SCRIPT, action_of, open_vault, read_note, transfer
from remit_pdp import AsyncRemitClient, tools


class Scripted(BaseLlm):
    model: str = "scripted"
    turn: int = 0

    async def generate_content_async(self, llm_request: LlmRequest, stream: bool = False) -> AsyncGenerator[LlmResponse, None]:
        name, arguments = SCRIPT[self.turn] if self.turn < len(SCRIPT) else ("", {})
        self.turn += 1
        part = types.Part(function_call=types.FunctionCall(name=name, args=arguments)) if name else types.Part(text="done")
        yield LlmResponse(content=types.Content(role="model", parts=[part]))


async def converse(remit: AsyncRemitClient) -> list[str]:
    """Returns what the model was told of each call."""
    made: list[Any] = [FunctionTool(one) for one in (read_note, open_vault, transfer)]
    agent = LlmAgent(name="desk", model=Scripted(), tools=tools.google_adk(remit, action_of, made))
    runner = InMemoryRunner(agent, app_name="desk")
    session = await runner.session_service.create_session(app_name="desk", user_id="ada")
    message = types.Content(role="user", parts=[types.Part(text="pay the bill")])
    told: list[str] = []
    async for event in runner.run_async(user_id="ada", session_id=session.id, new_message=message):
        told += [str((answer.response or {}).get("result")) for answer in event.get_function_responses()]
    return told
