package remit.conditions_test

import data.remit.conditions
import data.remit.given

# What is unknown is of interest only where it decides: `not_known` is empty elsewhere.
truth(entry, asked) := {
	"holds": _holds(entry, asked),
	"fails": _fails(entry, asked),
	"not_known": _unknowns(entry, asked),
}

_holds(entry, asked) if {
	conditions.applies(entry) with input as asked with data.vocabulary.types as types
} else := false

_fails(entry, asked) if {
	conditions.ruled_out(entry) with input as asked with data.vocabulary.types as types
} else := false

_unknowns(entry, asked) := set() if {
	true in {_holds(entry, asked), _fails(entry, asked)}
} else := names if {
	names := conditions.unknowns(entry) with input as asked with data.vocabulary.types as types
}

yes := {"holds": true, "fails": false, "not_known": set()}

no := {"holds": false, "fails": true, "not_known": set()}

unknown(names) := {"holds": false, "fails": false, "not_known": names}

types := {
	"note": {"about": {"ticket": "ticket", "customer": "customer"}},
	"ticket": {"about": {"ticket": "id", "customer": "customer"}},
	"product": {"about": {}},
	"bare": {},
}

when(conditions) := {"about": "any", "when": conditions}

condition(op, value) := {"name": "x", "path": ["request", "resource", "attributes", "x"], "op": op, "value": value}

x(value) := given.request("read", "note", {"x": value}, {})

test_a_matcher_is_true_false_or_unknown[name] if {
	some name, case in {
		"in, the value": {"op": "in", "value": ["a"], "x": "a", "truth": yes},
		"in, one of several": {"op": "in", "value": ["a", "b"], "x": "b", "truth": yes},
		"in, another": {"op": "in", "value": ["a", "b"], "x": "c", "truth": no},
		"in, other case": {"op": "in", "value": ["a"], "x": "A", "truth": no},
		"in, a list with one of it": {"op": "in", "value": ["a", "b"], "x": ["c", "b"], "truth": yes},
		"in, a list with none of it": {"op": "in", "value": ["a", "b"], "x": ["c", "d"], "truth": no},
		"in, an empty list": {"op": "in", "value": ["a"], "x": [], "truth": no},
		"in, false": {"op": "in", "value": [false], "x": false, "truth": yes},
		"in, false isn't unknown": {"op": "in", "value": [true], "x": false, "truth": no},
		"in, a number": {"op": "in", "value": [0], "x": 0, "truth": yes},
		"in, a number in words": {"op": "in", "value": [0], "x": "0", "truth": no},
		"in, unknown": {"op": "in", "value": ["a"], "x": null, "truth": unknown({"x"})},
		"in, unknown even of false": {"op": "in", "value": [false], "x": null, "truth": unknown({"x"})},
		"not, another": {"op": "not_in", "value": ["a", "b"], "x": "c", "truth": yes},
		"not, the value": {"op": "not_in", "value": ["a"], "x": "a", "truth": no},
		"not, one of several": {"op": "not_in", "value": ["a", "b"], "x": "b", "truth": no},
		"not, a list with none of it": {"op": "not_in", "value": ["a", "b"], "x": ["c", "d"], "truth": yes},
		"not, a list with one of it": {"op": "not_in", "value": ["a", "b"], "x": ["c", "b"], "truth": no},
		"not, an empty list": {"op": "not_in", "value": ["a"], "x": [], "truth": yes},
		"not, false": {"op": "not_in", "value": [false], "x": false, "truth": no},
		"not, unknown": {"op": "not_in", "value": ["a"], "x": null, "truth": unknown({"x"})},
		"at most, less": {"op": "at_most", "value": 10, "x": 9.5, "truth": yes},
		"at most, the same": {"op": "at_most", "value": 10, "x": 10, "truth": yes},
		"at most, more": {"op": "at_most", "value": 10, "x": 10.5, "truth": no},
		"at most, below zero": {"op": "at_most", "value": 0, "x": -1, "truth": yes},
		"at most, one of a list": {"op": "at_most", "value": 10, "x": [11, 9], "truth": yes},
		"at most, none of a list": {"op": "at_most", "value": 10, "x": [11, 12], "truth": no},
		"at most, a text": {"op": "at_most", "value": 10, "x": "9", "truth": no},
		"at most, true": {"op": "at_most", "value": 10, "x": true, "truth": no},
		"at most, unknown": {"op": "at_most", "value": 10, "x": null, "truth": unknown({"x"})},
		"at least, more": {"op": "at_least", "value": 10, "x": 10.5, "truth": yes},
		"at least, the same": {"op": "at_least", "value": 10, "x": 10, "truth": yes},
		"at least, less": {"op": "at_least", "value": 10, "x": 9.5, "truth": no},
		"at least, one of a list": {"op": "at_least", "value": 10, "x": [9, 11], "truth": yes},
		"at least, a text": {"op": "at_least", "value": 10, "x": "11", "truth": no},
		"at least, unknown": {"op": "at_least", "value": 10, "x": null, "truth": unknown({"x"})},
		"prefix, the beginning": {"op": "prefix", "value": ["a/"], "x": "a/b", "truth": yes},
		"prefix, the whole": {"op": "prefix", "value": ["a/"], "x": "a/", "truth": yes},
		"prefix, one of several": {"op": "prefix", "value": ["a/", "b/"], "x": "b/c", "truth": yes},
		"prefix, shorter": {"op": "prefix", "value": ["a/b"], "x": "a/", "truth": no},
		"prefix, in the middle": {"op": "prefix", "value": ["a/"], "x": "b/a/", "truth": no},
		"prefix, other case": {"op": "prefix", "value": ["a/"], "x": "A/b", "truth": no},
		"prefix, behind a line break": {"op": "prefix", "value": ["a/"], "x": "\na/b", "truth": no},
		"prefix, one of a list": {"op": "prefix", "value": ["a/"], "x": ["b/c", "a/b"], "truth": yes},
		"prefix, none of a list": {"op": "prefix", "value": ["a/"], "x": ["b/c"], "truth": no},
		"prefix, a number": {"op": "prefix", "value": ["1"], "x": 12, "truth": no},
		"prefix, unknown": {"op": "prefix", "value": ["a/"], "x": null, "truth": unknown({"x"})},
	}
	got := truth(when([condition(case.op, case.value)]), x(case.x))
	got == case.truth
}

