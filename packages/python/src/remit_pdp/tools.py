"""
Tools of agent frameworks, guarded. A framework hands what a tool raises or returns to its model: a refusal becomes the fixed sentence that
the model may read, and nothing of what it was about.

Each hook takes `action_of(name, arguments)`, which makes the action from a tool's name and arguments, and returns None for no tool of its own:
then the tool is refused.
"""

from __future__ import annotations

import copy
import functools
from typing import Any, Callable, Mapping

from ._action import Action
from ._client import AsyncRemitClient
from ._errors import Denied, Refusal

ActionOf = Callable[[str, Mapping[str, Any]], Action | None]


def _action(action_of: ActionOf, name: str, arguments: Mapping[str, Any]) -> Action:
    action = action_of(name, arguments)
    if action is None:
        raise Denied("denied", None)
    return action


def _set(action: Mapping[str, Any], given: Mapping[str, Any], permitted: Mapping[str, Any]) -> dict[str, Any]:
    """A tool's arguments, with those that an answer sets. :raises Denied: where the tool has none of that name"""
    before, after = action.get("arguments", {}), permitted.get("arguments", {})
    changes = {name: value for name, value in after.items() if name not in before or before[name] != value}
    if any(name not in given for name in changes):
        raise Denied("obligation_unmet", None)
    return {**given, **changes}


async def call(
    remit: AsyncRemitClient, action_of: ActionOf, name: str, arguments: Mapping[str, Any], run: Callable[[dict[str, Any]], Any], **options: Any
) -> Any:
    """
    Runs one tool call under guard: the base of every hook below.

    :param run: called with the arguments as they were decided
    :raises Denied, Undecided: and whatever `run` raises
    """
    action = _action(action_of, name, arguments)
    return await remit.guard(action, **options).run(lambda permitted: run(_set(action, arguments, permitted.action)))


def langchain(remit: AsyncRemitClient, action_of: ActionOf, tools: list[Any], **options: Any) -> list[Any]:
    """
    Guarded copies of LangChain tools, for LangGraph's `ToolNode` and `create_agent`.

    >>> agent = create_agent(model, langchain(remit, action_of, [read_ticket]))
    """
    from langchain_core.tools import StructuredTool

    def guarded(tool: Any) -> Any:
        async def invoke(**arguments: Any) -> Any:
            try:
                return await call(remit, action_of, tool.name, arguments, lambda decided: tool.ainvoke(decided), **options)
            except Refusal as refused:
                return refused.tell_agent

        return StructuredTool.from_function(
            coroutine=invoke, name=tool.name, description=tool.description, args_schema=tool.args_schema, return_direct=tool.return_direct
        )

    return [guarded(tool) for tool in tools]


def openai_agents(remit: AsyncRemitClient, action_of: ActionOf, tools: list[Any], **options: Any) -> list[Any]:
    """
    Guarded copies of function tools of the OpenAI Agents SDK.

    >>> agent = Agent(name="support", tools=openai_agents(remit, action_of, [read_ticket]))
    """
    import dataclasses
    import json

    def guarded(tool: Any) -> Any:
        async def invoke(context: Any, text: str) -> Any:
            try:
                arguments = json.loads(text) if text else {}
                return await call(
                    remit, action_of, tool.name, arguments, lambda decided: tool.on_invoke_tool(context, json.dumps(decided)), **options
                )
            except Refusal as refused:
                return refused.tell_agent

        return dataclasses.replace(tool, on_invoke_tool=invoke)

    return [guarded(tool) for tool in tools]


def pydantic_ai(remit: AsyncRemitClient, action_of: ActionOf, toolset: Any, **options: Any) -> Any:
    """
    A guarded toolset of Pydantic AI.

    >>> agent = Agent(model, toolsets=[pydantic_ai(remit, action_of, FunctionToolset([read_ticket]))])
    """
    from pydantic_ai.toolsets import WrapperToolset

    class Guarded(WrapperToolset[Any]):
        async def call_tool(self, name: str, tool_args: dict[str, Any], ctx: Any, tool: Any) -> Any:
            proceed = functools.partial(super().call_tool, name)
            try:
                return await call(remit, action_of, name, tool_args, lambda decided: proceed(decided, ctx, tool), **options)
            except Refusal as refused:
                return refused.tell_agent

    return Guarded(toolset)


def google_adk(remit: AsyncRemitClient, action_of: ActionOf, tools: list[Any], **options: Any) -> list[Any]:
    """
    Guarded copies of tools of Google's Agent Development Kit.

    >>> agent = Agent(name="support", model=model, tools=google_adk(remit, action_of, [FunctionTool(read_ticket)]))
    """

    def guarded(tool: Any) -> Any:
        async def run_async(*, args: dict[str, Any], tool_context: Any) -> Any:
            try:
                return await call(
                    remit, action_of, tool.name, args, lambda decided: tool.run_async(args=decided, tool_context=tool_context), **options
                )
            except Refusal as refused:
                return refused.tell_agent

        one = copy.copy(tool)
        one.run_async = run_async
        return one

    return [guarded(tool) for tool in tools]


def autogen(remit: AsyncRemitClient, action_of: ActionOf, tools: list[Any], **options: Any) -> list[Any]:
    """
    Guarded copies of AutoGen's tools.

    >>> agent = AssistantAgent("support", model_client, tools=autogen(remit, action_of, [FunctionTool(read_ticket, "Reads a ticket.")]))
    """

    def guarded(tool: Any) -> Any:
        async def run_json(args: Mapping[str, Any], cancellation_token: Any, call_id: str | None = None) -> Any:
            try:
                return await call(
                    remit, action_of, tool.name, args, lambda decided: tool.run_json(decided, cancellation_token, call_id), **options
                )
            except Refusal as refused:
                return refused.tell_agent

        one = copy.copy(tool)
        one.run_json = run_json
        return one

    return [guarded(tool) for tool in tools]
