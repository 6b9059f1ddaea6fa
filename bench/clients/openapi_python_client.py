"""Allow, deny, flag, batch, revocation and record search by the client that openapi-python-client generated."""

import os

from remit_client import AuthenticatedClient
from remit_client.api.default import decide, decide_batch, revoke, search_records
from remit_client.models import (
    BatchAnswer,
    BatchRequest,
    CreateRevocation,
    DecideRequest,
    Decision,
    DecisionKind,
    DecisionRecord,
    RecordPage,
    RedactObligation,
    Resource,
    ResourceAttributes,
    RevocationChanged,
    RevocationTarget,
    SearchRecordsOrder,
)

AGENT = os.environ["REMIT_AGENT"]
client = AuthenticatedClient(base_url=os.environ["REMIT_URL"], token=os.environ["REMIT_TOKEN"])


def request(verb: str, type_: str, id_: str, customer: str | None) -> DecideRequest:
    resource = Resource(type_=type_, id=id_)
    if customer is not None:
        resource.attributes = ResourceAttributes.from_dict({"customer": customer})
    return DecideRequest(agent=AGENT, purpose="customer_support", task=os.environ["REMIT_TASK"], verb=verb, resource=resource)


def ask(asked: DecideRequest) -> Decision:
    answer = decide.sync(client=client, body=asked)
    assert isinstance(answer, Decision), answer
    return answer


read = request("read", "payment", "P-1", "ada")
delete = request("delete", "customer", "ada", None)
other = request("read", "payment", "P-2", "bob")

allowed = ask(read)
assert allowed.decision is DecisionKind.ALLOW and allowed.proceed, allowed
assert isinstance(allowed.obligations[0], RedactObligation) and "iban" in allowed.obligations[0].fields, allowed

denied = ask(delete)
assert denied.decision is DecisionKind.DENY and not denied.proceed, denied
assert denied.reasons[0].code == "customer_data_is_read_only", denied

flagged = ask(other)
assert flagged.decision is DecisionKind.FLAG and not flagged.proceed and flagged.wait, flagged

batch = decide_batch.sync(client=client, body=BatchRequest(actions=[read, delete, other]))
assert isinstance(batch, BatchAnswer), batch
assert [one.decision.value for one in batch.answers] == ["allow", "deny", "flag"], batch

change = revoke.sync(client=client, body=CreateRevocation(scope=RevocationTarget(agent=AGENT), reason="client check"))
assert isinstance(change, RevocationChanged) and change.of == AGENT and change.lifted is None, change
assert ask(read).reasons[0].code == "agent_revoked"

page = search_records.sync(client=client, agent=AGENT, order=SearchRecordsOrder.OLDEST)
assert isinstance(page, RecordPage), page
decisions: list[str] = []
for found in page.items:
    assert isinstance(found.record, DecisionRecord), found
    decisions.append(found.record.answer.decision.value)
assert decisions == ["allow", "deny", "flag", "allow", "deny", "flag", "deny"], page
