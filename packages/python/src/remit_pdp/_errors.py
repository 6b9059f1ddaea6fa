"""Why an action doesn't run. Codes are an interface, and the same as those of the TypeScript client."""

from __future__ import annotations

from typing import Any, Mapping

#: The service answered, and the answer, or what it asks for, is a no.
DENIALS: Mapping[str, str] = {
    "denied": "the decision is deny",
    "waiting": "the decision waits, and what it waits for did not come in time",
    "obligation_unknown": "the answer has an obligation that this guard does not know",
    "obligation_unmet": "an obligation of the answer could not be met",
    "not_confirmed": "the required confirmation was not given",
    "action_changed": "the action is not the one that was decided any more",
    "stopped": "what permitted the action was taken back while it ran",
}

#: There is no answer that could be acted on.
NO_ANSWERS: Mapping[str, str] = {
    "action_unreadable": "the action cannot be written as JSON",
    "token_unavailable": "there is no token to ask with",
    "queue_full": "as many calls wait to be asked as the limit allows",
    "unreachable": "no connection, or it broke off before an answer began",
    "breaker_open": "the service has failed too often in a row; it is asked again after a pause",
    "deadline": "there was no whole answer in time",
    "closed": "the client is closed",
    "problem": "the service refused the request; `problem` says why",
    "redirected": "the answer is a redirection, which is not followed",
    "status_unexpected": "the answer's status is neither 200 nor a problem's",
    "type_unexpected": "the answer is not of type application/json",
    "answer_too_large": "the answer is larger than any that the service gives",
    "answer_cut": "the answer broke off",
    "answer_unreadable": "the answer is not a decision in the agreed form",
    "answer_contradictory": "the answer says two things that exclude each other",
    "answer_foreign": "the answer is to another request, or from before this client's start",
    "answer_other_action": "the answer's action digest is not that of this action",
    "answer_replayed": "the answer carries the id of a decision that came before",
    "answer_used": "the answer has been acted on already",
    "answer_expired": "the answer is no longer valid, counted since its request was sent",
    "answer_dropped": "a restriction since the answer has made it void",
    "not_live": "no events from the service, so a kept answer can't be used",
}

_NOT_YOU = "You are not permitted to do this."
_NOT_NOW = "This cannot be decided now; nothing was done."
_SENTENCES = {
    "obligation_unknown": _NOT_YOU,
    "obligation_unmet": _NOT_YOU,
    "not_confirmed": "This was not confirmed.",
    "action_changed": _NOT_NOW,
    "stopped": "You are no longer permitted to do this; it was stopped.",
}


class Refusal(Exception):
    """Either of `Denied` and `Undecided`. Its text is what the model may see; all else is for who operates."""

    code: str
    title: str

    @property
    def tell_agent(self) -> str:
        """A fixed sentence for the model, without values from data."""
        return str(self)


class Denied(Refusal):
    """The service answered, and the action must not run, or not go on."""

    def __init__(self, code: str, answer: Mapping[str, Any] | None) -> None:
        told = answer.get("tell_agent") if answer is not None else None
        super().__init__(_SENTENCES.get(code) or told or _NOT_YOU)
        self.code = code
        self.title = DENIALS[code]
        self.answer = answer

    @property
    def reasons(self) -> list[Mapping[str, Any]]:
        """Codes, messages and values, for who operates."""
        return list(self.answer["reasons"]) if self.answer is not None else []

    @property
    def wait(self) -> Mapping[str, Any] | None:
        return self.answer.get("wait") if self.answer is not None else None


class Undecided(Refusal):
    """There is no answer that could be acted on. Nothing was done."""

    def __init__(self, code: str, problem: Mapping[str, Any] | None = None) -> None:
        super().__init__(_NOT_NOW)
        self.code = code
        self.title = NO_ANSWERS[code]
        #: With the code `problem`: what the service said (RFC 9457), and its `status`.
        self.problem = problem


class OptionError(TypeError):
    """An option has a value that can't be meant. The message names the option."""

    def __init__(self, option: str, expected: str) -> None:
        super().__init__(f"{option}: expected {expected}")
        self.option = option
