"""Allow, deny, flag, batch, revocation and record search by the client that openapi-generator generated."""

import os

from remit_client import (
    ApiClient,
    BatchRequest,
    Configuration,
    CreateRevocation,
    DecideRequest,
    DecisionKind,
    DecisionRecord,
    DefaultApi,
    RedactObligation,
    Resource,
    RevocationTarget,
)

AGENT = os.environ["REMIT_AGENT"]
api = DefaultApi(ApiClient(Configuration(host=os.environ["REMIT_URL"], access_token=os.environ["REMIT_TOKEN"])))


def request(verb: str, type_: str, id_: str, customer: str | None) -> DecideRequest:
    attributes = None if customer is None else {"customer": customer}
    return DecideRequest(
        agent=AGENT,
        purpose="customer_support",
        task=os.environ["REMIT_TASK"],
        verb=verb,
        resource=Resource(type=type_, id=id_, attributes=attributes),
    )


read = request("read", "payment", "P-1", "ada")
delete = request("delete", "customer", "ada", None)
other = request("read", "payment", "P-2", "bob")

allowed = api.decide(read)
assert allowed.decision is DecisionKind.ALLOW and allowed.proceed, allowed
obligation = allowed.obligations[0].actual_instance
assert isinstance(obligation, RedactObligation) and "iban" in obligation.fields, allowed

denied = api.decide(delete)
assert denied.decision is DecisionKind.DENY and not denied.proceed, denied
assert denied.reasons[0].code == "customer_data_is_read_only", denied

flagged = api.decide(other)
assert flagged.decision is DecisionKind.FLAG and not flagged.proceed and flagged.wait, flagged

batch = api.decide_batch(BatchRequest(actions=[read, delete, other]))
assert [one.decision.value for one in batch.answers] == ["allow", "deny", "flag"], batch

change = api.revoke(CreateRevocation(scope=RevocationTarget(agent=AGENT), reason="client check"))
assert change.of == AGENT and change.lifted is None, change
assert api.decide(read).reasons[0].code == "agent_revoked"

page = api.search_records(agent=AGENT, order="oldest")
decisions: list[str] = []
for found in page.items:
    record = found.record.actual_instance
    assert isinstance(record, DecisionRecord), record
    decisions.append(record.answer.decision.value)
assert decisions == ["allow", "deny", "flag", "allow", "deny", "flag", "deny"], page
