"""A Pydantic AI agent whose tools ask first. The model is a script, so that this runs without one; yours takes its place."""

from __future__ import annotations

from typing import Any

from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import FunctionModel
from pydantic_ai.toolsets import FunctionToolset

from desk import SCRIPT, action_of, open_vault, read_note, transfer
from remit_pdp import AsyncRemitClient, tools


async def converse(remit: AsyncRemitClient) -> list[str]:
    """Returns what the model was told of each call."""
    script = iter(SCRIPT)

    def model(messages: list[ModelMessage], _: Any) -> ModelResponse:
        name, arguments = next(script, ("", {}))
        return ModelResponse(parts=[ToolCallPart(name, arguments) if name else TextPart("done")])

    toolset = FunctionToolset([read_note, open_vault, transfer])
    agent = Agent(FunctionModel(model), toolsets=[tools.pydantic_ai(remit, action_of, toolset)])
    ended = await agent.run("pay the bill")
    requests = [message for message in ended.all_messages() if isinstance(message, ModelRequest)]
    return [str(part.content) for message in requests for part in message.parts if isinstance(part, ToolReturnPart)]
