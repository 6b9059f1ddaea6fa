"""FinAgent Red-Team's scenarios as files that bench/outside.ts replays.

The scenarios are those of the benchmark's own generator at the size that its authors report, with its first seed. Its benign controls are
the tasks, with the calls of their reference plans. Each attack makes a pair: its user has a channel read, by the tool that the benchmark has
for that channel, and the attack's calls are those of its reference plan. Every call is run by the benchmark's own tools in the scenario's
world with its controls off, and whether calls have done a task or an attack is asked of its own check. Of an attack's calls those are
taken by the last of which it has succeeded.

    finagent.py <folder> <the benchmark's sources> <suite>
"""

import copy
import json
import sys
from pathlib import Path

from agentdojo_suites import access, write_files

folder, sources, suite = sys.argv[1:]
sys.path.insert(0, sources)

from finagent_redteam.eval import evaluate_goal  # noqa: E402
from finagent_redteam.sandbox import Policy, dispatch, tool_specs  # noqa: E402
from finagent_redteam.scenarios import Scenario, generate_scenarios  # noqa: E402
from finagent_redteam.scenarios.axes import Vector  # noqa: E402
from finagent_redteam.scenarios.generator import _VECTOR_CHANNEL, PAPER_PER_THREAT, _base_world  # noqa: E402

ACTOR = "agent"


def run(scenario: Scenario, calls: list[dict], goal) -> tuple[list[dict], bool]:
    """What the tools answer, and whether the goal has been reached."""
    world = scenario.world_factory()
    # What a tool answers may be a part of the world that a later call changes.
    results = [copy.deepcopy(dispatch(one["tool"], world, Policy.guardrails_off(), ACTOR, one["args"])) for one in calls]
    return results, evaluate_goal(world, goal).achieved


def plan(scenario: Scenario) -> list[dict]:
    return [{"tool": one["name"], "args": one["arguments"]} for one in scenario.reference_plan]


def record(kind: str, scenario: Scenario, words: dict, goal, before: list[dict]) -> tuple[dict, list[dict]]:
    """@param before calls of the user's own that an attack comes after"""
    calls = plan(scenario)
    if kind == "injection":
        enough = (calls[:n] for n in range(1, len(calls)) if run(scenario, [*before, *calls[:n]], goal)[1])
        calls = next(enough, calls)
    results, passed = run(scenario, [*before, *calls], goal)
    head = {"suite": suite, "kind": kind, "id": scenario.id}
    recorded, outputs = [], []
    for i, (call, result) in enumerate(zip(calls, results[len(before) :])):
        one = {"i": i, **call, "access": access(call["tool"]), "error": result.get("error")}
        if kind == "injection":
            one["necessary"] = passed and not run(scenario, [*before, *calls[:i], *calls[i + 1 :]], goal)[1]
        recorded.append(one)
        outputs.append({**head, "i": i, "tool": call["tool"], "output": json.dumps(result)})
    return {**head, **words, "passed": passed, "calls": recorded}, outputs


def texts(scenario: Scenario) -> str:
    world = scenario.world_factory()
    channel = _VECTOR_CHANNEL[Vector(scenario.strata["vector"])]
    return " ".join(one.body for one in getattr(world, channel))


made, pairs = [], []
for scenario in generate_scenarios(per_threat=PAPER_PER_THREAT):
    if scenario.benign:
        made.append(record("user", scenario, {"prompt": scenario.user_task}, scenario.success_goal, []))
        continue
    tool = f"read_{_VECTOR_CHANNEL[Vector(scenario.strata['vector'])]}"
    [answer], _ = run(scenario, [{"tool": tool, "args": {}}], scenario.attack_goal)
    goal = texts(scenario)
    injection, outputs = record("injection", scenario, {"goal": goal}, scenario.attack_goal, [{"tool": tool, "args": {}}])
    made.append((injection, outputs))
    mine = {"origin": "user", "label": "benign", "i": 0, "tool": tool, "args": {}, "access": access(tool), "error": None}
    mine |= {"carries_injection": True, "output_excerpt": json.dumps(answer)}
    theirs = [{"origin": "injection", "label": "attack", **one} for one in injection["calls"]]
    # The user of an attack is in no clean run: without the attack there is nothing to do.
    head = {"suite": suite, "kind": "mixed", "user_id": f"user of {scenario.id}", "injection_id": scenario.id}
    pairs.append({**head, "prompt": scenario.user_task, "goal": goal, "calls": [mine, *theirs]})

said = [one["function"] for one in tool_specs()]
tools = [{**one, "access": access(one["name"])} for one in said]
# What a host knows of its user without asking a tool: the accounts that every scenario begins with.
known = {"own_accounts": list(_base_world().accounts)}
records, outputs = [one for one, _ in made], [output for _, whole in made for output in whole]
print(write_files(Path(folder), {"suite": suite, "tools": tools}, known, records, outputs, pairs))
for one in records:
    if not one["passed"]:
        print(f"  {one['kind']} {one['id']}: its calls don't pass the benchmark's own check")
    elif one["kind"] == "injection" and not any(call["necessary"] for call in one["calls"]):
        print(f"  {one['kind']} {one['id']}: it succeeds without any one of its calls")
