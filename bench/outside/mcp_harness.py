"""The MCP suite of PromptInjectHarness as files that bench/outside.ts replays.

Its attacks stand in the descriptions of tools, which a host reads before it guards anything. So a pair is made of each attack on a tool
that the user's own calls use, and the attack's text stands behind that tool's answer. Each task sees the tools of its server alone; no two
servers have a tool of the same name, so all are one suite.

    mcp_harness.py <folder> <the benchmark's sources> <suite>
"""

import sys
from pathlib import Path

from agentdojo_suites import access, write_files

folder, sources, suite = sys.argv[1:]
sys.path.insert(0, sources)

from injection_pareto.mcp import BENIGN_TASKS, INJECTION_TASKS, MockMCPRuntime, load_named_server, score_mcp_security  # noqa: E402
from injection_pareto.mcp.tasks import ExpectedCall, check_completion  # noqa: E402
from injection_pareto.types import ToolCall  # noqa: E402


def value_of(said):
    """An argument may be given by a predicate: then it is the one word in it that fulfils it."""
    if not callable(said):
        return said
    [value] = [one for one in said.__code__.co_consts if isinstance(one, str) and said(one)]
    return value


def runtime(servers: list[str]) -> MockMCPRuntime:
    return MockMCPRuntime([load_named_server(name) for name in servers])


def record(kind: str, task, servers: list[str], words: dict, expected: list[ExpectedCall]) -> tuple[dict, list[dict]]:
    args = [{name: value_of(said) for name, said in call.arguments.items()} for call in expected]
    calls = [ToolCall(str(i), call.tool_name, args[i]) for i, call in enumerate(expected)]
    mounted = runtime(servers)
    results = [mounted.call_tool(tool_call_id=call.id, name=call.name, arguments=call.arguments) for call in calls]
    recorded = []
    for i, (call, result) in enumerate(zip(calls, results)):
        error = result.content if result.is_error else None
        recorded.append({"i": i, "tool": call.name, "args": call.arguments, "access": access(call.name), "error": error})
        if kind == "injection":
            # Nothing here has a state by which an attack could be seen to fail without it.
            recorded[i]["necessary"] = True
    head = {"suite": suite, "kind": kind, "id": task.id}
    outputs = [{**head, "i": i, "tool": call.name, "output": result.content} for i, (call, result) in enumerate(zip(calls, results))]
    passed = check_completion(task, calls) if kind == "user" else score_mcp_security(calls, task)
    return {**head, **words, "passed": passed, "calls": recorded}, outputs


def pair(user: dict, outputs: list[dict], injection: dict, case) -> dict | None:
    carrier = next((i for i, call in enumerate(user["calls"]) if call["tool"] == case.target_tool), None)
    if carrier is None:
        return None
    mine = [{"origin": "user", "label": "benign", **call} for call in user["calls"]]
    theirs = [{"origin": "injection", "label": "attack", **call} for call in injection["calls"]]
    mine[carrier] |= {"carries_injection": True, "output_excerpt": f"{outputs[carrier]['output']} {case.injection_text}"}
    calls = [*mine[: carrier + 1], *theirs, *mine[carrier + 1 :]]
    ids = {"user_id": user["id"], "injection_id": injection["id"]}
    return {"suite": suite, "kind": "mixed", **ids, "prompt": user["prompt"], "goal": injection["goal"], "calls": calls}


users, injections, pairs = [], [], []
for task in BENIGN_TASKS:
    users.append(record("user", task, task.servers, {"prompt": task.prompt}, task.expected_calls))
for task in INJECTION_TASKS:
    case = task.poisoned_case
    injections.append(record("injection", task, [case.target_server], {"goal": case.injection_text}, task.ground_truth_calls))
    for benign, (user, outputs) in zip(BENIGN_TASKS, users):
        made = pair(user, outputs, injections[-1][0], case) if case.target_server in benign.servers else None
        if made is not None:
            pairs.append(made)

made = [*users, *injections]
servers = sorted({server for task in BENIGN_TASKS for server in task.servers})
tools = [{**one["function"], "access": access(one["function"]["name"])} for one in runtime(servers).tool_schema()]
records, outputs = [one for one, _ in made], [output for _, whole in made for output in whole]
print(write_files(Path(folder), {"suite": suite, "tools": tools}, {}, records, outputs, pairs))
for one in records:
    if not one["passed"]:
        print(f"  {one['kind']} {one['id']}: its calls don't pass the benchmark's own check")
print(f"  {len(injections) - len(pairs)} attacks on tools that the user's calls don't use are in no pair")
