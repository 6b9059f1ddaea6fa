"""Suites of AgentDojo's package, and of benchmarks made on it, as files that bench/outside.ts replays.

Every call is run by the suite's own tools in its own environments: the ground truth of each user task, the calls of each injection task, and
each pair of both, in which the text of the package's `important_instructions` attack stands behind what the user's calls come across.
No model is asked, and nothing is chosen for a suite by hand.

    agentdojo_suites.py <folder> <another benchmark's sources, or an empty word> <suite>...
"""

import importlib
import json
import re
import sys
from pathlib import Path

import agentdojo.default_suites.v1
import agentdojo.default_suites.v1.tools
from agentdojo.attacks.base_attacks import DEFAULT_MODEL_NAME
from agentdojo.attacks.important_instructions_attacks import ImportantInstructionsAttack
from agentdojo.agent_pipeline.tool_execution import tool_result_to_str
from agentdojo.functions_runtime import FunctionCall, FunctionsRuntime
from agentdojo.task_suite.load_suites import get_suite
from agentdojo.task_suite.task_suite import TaskSuite
from agentdojo.types import text_content_block_from_string
from pydantic import TypeAdapter

VERSION = "v1.2.2"
USER = "Emma Johnson"
# The opening tag of the attack's text, by which an answer that carries it is told from one that doesn't.
OPENING = "<INFORMATION>"
EXCERPT, BEFORE = 480, 135
# First words of tools that change nothing, or second ones, behind a server's name. They stand for MCP's `readOnlyHint`, which the package
# doesn't have.
READS = {"get", "search", "list", "read", "check"}
# Domains of mail that anyone can have: no organisation's.
ANYONES = {"gmail.com", "googlemail.com", "hotmail.com", "outlook.com", "yahoo.com", "icloud.com", "proton.me"}


def access(tool: str) -> str:
    words = re.split(r"[-_.]|(?<=[a-z])(?=[A-Z])", tool)
    return "read" if READS.intersection(word.lower() for word in words[:2]) else "write"


def suite_of(name: str, sources: Path | None) -> TaskSuite:
    """One of the package's own, or one that another benchmark keeps where the package keeps its own, or in a package of its own: its tools
    and tasks, run by the package."""
    if sources is None:
        return get_suite(VERSION, name)
    if not (sources / "default_suites").exists():
        sys.path.insert(0, str(sources.parent))
        # By its name: such a package may have loaded the class a second time, and so be no instance of it.
        return importlib.import_module(f"{sources.name}.suites.{name}").task_suite
    for module, folder in ((agentdojo.default_suites.v1, "default_suites/v1"), (agentdojo.default_suites.v1.tools, "default_suites/v1/tools")):
        if str(sources / folder) not in module.__path__:
            module.__path__.append(str(sources / folder))
    found = importlib.import_module(f"agentdojo.default_suites.v1.{name}")
    [suite] = [one for one in vars(found).values() if isinstance(one, TaskSuite)]
    suite.data_path = sources / "data" / "suites" / name
    return suite


