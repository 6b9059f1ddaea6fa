"""One spelling for one value: JSON Canonicalization Scheme (RFC 8785)."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, Mapping

#: The largest whole number that every reader of JSON reads exactly.
EXACT_MAX = 2**53 - 1


def quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def number(value: int | float) -> str:
    """A number as ECMAScript writes it (ECMA-262, Number::toString)."""
    if isinstance(value, int):
        return str(value)
    if value == 0:
        return "0"
    if value < 0:
        return "-" + number(-value)
    _, digits_of, exponent = Decimal(repr(value)).as_tuple()
    text = "".join(map(str, digits_of))
    assert isinstance(exponent, int)
    digits = text.rstrip("0")
    exponent += len(text) - len(digits)
    count = len(digits)
    point = count + exponent
    if count <= point <= 21:
        return digits + "0" * (point - count)
    if 0 < point <= 21:
        return f"{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return "0." + "0" * -point + digits
    power = point - 1
    mantissa = digits[0] + (f".{digits[1:]}" if count > 1 else "")
    return f"{mantissa}e{'+' if power >= 0 else '-'}{abs(power)}"


def canonical(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, (int, float)):
        return number(value)
    if isinstance(value, Mapping):
        members = sorted(value.items(), key=lambda member: member[0].encode("utf-16-be"))
        return "{" + ",".join(f"{quoted(key)}:{canonical(member)}" for key, member in members) + "}"
    return "[" + ",".join(canonical(member) for member in value) + "]"


def canonical_action(action: Mapping[str, Any], task: str | None) -> str:
    """The action as its digest covers it."""
    resource = action["resource"]
    related = {
        role: {"type": one["type"], **({"id": one["id"]} if "id" in one else {})} for role, one in action.get("related", {}).items()
    }
    return (
        f'{{"agent":{quoted(action["agent"])},"arguments":{canonical(action.get("arguments", {}))},'
        f'"purpose":{quoted(action["purpose"])},"related":{canonical(related)},'
        f'"resource":{{"id":{canonical(resource.get("id"))},"type":{quoted(resource["type"])}}},'
        f'"task":{canonical(task)},"verb":{quoted(action["verb"])}}}'
    )
