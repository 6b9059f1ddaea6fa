"""What the examples share: three tools, and what a call of each does in the policy's words."""

from __future__ import annotations

from typing import Any, Mapping

from remit_pdp import Action

TRANSFERRED: list[int] = []


async def read_note(id: str) -> str:
    """Reads a note."""
    return f"note {id}: call back"


async def open_vault(id: str) -> str:
    """Opens a vault."""
    raise AssertionError("nobody may do this")


async def transfer(id: str, amount: int) -> str:
    """Transfers an amount to an account."""
    TRANSFERRED.append(amount)
    return f"transferred {amount}"


#: What a scripted model asks for, one call after the other. The last tool is none that the host knows.
SCRIPT: list[tuple[str, dict[str, Any]]] = [
    ("read_note", {"id": "n-1"}),
    ("open_vault", {"id": "v-1"}),
    ("transfer", {"id": "t-1", "amount": 500}),
]

_TYPES = {"read_note": ("read", "note"), "open_vault": ("read", "vault"), "transfer": ("send", "transfer")}


def action_of(name: str, arguments: Mapping[str, Any]) -> Action | None:
    """The action of a tool call: agent, purpose and task are the host's to say, never the model's."""
    if name not in _TYPES:
        return None
    verb, kind = _TYPES[name]
    others = {key: value for key, value in arguments.items() if key != "id"}
    return {
        "agent": "a-1",
        "purpose": "testing",
        "task": "T-1",
        "verb": verb,
        "resource": {"type": kind, "id": arguments["id"]},
        "arguments": others,
    }
