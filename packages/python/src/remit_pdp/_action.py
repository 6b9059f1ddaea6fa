"""An action as it was asked about: a copy that nobody can change, so that what runs is what was decided."""

from __future__ import annotations

import base64
import hashlib
import json
import math
from typing import Any, Mapping, NotRequired, TypedDict

from ._canonical import EXACT_MAX, canonical_action
from ._errors import Undecided


class Resource(TypedDict):
    type: str
    id: NotRequired[str]
    attributes: NotRequired[Mapping[str, Any]]


class Action(TypedDict):
    """What an agent is about to do. The client numbers its requests itself."""

    agent: str
    purpose: str
    verb: str
    resource: Resource
    related: NotRequired[Mapping[str, Resource]]
    arguments: NotRequired[Mapping[str, Any]]
    task: NotRequired[str]
    task_token: NotRequired[str]
    agent_token: NotRequired[str]


class Frozen(dict[str, Any]):
    """A mapping that stays as it is."""

    def _refuse(self, *_: Any, **__: Any) -> Any:
        raise TypeError("an action that was decided can't be changed")

    __setitem__ = __delitem__ = clear = pop = popitem = setdefault = update = __ior__ = _refuse


def frozen(value: Any) -> Any:
    if isinstance(value, dict):
        return Frozen({name: frozen(member) for name, member in value.items()})
    return tuple(frozen(member) for member in value) if isinstance(value, list) else value


def as_json(value: Any) -> str:
    """:raises ValueError, TypeError, RecursionError: for what no reader of JSON reads in the same way."""
    _check(value)
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    text.encode("utf-8")
    return text


def _check(value: Any) -> None:
    if isinstance(value, dict):
        if not all(isinstance(name, str) for name in value):
            raise TypeError("a name that is no text")
        for member in value.values():
            _check(member)
    elif isinstance(value, (list, tuple)):
        for member in value:
            _check(member)
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError("not a number of JSON")
    elif isinstance(value, int) and not isinstance(value, bool):
        if abs(value) > EXACT_MAX:
            raise ValueError("a number that isn't exact")
    elif value is not None and not isinstance(value, (str, bool)):
        raise TypeError("not JSON")


class AskedAction:
    """:raises Undecided: `action_unreadable`"""

    def __init__(self, action: Action) -> None:
        self._given = action
        try:
            self._text = as_json(action)
            self.action: Mapping[str, Any] = frozen(json.loads(self._text))
            self.task: str | None = self.action.get("task") or _task_of(self.action.get("task_token"))
            digest = hashlib.sha256(canonical_action(self.action, self.task).encode("utf-8"))
        except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as cause:
            raise Undecided("action_unreadable") from cause
        self.digest = f"sha256:{digest.hexdigest()}"

    @property
    def unchanged(self) -> bool:
        """Whether whoever gave it has left it alone."""
        try:
            return as_json(self._given) == self._text
        except (RecursionError, TypeError, ValueError):
            return False

    def request(self, request_id: str, at_least: int | None) -> str:
        revision = "" if at_least is None else f'"at_least":{at_least},'
        return f'{{"request_id":{json.dumps(request_id)},{revision}{self._text[1:]}'


def _task_of(token: str | None) -> str | None:
    """The task that a token stands for, by its word alone: only what the digest has to be depends on it."""
    if token is None:
        return None
    try:
        part = token.split(".")[1]
        sub = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))).get("sub")
    except (AttributeError, IndexError, ValueError):
        return None
    return sub if isinstance(sub, str) else None
