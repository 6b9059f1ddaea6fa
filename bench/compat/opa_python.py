"""opa-python-client, as its README begins: is there an OPA, and what does a rule say?"""

import os
from urllib.parse import urlparse

from opa_client.opa import OpaClient

url = urlparse(os.environ["REMIT_URL"])
client = OpaClient(host=url.hostname, port=url.port)
client._session.headers["authorization"] = f"Bearer {os.environ['REMIT_TOKEN']}"

action = {"agent": "a-1", "purpose": "testing", "verb": "read", "resource": {"type": "note", "id": "n-1", "attributes": {"customer": "ada"}}}
done = []
assert client.check_connection() is True
done.append("check_connection")
assert client.check_health() is True
done.append("check_health")
answer = client.query_rule(input_data=action, package_path="remit", rule_name="decide")
assert answer["result"]["decision"] in ("allow", "deny", "flag"), answer
allowed = client.query_rule(input_data=action, package_path="remit", rule_name="allow")
assert allowed["result"] is (answer["result"]["decision"] == "allow"), allowed
done.append("query_rule")
assert client.get_policies_list() == []
done.append("get_policies_list")
assert client.get_metrics()
done.append("get_metrics")
print(", ".join(done))
