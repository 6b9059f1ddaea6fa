package remit.given_test

import data.remit.given

asked := given.request("read", "note", {"x": null}, {"y": 1})

test_a_request_has_every_fixed_field if {
	object.keys(asked) == {"request", "facts"}
	object.keys(asked.request) == {"agent", "purpose", "task", "verb", "resource", "related", "arguments", "context"}
	object.keys(asked.request.resource) == {"type", "id", "attributes"}
	object.keys(asked.request.context) == {"session", "source", "trace"}
	object.keys(asked.facts) == {"time", "caller", "principal", "agent", "task", "grants", "behavior", "flow"}
	object.keys(asked.facts.time) == {"ms", "claim_ms"}
	object.keys(asked.facts.caller) == {"id"}
	object.keys(asked.facts.agent) == {"id", "version", "owner", "attributes"}
	object.keys(asked.facts.task) == {"id", "subjects", "attributes", "depth", "root"}
	object.keys(asked.facts.behavior) == {"risk", "confidence", "channels", "reasons"}
}

test_a_request_says_what_was_given if {
	asked.request.verb == "read"
	asked.request.resource.type == "note"
	asked.request.resource.attributes == {"x": null}
	asked.request.arguments == {"y": 1}
}

test_one_change_changes_one_place[name] if {
	some name, case in {
		"purpose": {"change": given.purpose("p"), "path": ["request", "purpose"], "value": "p"},
		"id": {"change": given.id(null), "path": ["request", "resource", "id"], "value": null},
		"attributes": {
			"change": given.attributes({"z": 2}),
			"path": ["request", "resource", "attributes"],
			"value": {"x": null, "z": 2},
		},
		"related": {
			"change": given.related("pay_from", "card", "c-1", {"z": 2}),
			"path": ["request", "related"],
			"value": {"pay_from": {"type": "card", "id": "c-1", "attributes": {"z": 2}}},
		},
		"task": {"change": given.task({"z": 2}), "path": ["facts", "task", "attributes"], "value": {"z": 2}},
		"subjects": {
			"change": given.subjects({"customer": ["ada"]}),
			"path": ["facts", "task", "subjects"],
			"value": {"customer": ["ada"]},
		},
		"agent": {"change": given.agent({"z": 2}), "path": ["facts", "agent", "attributes"], "value": {"z": 2}},
		"time": {"change": given.time(1), "path": ["facts", "time", "ms"], "value": 1},
		"grants": {"change": given.grants([{"id": "g"}]), "path": ["facts", "grants"], "value": [{"id": "g"}]},
		"behavior": {"change": given.behavior({"risk": 70}), "path": ["facts", "behavior", "risk"], "value": 70},
		"behavior, of which the rest stays": {
			"change": given.behavior({"risk": 70}),
			"path": ["facts", "behavior", "channels"],
			"value": {},
		},
	}
	changed := object.union(asked, case.change)
	object.get(changed, case.path, "absent") == case.value
	object.remove(changed.facts, ["task", "agent", "time", "grants", "behavior"]) == object.remove(asked.facts, ["task", "agent", "time", "grants", "behavior"])
}

test_codes_are_those_of_the_reasons if {
	given.codes({{"code": "a", "params": {}}, {"code": "b"}, {"code": "a"}}) == {"a", "b"}
	given.codes(set()) == set()
}
