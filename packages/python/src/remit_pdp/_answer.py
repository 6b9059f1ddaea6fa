"""From what came over the network to an answer: its form is checked, since something else than the service may have sent it."""

from __future__ import annotations

import json
import re
from typing import Any, Mapping, TypeGuard

from ._canonical import EXACT_MAX
from ._errors import Undecided

Answer = Mapping[str, Any]

#: No bundle's answers last longer.
VALID_FOR_MS_MAX = 60_000
_DECISION_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def parsed(content: bytes) -> Any:
    """:raises Undecided: `answer_unreadable`"""
    try:
        return json.loads(content.decode("utf-8"), parse_constant=_refuse)
    except (ValueError, RecursionError) as cause:
        raise Undecided("answer_unreadable") from cause


def read_answer(value: Any) -> Answer:
    """
    Members that it doesn't know are passed over: what narrows an answer is an obligation, and those are a closed catalogue.

    :raises Undecided: `answer_unreadable`, `answer_contradictory`
    """
    if not _is_answer(value):
        raise Undecided("answer_unreadable")
    decision, proceed, waits = value["decision"], value["proceed"], "wait" in value
    if (decision == "deny" or waits) if proceed else decision == "allow":
        raise Undecided("answer_contradictory")
    return value


def _is_answer(value: Any) -> TypeGuard[dict[str, Any]]:
    if not isinstance(value, dict):
        return False
    wait, reasons = value.get("wait"), value.get("reasons")
    return (
        value.get("decision") in ("allow", "deny", "flag")
        and isinstance(value.get("decision"), str)
        and isinstance(value.get("proceed"), bool)
        and ("wait" not in value or (isinstance(wait, dict) and all(isinstance(wait.get(one), str) for one in ("for", "until"))))
        and isinstance(value.get("decision_id"), str)
        and _DECISION_ID.fullmatch(value["decision_id"]) is not None
        and isinstance(value.get("request_id", ""), str)
        and isinstance(value.get("action_digest"), str)
        and _is_count(value.get("valid_for_ms"))
        and value["valid_for_ms"] <= VALID_FOR_MS_MAX
        and isinstance(reasons, list)
        and all(isinstance(reason, dict) and isinstance(reason.get("code"), str) for reason in reasons)
        and isinstance(value.get("tell_agent", ""), str)
        and isinstance(value.get("finding", ""), str)
        and isinstance(value.get("obligations"), list)
        and isinstance(value.get("policy"), dict)
        and _is_count(value.get("facts_revision"))
    )


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= EXACT_MAX
