"""
What tools return, taken apart for the service, so that it knows where the values of later actions come from. Needs `pip install
'remit-pdp[flow]'`: the TypeScript client's own code runs in V8, since another implementation would find other values in the same answer.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import threading
from datetime import date, time
from decimal import Decimal
from pathlib import Path
from typing import Any, Mapping, cast
from uuid import UUID

#: Behind these the script stops, too.
_DEPTH_MAX, _MEMBERS_MAX = 34, 20_001
#: A number with more can't be written as JSON that others read.
_BITS_MAX = 1000
#: Characters of the whole answer as JSON. Of a larger one nothing is known but that it had words.
_LENGTH_MAX = 4_000_000
_TAKE_S = 5.0
#: What no text can be made of may still be read by an agent: it counts as words.
_OPAQUE = "content that is no text"

_lock = threading.Lock()
_engine: Any = None
#: Of the process that this one was forked from: their threads aren't here, so that ending one would wait for them.
_left: list[Any] = []


def _forked() -> None:
    global _lock, _engine
    _lock = threading.Lock()
    _left.append(_engine)
    _engine = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)

Returned = Mapping[str, Any]


def returned_of(answer: Any) -> Returned:
    """
    What is reported of an answer, for `returned` of a guard: values with their places, and no text.

    :param answer: what a tool returned: JSON values, a text, which is read as JSON where it is such, a dataclass, or a model with `model_dump`
    :raises RuntimeError: `remit-pdp[flow]` isn't installed, or the package wasn't built

    >>> returned_of([{"sender": "ada@example.com"}])["paths"][0]["values"][0]
    {'kind': 'email', 'value': 'ada@example.com', 'record': 1}
    """
    plain = _Plain()
    text = json.dumps(plain.of(answer, 0))
    engine = _started()
    if len(text) > _LENGTH_MAX:
        return _UNKNOWN
    from py_mini_racer import JSEvalException

    try:
        # A JSON text is a literal of the engine's.
        returned = cast(dict[str, Any], json.loads(engine.eval(f"returned({json.dumps(text)})", timeout_sec=_TAKE_S)))
    except JSEvalException:
        return _UNKNOWN
    return {**returned, "full": True} if plain.cut else returned


_UNKNOWN: Returned = {"paths": [{"path": "", "text": True, "values": []}], "full": True}


def _started() -> Any:
    global _engine
    with _lock:
        if _engine is None:
            try:
                from py_mini_racer import MiniRacer
            except ImportError as cause:
                raise RuntimeError("taking answers apart needs more: pip install 'remit-pdp[flow]'") from cause
            code = Path(__file__).with_name("_flow.js")
            if not code.exists():
                raise RuntimeError(f"there is no {code.name}: `npm run build` makes it, in a checkout")
            engine = MiniRacer()
            engine.eval(code.read_text(encoding="ascii"))
            _engine = engine
    return _engine


class _Plain:
    """An answer as JSON, no deeper and no larger than is looked at, whatever refers to itself."""

    def __init__(self) -> None:
        self._members = 0
        #: Whether something was left out.
        self.cut = False

    def of(self, value: Any, depth: int) -> Any:
        self._members += 1
        if depth > _DEPTH_MAX or self._members > _MEMBERS_MAX:
            self.cut = True
            return None
        if value is None or isinstance(value, (str, bool)):
            return value
        if isinstance(value, int):
            return value if value.bit_length() <= _BITS_MAX else _OPAQUE
        if isinstance(value, float):
            return value if math.isfinite(value) else str(value)
        if isinstance(value, (date, time, Decimal, UUID)):
            return str(value)
        if isinstance(value, Mapping):
            return {str(name): self.of(member, depth + 1) for name, member in self._some(value.items())}
        if isinstance(value, (list, tuple, set, frozenset)):
            return [self.of(member, depth + 1) for member in self._some(value)]
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return self.of({field.name: getattr(value, field.name, None) for field in dataclasses.fields(value)}, depth + 1)
        try:
            return self.of(value.model_dump(), depth + 1) if hasattr(value, "model_dump") else f"{_OPAQUE}: {value}"
        except Exception:
            return _OPAQUE

    def _some(self, members: Any) -> Any:
        for member in members:
            if self._members > _MEMBERS_MAX:
                self.cut = True
                return
            yield member