same_as := condition("same_as", ["request", "arguments", "y"])

test_two_places_hold_the_same[name] if {
	some name, case in {
		"the same": {"x": "a", "y": "a", "truth": yes},
		"another": {"x": "a", "y": "b", "truth": no},
		"other case": {"x": "a", "y": "A", "truth": no},
		"one in a list": {"x": "a", "y": ["b", "a"], "truth": yes},
		"a list with one": {"x": ["b", "a"], "y": "a", "truth": yes},
		"lists that share one": {"x": ["a", "b"], "y": ["c", "b"], "truth": yes},
		"lists that share none": {"x": ["a", "b"], "y": ["c", "d"], "truth": no},
		"an empty list": {"x": [], "y": ["c"], "truth": no},
		"empty lists": {"x": [], "y": [], "truth": no},
		"false and false": {"x": false, "y": false, "truth": yes},
		"unknown and known": {"x": null, "y": "a", "truth": unknown({"x"})},
		"known and unknown": {"x": "a", "y": null, "truth": unknown({"x"})},
		"unknown and unknown": {"x": null, "y": null, "truth": unknown({"x"})},
		"an empty list and unknown": {"x": [], "y": null, "truth": unknown({"x"})},
	}
	got := truth(when([same_as]), given.request("read", "note", {"x": case.x}, {"y": case.y}))
	got == case.truth
}

test_a_place_that_is_missing_is_unknown[name] if {
	some name, path in {
		"no such attribute": ["request", "resource", "attributes", "z"],
		"no such role": ["request", "related", "payment", "attributes", "customer"],
		"beneath a null": ["request", "resource", "attributes", "x", "deeper"],
	}
	every op in ["in", "not_in"] {
		truth(when([{"name": "z", "path": path, "op": op, "value": ["a"]}]), x(null)) == unknown({"z"})
	}
}

test_places_other_than_the_resource_are_read[name] if {
	some name, case in {
		"the task": {"path": ["facts", "task", "attributes", "topic"], "change": given.task({"topic": "billing"})},
		"the agent": {"path": ["facts", "agent", "attributes", "tier"], "change": given.agent({"tier": "billing"})},
		"the id": {"path": ["request", "resource", "id"], "change": given.id("billing")},
		"an object's field": {
			"path": ["request", "resource", "attributes", "a", "b"],
			"change": given.attributes({"a": {"b": "billing"}}),
		},
		"a role's id": {
			"path": ["request", "related", "pay_from", "id"],
			"change": given.related("pay_from", "payment_method", "billing", {}),
		},
		"a role's attribute": {
			"path": ["request", "related", "pay_from", "attributes", "for"],
			"change": given.related("pay_from", "payment_method", "pm_1", {"for": "billing"}),
		},
	}
	asked := object.union(x(null), case.change)
	truth(when([{"name": "z", "path": case.path, "op": "in", "value": ["billing"]}]), asked) == yes
	truth(when([{"name": "z", "path": case.path, "op": "in", "value": ["delivery"]}]), asked) == no
}

