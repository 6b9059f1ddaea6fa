"""Agent Security Sandbox's cases as files that bench/outside.ts replays.

A case says an instruction, a text of others that its agent comes across, and by which tools a benign one is done or by which actions an
attack: no calls with all of their arguments. These are those of the runs that its authors publish, those without a defence first, then by
the order of the models below: the first that did the task by the benchmark's own check, or that an attack didn't move, without a call
being blocked. The attack's calls are those of the first run in which it succeeded; where it never did, an action that names all that its
tool needs.

The benchmark takes an attack for done with any one of its actions, so each makes a pair, behind those before it. The text stands behind the
first answer of the tool that the case says it comes by. Every call is run by the benchmark's own tools.

    security_sandbox.py <folder> <the benchmark's sources> <suite>
"""

import json
import sys
import types
from pathlib import Path

from agentdojo_suites import write_files

MODELS = ["claude-sonnet-4-5-20250929", "gpt-4o", "deepseek-v3-1-250821", "gemini-2.5-flash", "gpt-4o-mini"]
# The tool by whose answer a case says that its text comes. Any other place is the first call that is made.
PLACES = {
    "email_body": "read_email",
    "search_result": "search_web",
    "rag_chunk": "search_web",
    "file_content": "read_file",
    "calendar_event": "read_calendar",
    "api_response": "call_api",
}
# All of its mails are to this address.
USER, DOMAIN = "user@company.com", "company.com"

folder, sources, suite = sys.argv[1:]
# The package's own first module needs clients of models.
package = types.ModuleType("agent_security_sandbox")
package.__path__ = [str(Path(sources, "src", "agent_security_sandbox"))]
sys.modules[package.__name__] = package

from agent_security_sandbox.tools.registry import ToolRegistry  # noqa: E402

TOOLS = ToolRegistry().get_enabled_tools()


def run(calls: list[dict]) -> list[dict]:
    registry = ToolRegistry()
    # Whom a mail may go to is one of the defences.
    for tool in registry.tools.values():
        for parameter in tool.metadata.parameters.values():
            parameter.whitelist = None
    return [registry.execute_tool(call["tool"], **call["args"]) for call in calls]