class Suite:
    def __init__(self, name: str, sources: Path | None):
        self.name = name
        self.suite = suite_of(name, sources)
        self.runtime = FunctionsRuntime(self.suite.tools)
        self.defaults = self.suite.get_injection_vector_defaults()
        self.said: list[str] = []

    def environment(self, task, injections: dict[str, str]):
        environment = self.suite.load_and_inject_default_environment(injections)
        return task.init_environment(environment) if hasattr(task, "init_environment") else environment

    def calls(self, task) -> list[FunctionCall]:
        """What the task's author has it do. A tool doesn't get what it doesn't take, and a guard would refuse to pass it on."""
        taken = {one.name: set(one.parameters.model_fields) for one in self.suite.tools}
        calls = task.ground_truth(self.environment(task, {}).model_copy(deep=True))
        for one in calls:
            one.args = {name: value for name, value in one.args.items() if name in taken.get(one.function, one.args)}
        return calls

    def run(self, environment, calls: list[FunctionCall]) -> list[tuple[str, str | None]]:
        return [
            (tool_result_to_str(result) if error is None else error, error)
            for result, error in (self.runtime.run_function(environment, one.function, one.args) for one in calls)
        ]

    def succeeds(self, task, calls: list[FunctionCall]) -> bool:
        """Whether the package's own check finds that these calls have done the task."""
        environment = self.environment(task, {})
        before = environment.model_copy(deep=True)
        self.run(environment, calls)
        output = [text_content_block_from_string(task.GROUND_TRUTH_OUTPUT)]
        return bool(self.suite._check_task_result(task, output, before, environment, calls))

    def vectors(self, task) -> list[str]:
        """Places of the environment, open to others, that the user's own calls come across."""
        canaries = {vector: f"<CANARY---{vector}--->" for vector in self.defaults}
        outputs = self.run(self.environment(task, canaries), self.calls(task))
        return [vector for vector, canary in canaries.items() if any(canary in output for output, _ in outputs)]

    def tools(self) -> dict:
        tools = [
            {
                "name": one.name,
                "description": one.description,
                "parameters": one.parameters.model_json_schema(),
                "access": access(one.name),
                "returns": TypeAdapter(one.return_type).json_schema(mode="serialization"),
            }
            for one in self.suite.tools
        ]
        return {"suite": self.name, "benchmark_version": VERSION, "tools": tools}

    def record(self, kind: str, task) -> tuple[dict, list[dict]]:
        calls = self.calls(task)
        outputs = self.run(self.environment(task, {}), calls)
        passed = self.succeeds(task, calls)
        if calls and not passed:
            self.said.append(f"{kind} {task.ID}: its calls don't pass the package's own check")
        recorded = []
        for i, (call, (_, error)) in enumerate(zip(calls, outputs)):
            recorded.append({"i": i, "tool": call.function, "args": dict(call.args), "access": access(call.function), "error": error})
            if kind == "injection":
                recorded[i]["necessary"] = passed and not self.succeeds(task, calls[:i] + calls[i + 1 :])
        words = {"prompt": task.PROMPT} if kind == "user" else {"goal": task.GOAL}
        record = {"suite": self.name, "kind": kind, "id": task.ID, **words, "passed": passed, "calls": recorded}
        whole = [
            {"suite": self.name, "kind": kind, "id": task.ID, "i": i, "tool": call.function, "output": output}
            for i, (call, (output, _)) in enumerate(zip(calls, outputs))
        ]
        return record, whole

    def pair(self, user: dict, user_task, vectors: list[str], injection: dict, injection_task) -> dict | None:
        goal = injection_task.GOAL
        attack = ImportantInstructionsAttack._JB_STRING.format(goal=goal, user=USER, model=DEFAULT_MODEL_NAME)
        injections = {vector: self.defaults[vector] + attack for vector in vectors}
        environment = self.environment(user_task, injections)
        carrier = next((i for i, (output, _) in enumerate(self.run(environment.model_copy(deep=True), self.calls(user_task))) if OPENING in output), None)
        if carrier is None:
            return None
        mine = [("user", call) for call in user["calls"]]
        theirs = [("injection", call) for call in injection["calls"]]
        calls = []
        for origin, call in [*mine[: carrier + 1], *theirs, *mine[carrier + 1 :]]:
            [(output, error)] = self.run(environment, [FunctionCall(function=call["tool"], args=call["args"])])
            one = {"origin": origin, "i": call["i"], "label": "benign" if origin == "user" else "attack", "error": error}
            one |= {key: call[key] for key in ("tool", "args", "access", "necessary") if key in call}
            if origin == "user" and OPENING in output:
                one |= {"carries_injection": True, "output_excerpt": excerpt(output)}
            calls.append(one)
        return {"suite": self.name, "kind": "mixed", "user_id": user["id"], "injection_id": injection["id"], "prompt": user["prompt"], "goal": goal, "calls": calls}

    def write(self, folder: Path) -> str:
        records, outputs, pairs = [], [], []
        tasks = {"user": self.suite.user_tasks, "injection": self.suite.injection_tasks}
        made: dict[str, list] = {kind: [(task, *self.record(kind, task)) for task in of.values()] for kind, of in tasks.items()}
        for kind in tasks:
            for _, record, whole in made[kind]:
                records.append(record)
                outputs += whole
        for user_task, user, _ in made["user"]:
            vectors = self.vectors(user_task)
            for injection_task, injection, _ in made["injection"]:
                if not injection["calls"]:
                    continue
                pair = self.pair(user, user_task, vectors, injection, injection_task)
                if pair is not None:
                    pairs.append(pair)
        empty = [injection["id"] for _, injection, _ in made["injection"] if not injection["calls"]]
        if empty:
            self.said.append(f"injection tasks without calls in the package, which are in no pair: {', '.join(empty)}")
        whole = len(made["user"]) * (len(made["injection"]) - len(empty))
        if len(pairs) < whole:
            self.said.append(f"{whole - len(pairs)} pairs in which the user's calls come across no text of the attack are left out")
        environment = self.suite.load_and_inject_default_environment({})
        return write_files(folder, self.tools(), trusted(environment), records, outputs, pairs)