test_conditions_hold_together[name] if {
	some name, case in {
		"none": {"when": [], "truth": yes},
		"true and true": {"when": [a("in"), a("at_least")], "truth": yes},
		"true and false": {"when": [a("in"), a("not_in")], "truth": no},
		"true and unknown": {"when": [a("in"), b], "truth": unknown({"b"})},
		"unknown and true": {"when": [b, a("in")], "truth": unknown({"b"})},
		"unknown and unknown": {"when": [b, c], "truth": unknown({"b", "c"})},
	}
	got := truth(when(case.when), given.request("read", "note", {"a": 1, "b": null, "c": null}, {}))
	got == case.truth
}

test_one_false_rules_out[name] if {
	some name, conditions in {"false and unknown": [a("not_in"), b], "unknown and false": [b, a("not_in")]}
	got := truth(when(conditions), given.request("read", "note", {"a": 1, "b": null}, {}))
	got == no
}

a("in") := {"name": "a", "path": ["request", "resource", "attributes", "a"], "op": "in", "value": [1]}

a("not_in") := {"name": "a", "path": ["request", "resource", "attributes", "a"], "op": "not_in", "value": [1]}

a("at_least") := {"name": "a", "path": ["request", "resource", "attributes", "a"], "op": "at_least", "value": 1}

b := {"name": "b", "path": ["request", "resource", "attributes", "b"], "op": "in", "value": [1]}

c := {"name": "c", "path": ["request", "resource", "attributes", "c"], "op": "not_in", "value": [1]}

about(word) := {"about": word, "when": []}

on_task(subjects, ticket, customer) := object.union(
	given.request("read", "note", {"ticket": ticket, "customer": customer}, {}),
	given.subjects(subjects),
)

# Each row says the truth of `task`; that of `other` is its opposite, and unknown where it is.
test_what_the_task_is_about[name] if {
	some name, case in {
		"both agree": {"task": {"ticket": ["t"], "customer": ["ada"]}, "ticket": "t", "customer": "ada", "truth": yes},
		"one agrees, one differs": {"task": {"ticket": ["t"], "customer": ["ada"]}, "ticket": "t", "customer": "bob", "truth": no},
		"both differ": {"task": {"ticket": ["t"], "customer": ["ada"]}, "ticket": "u", "customer": "bob", "truth": no},
		"other case": {"task": {"ticket": ["t"], "customer": ["ada"]}, "ticket": "t", "customer": "Ada", "truth": no},
		"one of two": {"task": {"ticket": ["t"], "customer": ["bob", "ada"]}, "ticket": "t", "customer": "ada", "truth": yes},
		"none of two": {"task": {"ticket": ["t"], "customer": ["bob", "eve"]}, "ticket": "t", "customer": "ada", "truth": no},
		"one agrees, one unknown": {
			"task": {"ticket": ["t"], "customer": ["ada"]}, "ticket": "t", "customer": null,
			"truth": unknown({"customer"}),
		},
		"one differs, one unknown": {"task": {"ticket": ["t"], "customer": ["ada"]}, "ticket": "u", "customer": null, "truth": no},
		"both unknown": {
			"task": {"ticket": ["t"], "customer": ["ada"]}, "ticket": null, "customer": null,
			"truth": unknown({"ticket", "customer"}),
		},
		"one subject, which agrees": {"task": {"ticket": null, "customer": ["ada"]}, "ticket": "u", "customer": "ada", "truth": yes},
		"one subject, which differs": {"task": {"ticket": null, "customer": ["ada"]}, "ticket": "t", "customer": "bob", "truth": no},
		"one subject, which is unknown": {
			"task": {"ticket": null, "customer": ["ada"]}, "ticket": "t", "customer": null,
			"truth": unknown({"customer"}),
		},
		"no subject": {"task": {"ticket": null, "customer": null}, "ticket": "t", "customer": "ada", "truth": unknown({"task"})},
		"no subject, nothing known": {"task": {"ticket": null, "customer": null}, "ticket": null, "customer": null, "truth": unknown({"task"})},
		"subjects without ids": {"task": {"ticket": [], "customer": []}, "ticket": "t", "customer": "ada", "truth": unknown({"task"})},
		"one without ids": {"task": {"ticket": [], "customer": ["ada"]}, "ticket": "t", "customer": "ada", "truth": yes},
		"subjects left out": {"task": {}, "ticket": "t", "customer": "ada", "truth": unknown({"task"})},
		"only others": {"task": {"project": ["p"]}, "ticket": "t", "customer": "ada", "truth": unknown({"task"})},
	}
	asked := on_task(case.task, case.ticket, case.customer)
	truth(about("task"), asked) == case.truth
	truth(about("other"), asked) == opposite(case.truth)
	truth(about("any"), asked) == yes
}