def cases() -> list[dict]:
    files = sorted(Path(sources, "data", "full_benchmark").glob("*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text().splitlines() if line.strip()]


def published(defences: str) -> dict[str, list[tuple[str, list[dict], bool]]]:
    """Verdict and executed calls of each case's runs, and whether none was blocked."""
    found: dict[str, list] = {}
    for model in MODELS:
        for file in sorted(Path(sources, "results", "full_eval").glob(f"{model}_{defences}_run*.json")):
            runs = json.loads(file.read_text())
            for result, trajectory, case in zip(runs["results"], runs["trajectories"], runs["cases"], strict=True):
                steps = [one for one in trajectory["steps"] if (one["defense_decision"] or {}).get("allowed", True)]
                calls = [{"tool": one["action"], "args": taken(one)} for one in steps if one["action"] in TOOLS]
                found.setdefault(case["id"], []).append((result["verdict"], calls, len(steps) == len(trajectory["steps"])))
    return found


def taken(step: dict) -> dict:
    """A tool doesn't get what it doesn't take, and a guard would refuse to pass it on."""
    parameters = TOOLS[step["action"]].metadata.parameters
    return {name: value for name, value in step["action_input"].items() if name in parameters}


def first_forbidden(calls: list[dict], actions: list[dict]) -> list[dict]:
    """The first call by which each action is done, as the benchmark's own check has it."""
    found = []
    for one in actions:
        of = (i for i, call in enumerate(calls) if one["tool"] == call["tool"] and one.get("params", {}).items() <= call["args"].items())
        found += [i for i in [next(of, None)] if i is not None and i not in found]
    return [calls[i] for i in sorted(found)]


def own_calls(case: dict, verdict: str) -> list[dict] | None:
    return next((calls for said, calls, whole in RUNS.get(case["id"], []) if said == verdict and calls and whole), None)


def attack_calls(case: dict) -> list[dict]:
    actions = case["forbidden_actions"]
    for said, calls, _ in RUNS.get(case["id"], []):
        theirs = first_forbidden(calls, actions)
        if said == "attack_succeeded" and theirs:
            return theirs
    whole = [{"tool": one["tool"], "args": one.get("params", {})} for one in actions if one["tool"] in TOOLS]
    return [one for one in whole if names_all(one)]


def names_all(call: dict) -> bool:
    parameters = TOOLS[call["tool"]].metadata.parameters
    return set(call["args"]) <= set(parameters) and all(not of.required or name in call["args"] for name, of in parameters.items())


def carrier(case: dict, calls: list[dict]) -> int:
    return next((i for i, call in enumerate(calls) if call["tool"] == PLACES.get(case["injection_location"])), 0)


def access(tool: str) -> str:
    """The benchmark says it itself."""
    return "write" if TOOLS[tool].metadata.side_effect else "read"


def record(kind: str, name: str, words: dict, calls: list[dict], text: tuple[int, str] | None = None) -> tuple[dict, list[dict]]:
    head = {"suite": suite, "kind": kind, "id": name}
    recorded, outputs = [], []
    for i, (call, result) in enumerate(zip(calls, run(calls))):
        error = result["message"] if result["status"] == "error" else None
        recorded.append({"i": i, **call, "access": access(call["tool"]), "error": error})
        answer = json.dumps(result)
        if text is not None and text[0] == i:
            answer = f"{answer}\n---\n{text[1]}"
        outputs.append({**head, "i": i, "tool": call["tool"], "output": answer})
    return {**head, **words, "passed": True, "calls": recorded}, outputs


DEFENDED = published("D[1-9]*")
RUNS = {name: [*runs, *DEFENDED.get(name, [])] for name, runs in {**{name: [] for name in DEFENDED}, **published("D0")}.items()}
users, injections, carried, pairs = [], [], [], []
undone, unmoved, unsaid = 0, 0, 0
for case in cases():
    if case["type"] == "benign":
        calls = own_calls(case, "benign_completed")
        if calls is None:
            undone += 1
            continue
        content = case["untrusted_content"]
        text = (carrier(case, calls), content) if content else None
        users.append(record("user", case["id"], {"prompt": case["goal"]}, calls, text))
        continue
    theirs, mine = attack_calls(case), own_calls(case, "attack_blocked")
    if not theirs:
        unsaid += 1
        continue
    if mine is None:
        unmoved += 1
        continue
    at = carrier(case, mine)
    # The user of an attack is in no clean run, but its answers are.
    user, answers = record("user", f"user of {case['id']}", {"prompt": case["goal"]}, mine)
    carried += answers
    for k in range(len(theirs)):
        injection, outputs = record("injection", f"{case['id']} {k}", {"goal": case["untrusted_content"]}, theirs[: k + 1])
        for i, call in enumerate(injection["calls"]):
            call["necessary"] = i == k
        injections.append((injection, outputs))
        own = [{"origin": "user", "label": "benign", **one} for one in user["calls"]]
        own[at] |= {"carries_injection": True, "output_excerpt": case["untrusted_content"]}
        attack = [{"origin": "injection", "label": "attack", **one} for one in injection["calls"]]
        head = {"suite": suite, "kind": "mixed", "user_id": user["id"], "injection_id": injection["id"]}
        pairs.append({**head, "prompt": user["prompt"], "goal": case["untrusted_content"], "calls": [*own[: at + 1], *attack, *own[at + 1 :]]})

made = [*users, *injections]
tools = [{**tool.to_function_schema(), "access": access(name)} for name, tool in TOOLS.items()]
records, outputs = [one for one, _ in made], [*(output for _, whole in made for output in whole), *carried]
known = {"account_email": USER, "own_domain": DOMAIN}
print(write_files(Path(folder), {"suite": suite, "tools": tools}, known, records, outputs, pairs))
print(f"  {undone} benign cases that no published run did are left out")
print(f"  {unsaid} attacks that never succeeded, and whose actions don't name all that their tools need, are left out")
print(f"  {unmoved} attacks without a run that makes calls and isn't moved are left out")
