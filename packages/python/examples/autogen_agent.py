"""An AutoGen agent whose tools ask first. The model is a script, so that this runs without one; yours takes its place."""

from __future__ import annotations

import json
from typing import Any

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.messages import ToolCallExecutionEvent
from autogen_core import FunctionCall
from autogen_core.models import ChatCompletionClient, CreateResult, ModelInfo, RequestUsage
from autogen_core.tools import FunctionTool

from desk import SCRIPT, action_of, open_vault, read_note, transfer
from remit_pdp import AsyncRemitClient, tools


class Scripted(ChatCompletionClient):
    component_config_schema = None  # type: ignore[assignment]

    def __init__(self) -> None:
        self._script = iter(SCRIPT)

    async def create(self, *_: Any, **__: Any) -> CreateResult:
        name, arguments = next(self._script, ("", {}))
        content: Any = [FunctionCall(id=f"call-{name}", name=name, arguments=json.dumps(arguments))] if name else "done"
        return CreateResult(
            finish_reason="function_calls" if name else "stop", content=content, usage=RequestUsage(0, 0), cached=False
        )

    def create_stream(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError

    async def close(self) -> None:
        pass

    def actual_usage(self) -> RequestUsage:
        return RequestUsage(0, 0)

    def total_usage(self) -> RequestUsage:
        return RequestUsage(0, 0)

    def count_tokens(self, *_: Any, **__: Any) -> int:
        return 0

    def remaining_tokens(self, *_: Any, **__: Any) -> int:
        return 1000

    @property
    def model_info(self) -> ModelInfo:
        return ModelInfo(vision=False, function_calling=True, json_output=False, family="unknown", structured_output=False)

    @property
    def capabilities(self) -> Any:
        return self.model_info


async def converse(remit: AsyncRemitClient) -> list[str]:
    """Returns what the model was told of each call."""
    made: list[Any] = [FunctionTool(one, one.__doc__ or "") for one in (read_note, open_vault, transfer)]
    agent = AssistantAgent("desk", Scripted(), tools=tools.autogen(remit, action_of, made), max_tool_iterations=5)
    ended = await agent.run(task="pay the bill")
    events = [message for message in ended.messages if isinstance(message, ToolCallExecutionEvent)]
    return [str(result.content) for event in events for result in event.content]