opposite(of) := object.union(of, {"holds": of.fails, "fails": of.holds})

test_an_attribute_that_is_missing_is_unknown if {
	asked := object.union(given.request("read", "note", {}, {}), given.subjects({"customer": ["ada"]}))
	truth(about("task"), asked) == unknown({"customer"})
}

test_a_type_says_by_its_id_what_it_is[name] if {
	some name, case in {
		"this ticket": {"id": "t", "truth": yes},
		"another ticket": {"id": "u", "truth": no},
		"no ticket": {"id": null, "truth": unknown({"id"})},
	}
	base := object.union(given.request("read", "ticket", {"customer": "ada"}, {}), given.id(case.id))
	got := truth(about("task"), object.union(base, given.subjects({"ticket": ["t"], "customer": ["ada"]})))
	got == case.truth
}

test_a_type_that_has_nothing_to_do_with_tasks_is_unknown[type] if {
	some type in ["product", "bare", "of_no_vocabulary"]
	asked := object.union(given.request("read", type, {"customer": "ada"}, {}), given.subjects({"customer": ["ada"]}))
	truth(about("task"), asked) == unknown({"task"})
	truth(about("other"), asked) == unknown({"task"})
	truth(about("any"), asked) == yes
}

test_about_and_when_hold_together[name] if {
	some name, case in {
		"true and true": {"about": "task", "x": 1, "truth": yes},
		"true and unknown": {"about": "task", "x": null, "truth": unknown({"x"})},
	}
	entry := {"about": case.about, "when": [condition("in", [1])]}
	got := truth(entry, object.union(on_task({"customer": ["ada"]}, "t", "ada"), given.attributes({"x": case.x})))
	got == case.truth
}

test_about_or_when_rules_out[name] if {
	some name, case in {
		"true and false": {"about": "task", "x": 2},
		"false and true": {"about": "other", "x": 1},
		"false and unknown": {"about": "other", "x": null},
		"false and false": {"about": "other", "x": 2},
	}
	entry := {"about": case.about, "when": [condition("in", [1])]}
	got := truth(entry, object.union(on_task({"customer": ["ada"]}, "t", "ada"), given.attributes({"x": case.x})))
	got == no
}

# What a later builder might write, or a damaged bundle hold, must not let anything through.
test_an_entry_that_is_not_understood_never_applies[name] if {
	some name, entry in {
		"an unknown matcher": when([condition("resembles", ["a"])]),
		"an unknown relation": about("resembling"),
		"no relation": {"when": []},
		"no conditions": {"about": "any"},
	}
	got := truth(entry, x("a"))
	got.holds == false
}

composite(op, of) := when([{"name": "x", "path": [], "op": op, "of": of}])

leaf(op, value) := {"name": "x", "path": ["request", "resource", "attributes", "x"], "op": op, "value": value}

# Each with what it comes to for 1, for 9, and for an unknown.
test_a_composite_is_true_false_or_unknown[name] if {
	some name, case in {
		"all": {"entry": composite("all", [leaf("at_most", 5), leaf("at_least", 1)]), "truths": [yes, no, unknown({"x"})]},
		"not": {"entry": composite("not", [leaf("at_most", 5)]), "truths": [no, yes, unknown({"x"})]},
		"any": {"entry": composite("any", [[leaf("at_most", 5)], [leaf("in", [8])]]), "truths": [yes, no, unknown({"x"})]},
		"any, with a known one": {"entry": composite("any", [[leaf("at_most", 5)], [leaf("known", false)]]), "truths": [yes, no, yes]},
		"known": {"entry": composite("all", [leaf("known", true)]), "truths": [yes, yes, no]},
	}
	[truth(case.entry, x(value)) | some value in [1, 9, null]] == case.truths
}

test_elements_of_a_list_are_judged_one_by_one[name] if {
	ok := {"name": "ok", "path": ["item", "ok"], "op": "in", "value": [true]}
	some name, case in {
		"all of them": {"list": [{"ok": true}, {"ok": true}], "every": yes, "some": yes},
		"one of them": {"list": [{"ok": true}, {"ok": false}], "every": no, "some": yes},
		"one, and an unknown": {"list": [{"ok": true}, {"ok": null}], "every": unknown({"x"}), "some": yes},
		"an unknown, and one that isn't": {"list": [{"ok": null}, {"ok": false}], "every": no, "some": unknown({"x"})},
		"none": {"list": [], "every": yes, "some": no},
		"nobody knows": {"list": null, "every": unknown({"x"}), "some": unknown({"x"})},
	}
	every op in ["every", "some"] {
		list := {"name": "x", "path": ["request", "resource", "attributes", "x"], "op": op, "of": [ok]}
		truth(composite("all", [list]), x(case.list)) == case[op]
	}
}
