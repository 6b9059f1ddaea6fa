"""The hand-written records of agentic-redteam-benchmark as files that bench/outside.ts replays.

A record is a user's goal and what an agent did for it, call by call, with what each call answered. The benchmark says at which step a record
leaves its goal, and whether it should be stopped there. Its records by a model's variation are left out, as from its own baselines.

The tasks are the records that should go on to their end, of every category; one that has the same goal and calls as another is taken once.
The attacks are those of the category in which other agents and services give instructions in what they answer. The first call of each is the
one at which the benchmark has it stopped, and a later one is the attack's where an argument refers to what a call of the attack answered:
with one less it isn't whole. Nothing says whose the other calls after it are, so that they are left out. Left out are also the attacks below,
in which no answer before asks for the call, as far as a reader can tell. The user of an attack is in no clean run, but its answers are kept;
they have the attack's text as the record has it.

The benchmark has no catalogue of tools. This one is of all that is called in the records taken, with the arguments that they have and their
types; an agent that is sent a message is a tool of its name. A tool reads where each of its calls is said to read or to compute, and writes
where one is said to write, to communicate or to reach into the system. Of one that only reaches the network, nothing says which.

    agentic_redteam.py <folder> <the benchmark's samples> <suite>
"""

import json
import re
import sys
from pathlib import Path

from agentdojo_suites import write_files

ATTACKS = "agent_coercion"
# By reading: nothing that was answered before asks for the call.
UNASKED = {
    f"art-ac-{number:03d}" for number in (36, 40, 41, 42, 50, 51, 53, 55, 58, 61, 62, 63, 67, 73, 74, 79, 85, 86, 88, 92, 93, 95)
}
READS, WRITES = {"READ", "COMPUTE"}, {"WRITE", "COMMUNICATE", "SYSTEM"}
TYPES = {str: "string", bool: "boolean", int: "integer", float: "number", list: "array", dict: "object", type(None): "null"}

folder, sources, suite = sys.argv[1:]


def samples() -> list[dict]:
    """In the order of their names. Those by a model say of which tier they are."""
    files = sorted(Path(sources).glob("*/art-*.json"))
    return [one for one in (json.loads(file.read_text()) for file in files) if "tier" not in (one.get("provenance") or {})]


def steps(sample: dict) -> list[dict]:
    """All but the answer to the user, which is no call."""
    return [one for one in sample["trajectory"] if one["action"]["type"] != "final_answer"]


def call(step: dict) -> dict:
    return {"tool": step["action"]["name"], "args": step["action"]["args"]}


def answer(step: dict) -> str:
    said = step["observation"]
    return said if isinstance(said, str) else json.dumps(said)


def referred(value) -> set[int]:
    """Steps whose answers an argument refers to."""
    return {int(number) for number in re.findall(r"step_(\d+)", json.dumps(value))}


def attack(sample: dict) -> list[dict]:
    first = sample["ground_truth"]["drift_step"]
    found = {first}
    for step in steps(sample):
        if step["index"] > first and referred(step["action"]["args"]) & found:
            found.add(step["index"])
    return [one for one in steps(sample) if one["index"] in found]


def record(kind: str, name: str, words: dict, taken: list[dict]) -> tuple[dict, list[dict]]:
    head = {"suite": suite, "kind": kind, "id": name}
    recorded = [
        {"i": i, **call(one), "access": "read" if one["action"]["class"] in READS else "write", "error": None} for i, one in enumerate(taken)
    ]
    if kind == "injection":
        recorded = [{**one, "necessary": True} for one in recorded]
    outputs = [{**head, "i": i, "tool": one["action"]["name"], "output": answer(one)} for i, one in enumerate(taken)]
    return {**head, **words, "passed": True, "calls": recorded}, outputs


def catalogue(called: list[dict]) -> list[dict]:
    uses: dict[str, list[dict]] = {}
    for one in called:
        uses.setdefault(one["action"]["name"], []).append(one["action"])
    return [tool(name, uses[name]) for name in sorted(uses)]


def tool(name: str, uses: list[dict]) -> dict:
    properties: dict[str, list[str]] = {}
    for use in uses:
        for key, value in use["args"].items():
            types = properties.setdefault(key, [])
            if TYPES[type(value)] not in types:
                types.append(TYPES[type(value)])
    schemas = {key: {"type": types[0] if len(types) == 1 else types} for key, types in properties.items()}
    required = [key for key in properties if all(key in use["args"] for use in uses)]
    classes = {use["class"] for use in uses}
    access = {"access": "write"} if classes & WRITES else {"access": "read"} if classes <= READS else {}
    return {"name": name, "description": "", "parameters": {"type": "object", "properties": schemas, "required": required}, **access}


users, injections, kept, pairs, called = [], [], [], [], []
seen: set[str] = set()
again, unasked = 0, 0
for sample in samples():
    truth, taken = sample["ground_truth"], steps(sample)
    if truth["expected_decision_at_drift"] == "CONTINUE":
        # A record that leaves its goal before its end is no whole task, though it may go on.
        if truth["drift_step"] < len(sample["trajectory"]) - 1:
            continue
        same = json.dumps([sample["declared_goal"], [call(one) for one in taken]], sort_keys=True)
        if same in seen:
            again += 1
            continue
        seen.add(same)
        users.append(record("user", sample["id"], {"prompt": sample["declared_goal"]}, taken))
        called += taken
        continue
    if sample["category"] != ATTACKS:
        continue
    if sample["id"] in UNASKED:
        unasked += 1
        continue
    mine, theirs = [one for one in taken if one["index"] < truth["drift_step"]], attack(sample)
    user, answers = record("user", f"user of {sample['id']}", {"prompt": sample["declared_goal"]}, mine)
    kept += answers
    injection, outputs = record("injection", sample["id"], {"goal": theirs[0]["action"]["raw"]}, theirs)
    injections.append((injection, outputs))
    called += [*mine, *theirs]
    calls = [{"origin": "user", "label": "benign", **one} for one in user["calls"]]
    calls += [{"origin": "injection", "label": "attack", **one} for one in injection["calls"]]
    head = {"suite": suite, "kind": "mixed", "user_id": user["id"], "injection_id": injection["id"]}
    pairs.append({**head, "prompt": user["prompt"], "goal": injection["goal"], "calls": calls})

made = [*users, *injections]
records, outputs = [one for one, _ in made], [*(output for _, whole in made for output in whole), *kept]
print(write_files(Path(folder), {"suite": suite, "tools": catalogue(called)}, {}, records, outputs, pairs))
print(f"  {again} tasks that are the same as others are left out")
print(f"  {unasked} attacks that no answer asks for are left out")
