# METADATA
# title: What is given, in tests
# description: >-
#   Inputs for tests of rules, with every field that a policy may rely on. A test starts from one and changes one thing with
#   `object.union`: `object.union(given.request(…), given.task({"topic": "delivery"}))`.
package remit.given

# METADATA
# title: A whole input for one action, on a task that says nothing
# description: A Tuesday morning, an agent without attributes, no grants.
request(verb, type, attributes, arguments) := {
	"request": {
		"agent": "agent-1",
		"purpose": "purpose",
		"task": "task-1",
		"verb": verb,
		"resource": {"type": type, "id": "id-1", "attributes": attributes},
		"related": {},
		"arguments": arguments,
		"context": {"session": null, "source": null, "trace": null},
	},
	"facts": {
		"time": {"ms": 1803978000000, "claim_ms": null},
		"caller": {"id": "caller-1"},
		"principal": null,
		"agent": {"id": "agent-1", "version": "1", "owner": "owner-1", "attributes": {}},
		"task": {"id": "task-1", "subjects": {}, "attributes": {}, "depth": 0, "root": "task-1"},
		"grants": [],
		"behavior": {"risk": 0, "confidence": 0, "channels": {}, "reasons": []},
		"flow": null,
	},
}

# METADATA
# title: The change that gives the action another purpose
purpose(id) := {"request": {"purpose": id}}

# METADATA
# title: The change that gives the resource another id
# description: Null for a collection verb.
id(id) := {"request": {"resource": {"id": id}}}

# METADATA
# title: The change that gives the resource these attributes, beside those it has
attributes(values) := {"request": {"resource": {"attributes": values}}}

# METADATA
# title: The change that gives the action another resource, in a role
related(role, type, id, values) := {"request": {"related": {role: {"type": type, "id": id, "attributes": values}}}}

# METADATA
# title: The change that gives the task these attributes
task(values) := {"facts": {"task": {"attributes": values}}}

# METADATA
# title: The change that gives the task these subjects
# description: Subject type → ids, or null where the task has none.
subjects(ids) := {"facts": {"task": {"subjects": ids}}}

# METADATA
# title: The change that gives the agent these attributes
agent(values) := {"facts": {"agent": {"attributes": values}}}

# METADATA
# title: The change that makes it another moment
# description: Milliseconds since the epoch.
time(ms) := {"facts": {"time": {"ms": ms}}}

# METADATA
# title: The change that puts these grants in force
grants(list) := {"facts": {"grants": list}}

# METADATA
# title: The change that makes the action odd for its agent
# description: What of `risk`, `confidence`, `channels` and `reasons` isn't given stays as where nothing is odd.
behavior(values) := {"facts": {"behavior": values}}

# METADATA
# title: The codes of a set of reasons
codes(reasons) := {reason.code | some reason in reasons}
