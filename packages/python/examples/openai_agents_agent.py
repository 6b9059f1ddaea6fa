"""An agent of the OpenAI Agents SDK whose tools ask first. The model is a script, so that this runs without one; yours takes its place."""

from __future__ import annotations

import json
from typing import Any

from agents import Agent, Model, ModelResponse, Runner, Usage, function_tool, set_tracing_disabled
from openai.types.responses import ResponseFunctionToolCall, ResponseOutputMessage, ResponseOutputText

from desk import SCRIPT, action_of, open_vault, read_note, transfer
from remit_pdp import AsyncRemitClient, tools


class Scripted(Model):
    def __init__(self) -> None:
        self._script = iter(SCRIPT)

    async def get_response(self, *_: Any, **__: Any) -> ModelResponse:
        name, arguments = next(self._script, ("", {}))
        output: Any = (
            ResponseFunctionToolCall(type="function_call", call_id=f"call-{name}", name=name, arguments=json.dumps(arguments))
            if name
            else ResponseOutputMessage(
                id="m-1",
                type="message",
                role="assistant",
                status="completed",
                content=[ResponseOutputText(type="output_text", text="done", annotations=[])],
            )
        )
        return ModelResponse(output=[output], usage=Usage(), response_id=None)

    def stream_response(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError


async def converse(remit: AsyncRemitClient) -> list[str]:
    """Returns what the model was told of each call."""
    set_tracing_disabled(True)
    made = [function_tool(one) for one in (read_note, open_vault, transfer)]
    agent = Agent(name="desk", model=Scripted(), tools=tools.openai_agents(remit, action_of, made))
    ended = await Runner.run(agent, "pay the bill")
    return [str(item.output) for item in ended.new_items if item.type == "tool_call_output_item"]
