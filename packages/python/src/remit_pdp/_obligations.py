"""What an answer asks for along with the action. The catalogue is closed: what isn't known here can't be met."""

from __future__ import annotations

from typing import Any, Iterable, Mapping, Sequence

from ._action import Frozen, frozen
from ._answer import Answer
from ._errors import Denied

REDACTED = "[redacted]"


def known(answer: Answer) -> Sequence[Mapping[str, Any]]:
    """:raises Denied: `obligation_unknown`: another type, or one with members that say more than is known here"""
    obligations: Sequence[Mapping[str, Any]] = answer["obligations"]
    if not all(_is_known(one) for one in obligations):
        raise Denied("obligation_unknown", answer)
    return obligations


def _is_known(one: Any) -> bool:
    if not isinstance(one, dict):
        return False
    match one.get("type"):
        case "redact":
            fields = one.get("fields")
            return set(one) == {"type", "fields"} and isinstance(fields, list) and fields != [] and all(isinstance(f, str) for f in fields)
        case "modify":
            has = set(one) == {"type", "argument", "value"}
            return has and isinstance(one["argument"], str) and isinstance(one["value"], (str, int, float, bool))
        case "confirm":
            return set(one) == {"type", "with"} and isinstance(one["with"], str)
        case "notify":
            return set(one) == {"type", "channel"} and isinstance(one["channel"], str)
    return False


def fields_of(answer: Answer) -> list[str]:
    """The names of the fields that an answer redacts from a result."""
    return [field for one in answer["obligations"] if one["type"] == "redact" for field in one["fields"]]


def modified(answer: Answer, action: Mapping[str, Any]) -> Mapping[str, Any]:
    """The action with its arguments set as the answer says; the very same where it says nothing."""
    changes = {one["argument"]: frozen(one["value"]) for one in answer["obligations"] if one["type"] == "modify"}
    if not changes:
        return action
    return Frozen({**action, "arguments": Frozen({**action.get("arguments", {}), **changes})})


def redacted(value: Any, fields: Iterable[str]) -> Any:
    """
    A copy of a JSON value in which members of these names hold `[redacted]`, at any depth.

    :raises TypeError: for anything that isn't JSON, and for a text: a field could hide in it
    """
    if isinstance(value, str):
        raise TypeError("a text may hold the fields to be redacted")
    return _without(value, frozenset(fields))


def _without(value: Any, fields: frozenset[str]) -> Any:
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    if isinstance(value, (list, tuple)):
        return [_without(member, fields) for member in value]
    if isinstance(value, dict) and all(isinstance(name, str) for name in value):
        return {name: REDACTED if name in fields else _without(member, fields) for name, member in value.items()}
    raise TypeError("not JSON")
