"""Allow, deny, flag, batch, revocation and record search by models that datamodel-code-generator generated, with httpx."""

import os
from typing import TypeVar

import httpx
from pydantic import BaseModel

from remit_models import (
    BatchAnswer,
    BatchRequest,
    CreateRevocation,
    DecideRequest,
    Decision,
    DecisionRecord,
    RecordPage,
    RedactObligation,
    RevocationChanged,
)

AGENT = os.environ["REMIT_AGENT"]
client = httpx.Client(base_url=os.environ["REMIT_URL"], headers={"authorization": f"Bearer {os.environ['REMIT_TOKEN']}"})
Model = TypeVar("Model", bound=BaseModel)


def post(path: str, body: BaseModel, model: type[Model]) -> Model:
    response = client.post(path, json=body.model_dump(mode="json", exclude_unset=True))
    assert response.status_code == 200, response.text
    return model.model_validate_json(response.content)


def request(verb: str, type_: str, id_: str, customer: str | None) -> DecideRequest:
    attributes = {} if customer is None else {"attributes": {"customer": customer}}
    return DecideRequest.model_validate(
        {
            "agent": AGENT,
            "purpose": "customer_support",
            "task": os.environ["REMIT_TASK"],
            "verb": verb,
            "resource": {"type": type_, "id": id_, **attributes},
        }
    )


read = request("read", "payment", "P-1", "ada")
delete = request("delete", "customer", "ada", None)
other = request("read", "payment", "P-2", "bob")

allowed = post("/decide", read, Decision)
assert allowed.decision.value == "allow" and allowed.proceed, allowed
obligation = allowed.obligations[0].root
assert isinstance(obligation, RedactObligation) and "iban" in obligation.fields, allowed

denied = post("/decide", delete, Decision)
assert denied.decision.value == "deny" and not denied.proceed, denied
assert denied.reasons[0].code == "customer_data_is_read_only", denied

flagged = post("/decide", other, Decision)
assert flagged.decision.value == "flag" and not flagged.proceed and flagged.wait, flagged

batch = post("/decide/batch", BatchRequest(actions=[read, delete, other]), BatchAnswer)
assert [one.decision.value for one in batch.answers] == ["allow", "deny", "flag"], batch

revocation = CreateRevocation.model_validate({"scope": {"agent": AGENT}, "reason": "client check"})
change = post("/revocations", revocation, RevocationChanged)
assert change.of == AGENT and change.lifted is None, change
assert post("/decide", read, Decision).reasons[0].code == "agent_revoked"

found = client.get("/decisions", params={"agent": AGENT, "order": "oldest"})
page = RecordPage.model_validate_json(found.content)
decisions: list[str] = []
for one in page.items:
    record = one.record.root
    assert isinstance(record, DecisionRecord), record
    decisions.append(record.answer.decision.value)
assert decisions == ["allow", "deny", "flag", "allow", "deny", "flag", "deny"], page
