"""A LangGraph agent whose tools ask first. The model is a script, so that this runs without one; yours takes its place."""

from __future__ import annotations

from typing import Any

from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.tools import StructuredTool
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode

from desk import SCRIPT, action_of, open_vault, read_note, transfer
from remit_pdp import AsyncRemitClient, tools


async def converse(remit: AsyncRemitClient) -> list[str]:
    """Returns what the model was told of each call."""
    made = [StructuredTool.from_function(coroutine=one) for one in (read_note, open_vault, transfer)]
    script = iter(SCRIPT)

    def model(state: MessagesState) -> dict[str, Any]:
        name, arguments = next(script, ("", {}))
        calls = [{"name": name, "args": arguments, "id": f"call-{len(state['messages'])}"}] if name else []
        return {"messages": [AIMessage("" if calls else "done", tool_calls=calls)]}

    graph = StateGraph(MessagesState)
    graph.add_node("model", model)
    graph.add_node("tools", ToolNode(tools.langchain(remit, action_of, made)))
    graph.add_edge(START, "model")
    graph.add_conditional_edges("model", lambda state: "tools" if state["messages"][-1].tool_calls else END)
    graph.add_edge("tools", "model")
    ended = await graph.compile().ainvoke({"messages": [("user", "pay the bill")]})
    return [str(message.content) for message in ended["messages"] if isinstance(message, ToolMessage)]
