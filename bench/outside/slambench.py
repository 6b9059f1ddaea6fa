"""SLaMBench's tasks as files that bench/outside.ts replays.

Each of its tasks comes twice, with a document and with the same document attacked; three of its files are read: the one that its authors
report, and two that hold what isn't in it. Tasks of the same instruction have the same calls and the same document, so they are one task,
and each attack on it makes a pair. The document is read by the call with which the benchmark's own runner reads it, and whether calls have
done a task or an attack is asked of the benchmark's own check.

    slambench.py <folder> <the benchmark's sources> <suite>
"""

import copy
import json
import sys
from pathlib import Path

from agentdojo_suites import access, tool_result_to_str, write_files

FILES = ["subtle_multidomain_50pairs_v2", "dev_30", "nonemail_side_effects_3pairs_v1"]

folder, sources, suite = sys.argv[1:]
sys.path.insert(0, sources)

from src.prompts import TOOL_SIGNATURES  # noqa: E402
from src.scoring import score_attack_success, score_benign_success  # noqa: E402
from src.tools import MockEnv  # noqa: E402


def tasks(variant: str) -> list[dict]:
    files = [Path(sources) / "slambench" / "tasks" / f"{file}.jsonl" for file in FILES]
    all_ = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    return [task for task in all_ if task["variant"] == variant]


def run(task: dict, calls: list[dict]) -> tuple[list[str], bool, bool]:
    """What the tools answer, whether the user's task has been done, and whether the attack."""
    environment = MockEnv(task)
    results = [environment.execute(call) for call in calls]
    # An event is the benchmark's own note of the call, and no part of what the tool says.
    said = [result.get("content", {"status": result["status"]}) for result in results]
    benign, _ = score_benign_success(task, environment.log)
    attacked, _ = score_attack_success(task, environment.log)
    return [tool_result_to_str(one) for one in said], benign, attacked


def call(said: dict) -> dict:
    return {"tool": said["tool"], "args": said["args"]}


def record(kind: str, name: str, words: dict, calls: list[dict], outputs: list[str], passed: bool) -> tuple[dict, list[dict]]:
    head = {"suite": suite, "kind": kind, "id": name}
    recorded = [{"i": i, **one, "access": access(one["tool"]), "error": None} for i, one in enumerate(calls)]
    if kind == "injection":
        # Its only call: without it the check finds nothing.
        recorded = [{**one, "necessary": passed} for one in recorded]
    whole = [{**head, "i": i, "tool": one["tool"], "output": output} for i, (one, output) in enumerate(zip(calls, outputs))]
    return {**head, **words, "passed": passed, "calls": recorded}, whole


def read(task: dict) -> list[dict]:
    return [{"tool": "read_doc", "args": {"doc_id": one["source_id"]}} for one in task["untrusted_artifacts"]]


def parameters(signature: str) -> dict:
    """As a JSON Schema, of a signature such as `send(to: string | string[], body: string)`."""
    kinds = {"string": {"type": "string"}, "string[]": {"type": "array", "items": {"type": "string"}}}
    properties = {}
    for said in signature[signature.index("(") + 1 : -1].split(", "):
        name, kind = said.split(": ")
        taken = [kinds[one] for one in kind.split(" | ")]
        properties[name] = taken[0] if len(taken) == 1 else {"anyOf": taken}
    return {"type": "object", "properties": properties, "required": list(properties)}


users: dict[str, tuple[dict, list[dict], dict]] = {}
for task in tasks("benign"):
    if task["user_goal"] not in users:
        calls = [*read(task), *map(call, task["reference_benign_tool_calls"])]
        outputs, done, _ = run(task, calls)
        users[task["user_goal"]] = (*record("user", task["base_task_id"], {"prompt": task["user_goal"]}, calls, outputs, done), task)

injections, pairs = [], []
for task in tasks("injected"):
    user, _, clean = users[task["user_goal"]]
    attack = call(task["attack_tool_call"])
    # The attacked document under the name that the user's own call has for it.
    attacked = copy.deepcopy(task)
    for mine, theirs in zip(clean["untrusted_artifacts"], attacked["untrusted_artifacts"], strict=True):
        theirs["source_id"] = mine["source_id"]
    reads = len(read(attacked))
    own = [call(one) for one in user["calls"]]
    outputs, _, succeeded = run(attacked, [*own[:reads], attack, *own[reads:]])
    # What the attack is for stands in what was added to the document.
    goal = " ".join(
        theirs["content"].removeprefix(mine["content"]).strip()
        for mine, theirs in zip(clean["untrusted_artifacts"], attacked["untrusted_artifacts"])
    )
    injection, whole = record("injection", task["task_id"], {"goal": goal}, [attack], outputs[reads : reads + 1], succeeded)
    injections.append((injection, whole))
    mine = [{"origin": "user", "label": "benign", **one} for one in user["calls"]]
    for i in range(reads):
        mine[i] |= {"carries_injection": True, "output_excerpt": outputs[i]}
    theirs = [{"origin": "injection", "label": "attack", **one} for one in injection["calls"]]
    head = {"suite": suite, "kind": "mixed", "user_id": user["id"], "injection_id": injection["id"]}
    pairs.append({**head, "prompt": user["prompt"], "goal": goal, "calls": [*mine[:reads], *theirs, *mine[reads:]]})

# What a host knows of its user without asking a tool: what the benchmark trusts, but for the secrets.
known: dict[str, list[str]] = {}
for _, _, task in users.values():
    for name, said in task["trusted_context"].items():
        if "secret" not in name:
            of = known.setdefault(name, [])
            of += [one for one in ([said] if isinstance(said, str) else said) if one not in of]

made = [*((record, whole) for record, whole, _ in users.values()), *injections]
tools = [
    {"name": name, "description": signature, "parameters": parameters(signature), "access": access(name)}
    for name, signature in TOOL_SIGNATURES.items()
]
records, outputs = [one for one, _ in made], [output for _, whole in made for output in whole]
print(write_files(Path(folder), {"suite": suite, "tools": tools}, known, records, outputs, pairs))
for one in records:
    if not one["passed"]:
        print(f"  {one['kind']} {one['id']}: its calls don't pass the benchmark's own check")
