"""Asks Remit before an AI agent acts, and runs the action only if it may."""

from ._action import Action, Resource
from ._answer import Answer
from ._client import AsyncRemitClient, Guard, Held, Permitted
from ._errors import DENIALS, NO_ANSWERS, Denied, OptionError, Refusal, Undecided
from ._obligations import REDACTED, fields_of, redacted
from ._sync import RemitClient, SyncGuard

__all__ = [
    "DENIALS",
    "NO_ANSWERS",
    "REDACTED",
    "Action",
    "Answer",
    "AsyncRemitClient",
    "Denied",
    "Guard",
    "Held",
    "OptionError",
    "Permitted",
    "Refusal",
    "RemitClient",
    "Resource",
    "SyncGuard",
    "Undecided",
    "fields_of",
    "redacted",
]