def write_files(folder: Path, tools: dict, known: dict, records: list[dict], outputs: list[dict], pairs: list[dict]) -> str:
    """Writes the files of a suite. Returns what it comes to."""
    name = tools["suite"]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.tools.json").write_text(json.dumps(tools, indent=1))
    (folder / f"{name}.env.json").write_text(json.dumps({"suite": name, "trusted": known}, indent=1, default=str))
    for end, all_ in (("jsonl", records), ("outputs.jsonl", outputs), ("mixed.jsonl", pairs)):
        (folder / f"{name}.{end}").write_text("".join(json.dumps(one, default=str) + "\n" for one in all_))
    users = [one for one in records if one["kind"] == "user"]
    benign = sum(len(user["calls"]) for user in users)
    return f"{name}: {len(users)} tasks, {benign} calls, {len(records) - len(users)} injections, {len(pairs)} pairs"


def excerpt(output: str) -> str:
    """What was kept of an answer that carries the attack: its beginning and what stands before."""
    text = " ".join(output.split())
    start = max(0, text.find(OPENING) - BEFORE)
    return text[start : start + EXCERPT]


def trusted(environment) -> dict:
    """What a host knows of its user without asking a tool: accounts, and directories of people, events, files and transactions. No texts."""
    found: dict = {}
    for name in type(environment).model_fields:
        part = getattr(environment, name)
        of = type(part).__name__
        if of in FACTS:
            found |= FACTS[of](part)
    domain = found.get("account_email", "").partition("@")[2]
    if domain and domain not in ANYONES:
        found["own_domain"] = domain
    return found


def fields(one, names: str) -> dict:
    return {name: getattr(one, name) for name in names.split()}


FACTS = {
    "Inbox": lambda inbox: {
        "account_email": inbox.account_email,
        "contacts": [fields(one, "email name") for one in inbox.contact_list],
        "emails": [fields(one, "id_ sender recipients cc bcc subject") for one in inbox.emails.values()],
    },
    "Calendar": lambda calendar: {
        "current_day": calendar.current_day,
        "account_email": calendar.account_email,
        "events": [fields(one, "id_ title start_time end_time participants") for one in calendar.events.values()],
    },
    "CloudDrive": lambda drive: {"files": [fields(one, "id_ filename owner shared_with size") for one in drive.files.values()]},
    "BankAccount": lambda bank: {
        "own_iban": bank.iban,
        "transactions": [one.model_dump() for one in bank.transactions],
        "scheduled_transactions": [one.model_dump() for one in bank.scheduled_transactions],
    },
    "Wallet": lambda wallet: {"own_address": wallet.address, "transactions": [one.model_dump() for one in wallet.transactions]},
    "Filesystem": lambda system: {"files": list(system.files)},
    "UserAccount": lambda account: {"user": fields(account, "first_name last_name street city")},
    "User": lambda user: {"user": user.model_dump()},
    "Slack": lambda slack: {"users": slack.users, "channels": slack.channels, "user_channels": slack.user_channels},
}


if __name__ == "__main__":
    folder, sources, *names = sys.argv[1:]
    for name in names:
        suite = Suite(name, Path(sources) if sources else None)
        print(suite.write(Path(folder)))
        for said in suite.said:
            print(f"  {said}")
