package remit.flow_test

import data.remit.flow
import data.remit.given

words := {"verbs": {"send": {"class": "send"}, "read": {"class": "read"}}}

standard := {"flow": {"delegated": "wait", "nowhere": "deny", "authority": []}}

known(effect, others, arguments) := {"facts": {"flow": {
	"effect": effect,
	"complete": true,
	"instructed": true,
	"others": others,
	"full": [],
	"labels": [],
	"limits": {},
	"arguments": arguments,
}}}

value(role, writer) := {
	"role": role,
	"kind": "email",
	"writer": writer,
	"introduced": writer,
	"inside": false,
	"excluded": false,
	"secret": false,
	"sources": [],
}

named(alone) := {"sources": [{"writer": "anyone", "record": "d", "path": "", "named": true, "alone": alone}]}

asked(verb, change) := object.union(given.request(verb, "mail", {}, {}), change)

reasons(purpose, request) := found if {
	found := flow.reasons(purpose) with input as request with data.vocabulary as words
}

then(effect, one) := {object.get({"deny": "deny", "flag": "wait"}, reason.effect, "?") |
	some reason in reasons(standard, asked("send", known(effect, true, {"to": one})))
}

with_plan(fits, arguments) := object.union(
	known("add", true, {"to": value("destination", "anyone")}),
	{"facts": {"flow": {"plan": {"fits": fits, "step": null, "arguments": arguments}}}},
)

with_bare(bare) := object.union(
	known("commit", true, {}),
	{"facts": {"flow": {"plan": {"fits": true, "step": null, "arguments": {}, "bare": bare}}}},
)

with_times(used, adds) := object.union(
	with_plan(true, {}),
	{"facts": {"flow": {"plan": {"times": {"call": 0, "used": used, "adds": adds, "max": 2}}}}},
)

planned(change) := given.codes(found) if {
	found := flow.planned with input as asked("send", change)
}

test_a_plan_denies_what_it_doesnt_have_or_takes_from_elsewhere[name] if {
	some name, case in {
		"no plan": {"with": known("add", true, {}), "codes": set()},
		"nobody watches": {"with": {}, "codes": set()},
		"another call": {"with": with_plan(false, {}), "codes": {"outside_plan"}},
		"planned": {"with": with_plan(true, {"to": "planned"}), "codes": set()},
		"elsewhere": {"with": with_plan(true, {"to": "planned", "body#1": "elsewhere"}), "codes": {"not_as_planned"}},
		"unknown": {"with": with_plan(true, {"to": "unknown"}), "codes": {"flow_unknown"}},
		"several": {"with": with_plan(true, {"to": "several"}), "codes": {"plan_waits"}},
		"once more": {"with": with_times(1, 1), "codes": set()},
		"used up": {"with": with_times(2, 1), "codes": {"plan_used_up"}},
		"unknown how often": {"with": with_times(0, null), "codes": {"flow_unknown"}},
	}
	planned(case["with"]) == case.codes
}

test_what_names_nothing_waits_unless_a_plan_has_it_so if {
	given.codes(reasons(standard, asked("pay", with_bare(false)))) == {"flow_waits"}
	reasons(standard, asked("pay", with_bare(true))) == []
	given.codes(reasons(standard, asked("pay", known("commit", true, {})))) == {"flow_waits"}
}

test_the_set_asks_nothing_of_what_is_certainly_planned if {
	reasons(standard, asked("send", with_plan(true, {"to": "planned"}))) == []
	given.codes(reasons(standard, asked("send", with_plan(true, {"to": "several"})))) == {"flow_denied"}
	given.codes(reasons(standard, asked("send", with_plan(true, {"body#1": "planned"})))) == {"flow_denied"}
}

test_what_the_user_excludes_is_denied_though_it_is_planned if {
	to := object.union(value("destination", "anyone"), {"excluded": true})
	excluded := object.union(with_plan(true, {"to": "planned"}), {"facts": {"flow": {"arguments": {"to": to}}}})
	given.codes(reasons(standard, asked("send", excluded))) == {"flow_denied"}
}

test_nothing_follows_where_a_purpose_takes_no_set if {
	reasons({}, asked("send", {})) == []
	reasons({}, asked("send", known("add", true, {"to": value("destination", "anyone")}))) == []
}

test_unknown_is_refused_unless_it_only_looks if {
	given.codes(reasons(standard, asked("send", {}))) == {"flow_unknown"}
	reasons(standard, asked("read", {})) == []
}

looks(then) := {"flow": object.union(standard.flow, {"looks": then})}

test_a_look_goes_on_unless_the_purpose_asks_where_it_comes_from[name] if {
	some name, case in {
		"nobody asks": {"purpose": standard, "writer": "anyone", "codes": set()},
		"user": {"purpose": looks("deny"), "writer": "user", "codes": set()},
		"own": {"purpose": looks("deny"), "writer": "own", "codes": set()},
		"service": {"purpose": looks("deny"), "writer": "service", "codes": set()},
		"member": {"purpose": looks("deny"), "writer": "member", "codes": set()},
		"anyone": {"purpose": looks("deny"), "writer": "anyone", "codes": {"flow_denied"}},
		"nowhere": {"purpose": looks("deny"), "writer": "nowhere", "codes": {"flow_denied"}},
		"unknown": {"purpose": looks("deny"), "writer": "unknown", "codes": {"flow_denied"}},
		"waits": {"purpose": looks("wait"), "writer": "anyone", "codes": {"flow_waits"}},
		"is looked at later": {"purpose": looks("flag"), "writer": "anyone", "codes": {"flow_flagged"}},
	}
	given.codes(reasons(case.purpose, asked("read", known("look", true, {"id": value("locator", case.writer)})))) == case.codes
}

test_a_look_that_is_asked_about_goes_on_where[name] if {
	some name, request in {
		"nothing of others' was read": known("look", false, {"id": value("locator", "anyone")}),
		"the instruction names the source": known("look", true, {"id": object.union(value("locator", "anyone"), named(true))}),
		"a plan has it": object.union(
			known("look", true, {"id": value("locator", "anyone")}),
			{"facts": {"flow": {"plan": {"fits": true, "step": null, "arguments": {"id": "planned"}}}}},
		),
		"it is a text": known("look", true, {"query": value("content", "anyone")}),
	}
	reasons(looks("deny"), asked("read", request)) == []
}

test_a_look_that_is_asked_about_is_refused_where[name] if {
	excluded := object.union(value("locator", "user"), {"excluded": true})
	some name, case in {
		"the user excludes it": {"request": known("look", true, {"id": excluded}), "codes": {"flow_denied"}},
		"it stands beside others in the named source": {
			"request": known("look", true, {"id": object.union(value("locator", "anyone"), named(false))}),
			"codes": {"flow_denied"},
		},
		"nobody knows": {"request": {}, "codes": {"flow_unknown"}},
		"it is fetched": {"request": known("fetch", true, {"id": value("locator", "anyone")}), "codes": {"flow_denied"}},
		"nobody says what it does": {"request": known(null, true, {"id": value("locator", "anyone")}), "codes": {"flow_denied"}},
	}
	given.codes(reasons(looks("deny"), asked("read", case.request))) == case.codes
}

test_a_look_of_which_nobody_knows_goes_as_its_purpose_has_it[then] if {
	some then, goes in {"flag": true, "wait": false}
	some reason in reasons(looks(then), asked("read", {}))
	reason.effect == "flag"
	reason.proceed == goes
	reason.code == "flow_unknown"
}

test_what_follows_from_writer_and_role[name] if {
	some name, case in {
		"destination, user": {"role": "destination", "writer": "user", "then": set()},
		"destination, own": {"role": "destination", "writer": "own", "then": set()},
		"destination, service": {"role": "destination", "writer": "service", "then": set()},
		"destination, member": {"role": "destination", "writer": "member", "then": {"wait"}},
		"destination, anyone": {"role": "destination", "writer": "anyone", "then": {"deny"}},
		"destination, nowhere": {"role": "destination", "writer": "nowhere", "then": {"deny"}},
		"destination, unknown": {"role": "destination", "writer": "unknown", "then": {"deny"}},
		"commitment, service": {"role": "commitment", "writer": "service", "then": set()},
		"commitment, member": {"role": "commitment", "writer": "member", "then": {"wait"}},
		"commitment, anyone": {"role": "commitment", "writer": "anyone", "then": {"deny"}},
		"commitment, nowhere": {"role": "commitment", "writer": "nowhere", "then": {"wait"}},
		"commitment, unknown": {"role": "commitment", "writer": "unknown", "then": {"deny"}},
		"authority, own": {"role": "authority", "writer": "own", "then": set()},
		"authority, service": {"role": "authority", "writer": "service", "then": {"deny"}},
		"authority, anyone": {"role": "authority", "writer": "anyone", "then": {"deny"}},
		"locator, service": {"role": "locator", "writer": "service", "then": set()},
		"locator, anyone": {"role": "locator", "writer": "anyone", "then": set()},
		"locator, nowhere": {"role": "locator", "writer": "nowhere", "then": {"deny"}},
		"content, anyone": {"role": "content", "writer": "anyone", "then": set()},
		"a role of a later version": {"role": "other", "writer": "service", "then": {"deny"}},
	}
	then("add", value(case.role, case.writer)) == case.then
}

test_a_stranger_says_which_thing_to_change_only_to_a_person if {
	then("alter", value("locator", "anyone")) == {"wait"}
	then("fetch", value("locator", "anyone")) == set()
}

test_a_thing_is_taken_away_where_the_instruction_names_it if {
	then("destroy", value("locator", "service")) == {"wait"}
	then("destroy", object.union(value("locator", "service"), named(false))) == set()
	then("destroy", value("locator", "own")) == {"wait"}
	then("destroy", value("destination", "own")) == set()
	then("destroy", value("locator", "user")) == set()
	then("alter", value("locator", "service")) == set()
}

test_a_thing_binds_the_user_where_the_instruction_names_it if {
	then("commit", value("locator", "service")) == {"wait"}
	then("commit", value("locator", "member")) == {"wait"}
	then("commit", object.union(value("locator", "service"), named(false))) == set()
	then("commit", value("locator", "own")) == set()
	then("commit", value("locator", "user")) == set()
	then("commit", value("commitment", "service")) == set()
}

test_a_destination_in_a_text_that_the_instruction_names_is_delegated if {
	then("add", object.union(value("destination", "anyone"), named(true))) == {"wait"}
	then("add", object.union(value("destination", "anyone"), named(false))) == {"deny"}
	then("add", object.union(value("commitment", "anyone"), named(true))) == {"wait"}
	then("add", object.union(value("authority", "anyone"), named(true))) == {"deny"}
	request := asked("send", known("add", true, {"to": object.union(value("destination", "anyone"), named(true))}))
	reasons(object.union(standard, {"flow": {"delegated": "allow"}}), request) == []
}

errand(most, effect, arguments) := object.union(known(effect, true, arguments), {"facts": {"flow": {"errand": most}}})

test_whoever_asks_only_to_look_asked_for_nothing_else[name] if {
	mine := {"to": value("destination", "user")}
	some name, case in {
		"the user's own address": {"errand": "look", "effect": "add", "arguments": mine, "codes": {"flow_not_asked"}},
		"nothing to look at": {"errand": "look", "effect": "alter", "arguments": {}, "codes": {"flow_not_asked"}},
		"of unknown effect": {"errand": "look", "effect": null, "arguments": mine, "codes": {"flow_not_asked"}},
		"settings": {"errand": "look", "effect": "settings", "arguments": {}, "codes": {"flow_not_asked"}},
		"papers of the user's": {"errand": "look", "effect": "keep", "arguments": {}, "codes": {"flow_not_asked"}},
		"a page": {"errand": "look", "effect": "fetch", "arguments": mine, "codes": set()},
		"changes were asked for": {"errand": "change", "effect": "add", "arguments": mine, "codes": set()},
	}
	given.codes(reasons(standard, asked("send", errand(case.errand, case.effect, case.arguments)))) == case.codes
}

test_before_others_wrote_whoever_asks_only_to_look_may_still_mean_more if {
	request := object.union(errand("look", "add", {"to": value("destination", "nowhere")}), {"facts": {"flow": {"others": false}}})
	reasons(standard, asked("send", request)) == []
}

test_a_plan_says_more_than_words_that_only_look if {
	request := object.union(with_plan(true, {"to": "planned"}), {"facts": {"flow": {"errand": "look"}}})
	reasons(standard, asked("send", request)) == []
}

test_a_verb_that_reads_is_looking_whatever_its_effect if {
	reasons(standard, asked("read", errand("look", null, {"to": value("destination", "user")}))) == []
}

test_an_instruction_delegates_no_more_than_it_asks_for[name] if {
	delegated := {"to": object.union(value("destination", "anyone"), named(true))}
	some name, case in {
		"a letter of a change, and a payment": {"errand": "change", "effect": "commit", "codes": {"flow_denied"}},
		"a letter of a change, and a mail": {"errand": "change", "effect": "add", "codes": {"flow_denied"}},
		"a letter of a change, and the change": {"errand": "change", "effect": "alter", "codes": {"flow_waits"}},
		"a look, and a paper that invites": {"errand": "look", "effect": "keep", "codes": {"flow_not_asked"}},
		"a look, and a page": {"errand": "look", "effect": "fetch", "codes": {"flow_waits"}},
	}
	given.codes(reasons(standard, asked("send", errand(case.errand, case.effect, delegated)))) == case.codes
}

test_whoever_says_an_address_delegates_no_other_of_its_kind[name] if {
	some name, case in {
		"an address, and a letter's address": {"said": ["email"], "kind": "email", "role": "destination", "codes": {"flow_denied"}},
		"a link, and a letter's address": {"said": ["url"], "kind": "email", "role": "destination", "codes": {"flow_waits"}},
		"an address and a link, and a letter's link": {"said": ["email", "url"], "kind": "url", "role": "destination", "codes": {"flow_denied"}},
		"a number, and what a letter says to pay": {"said": ["phone"], "kind": "number", "role": "commitment", "codes": {"flow_waits"}},
	}
	one := object.union_n([value(case.role, "anyone"), named(true), {"kind": case.kind}])
	request := object.union(known("add", true, {"to": one}), {"facts": {"flow": {"said": case.said}}})
	given.codes(reasons(standard, asked("send", request))) == case.codes
}

test_a_member_goes_on_inside if {
	then("add", object.union(value("destination", "member"), {"inside": true})) == set()
}

test_a_purpose_says_more[name] if {
	some name, case in {
		"nowhere": {"flow": {"nowhere": "wait"}, "value": value("destination", "nowhere"), "codes": {"flow_waits"}},
		"authority": {"flow": {"authority": ["service"]}, "value": value("authority", "service"), "codes": set()},
	}
	request := asked("send", known("settings", true, {"to": case.value}))
	given.codes(reasons(object.union(standard, {"flow": case.flow}), request)) == case.codes
}

test_before_others_wrote_nothing_but_the_user_led_to_it if {
	reasons(standard, asked("send", known("add", false, {"to": value("destination", "nowhere")}))) == []
	given.codes(reasons(standard, asked("send", known("add", null, {"to": value("destination", "nowhere")})))) == {"flow_denied"}
}

test_what_the_user_excludes_is_refused_at_any_time if {
	excluded := object.union(value("destination", "service"), {"excluded": true})
	given.codes(reasons(standard, asked("send", known("add", false, {"to": excluded})))) == {"flow_denied"}
}

test_a_secret_goes_nowhere if {
	secret := object.union(value("content", "user"), {"secret": true})
	given.codes(reasons(standard, asked("send", known("add", false, {"body": secret})))) == {"flow_secret"}
	reasons(standard, asked("read", known("look", true, {"body": secret}))) == []
}

test_what_binds_and_names_nothing_waits if {
	given.codes(reasons(standard, asked("send", known("commit", true, {})))) == {"flow_waits"}
	given.codes(reasons(standard, asked("send", known("alter", true, {})))) == {"flow_waits"}
	reasons(standard, asked("send", known("add", true, {}))) == []
}

test_looking_is_free if {
	reasons(standard, asked("read", known("look", true, {"to": value("destination", "anyone")}))) == []
}

limited := {"limited": {"mail": {"send": [{"effect": "deny", "code": "too_many", "severity": "medium", "params": {}}]}}}

test_a_limit_is_fitted_or_refuses[name] if {
	some name, case in {
		"it fits": {"limits": {"too_many": {"used": 4, "adds": 1, "max": 5}}, "codes": set()},
		"it doesn't": {"limits": {"too_many": {"used": 5, "adds": 1, "max": 5}}, "codes": {"too_many"}},
		"nobody knows what it adds": {"limits": {"too_many": {"used": 0, "adds": null, "max": 5}}, "codes": {"too_many"}},
		"nobody counted": {"limits": {}, "codes": {"too_many"}},
	}
	request := asked("send", {"facts": {"flow": {"limits": case.limits}}})
	found := flow.limits(limited) with input as request
	given.codes(found) == case.codes
}

test_a_limit_that_nobody_counts_refuses if {
	found := flow.limits(limited) with input as asked("send", {})
	given.codes(found) == {"too_many"}
	other := flow.limits(limited) with input as asked("read", {})
	other == []
	none := flow.limits({}) with input as asked("send", {})
	none == []
}

accepts(op, change) := object.union(object.remove(base, object.keys(change)), change) if {
	base := {"name": "from", "path": [], "op": op, "of": {"*": ["user", "own"]}}
}

sourced(condition, arguments) := found if {
	found := flow.sourced(condition) with input as asked("send", known("add", true, arguments))
}

test_values_are_of_whom_an_entry_accepts[name] if {
	delegation := {"delegated": {"named": true, "alone": true}}
	delegated := object.union(value("destination", "anyone"), named(true))
	amid := object.union(value("destination", "anyone"), named(false))
	some name, case in {
		"accepted": {"change": {}, "arguments": {"to": value("destination", "user")}, "from": true, "delegated": false},
		"a stranger's": {"change": {}, "arguments": {"to": value("destination", "anyone")}, "from": false, "delegated": false},
		"unknown": {"change": {}, "arguments": {"to": value("destination", "unknown")}, "from": null, "delegated": false},
		"none": {"change": {}, "arguments": {}, "from": null, "delegated": false},
		"words alone": {"change": {}, "arguments": {"body": value("content", "nowhere")}, "from": null, "delegated": false},
		"named, and not delegated": {"change": {}, "arguments": {"to": delegated}, "from": false, "delegated": false},
		"delegated": {"change": delegation, "arguments": {"to/0": delegated}, "from": true, "delegated": true},
		"delegated amid others": {"change": delegation, "arguments": {"to/0": amid}, "from": false, "delegated": false},
		"delegated beside the unknown": {
			"change": delegation,
			"arguments": {"to/0": delegated, "to/1": value("destination", "unknown")},
			"from": null,
			"delegated": false,
		},
		"excluded": {
			"change": {},
			"arguments": {"to": object.union(value("destination", "user"), {"excluded": true})},
			"from": false,
			"delegated": false,
		},
		"of an argument that isn't asked for": {
			"change": {"of": {"to": ["user"]}},
			"arguments": {"to": value("destination", "user"), "cc#1": value("destination", "anyone")},
			"from": true,
			"delegated": false,
		},
		"too many to be shown": {
			"change": {"of": {"to": ["user"]}},
			"arguments": {"to": value("destination", "user"), "more": value("destination", "unknown")},
			"from": null,
			"delegated": false,
		},
	}
	every op in ["from", "delegated"] {
		sourced(accepts(op, case.change), case.arguments) == case[op]
	}
}

test_an_entry_takes_nothing_for_delegated_that_was_not_asked_for if {
	condition := accepts("from", {"delegated": {"named": true, "alone": true}})
	arguments := {"to": object.union(value("destination", "anyone"), named(true))}
	unread := flow.sourced(condition) with input as asked("send", known("add", true, arguments))
	unread == true
	narrow := flow.sourced(condition) with input as asked("send", errand("change", "add", arguments))
	narrow == false
}

test_where_nothing_is_known_nothing_is_accepted if {
	unknown := flow.sourced(accepts("from", {})) with input as asked("send", {})
	unknown == null
	delegated := flow.sourced(accepts("delegated", {})) with input as asked("send", {})
	delegated == false
}

test_a_verb_whose_effect_nobody_has_said_is_judged_as_the_gravest if {
	given.codes(reasons(standard, asked("send", known(null, true, {})))) == {"flow_waits"}
	given.codes(reasons(standard, asked("read", known(null, true, {})))) == set()
	then(null, value("locator", "anyone")) == {"wait"}
	then(null, value("locator", "service")) == {"wait"}
	then(null, value("locator", "own")) == {"wait"}
	then(null, value("destination", "anyone")) == {"deny"}
	given.codes(reasons(standard, asked("read", known(null, true, {"id": value("locator", "anyone")})))) == set()
	given.codes(reasons(standard, asked("send", known(null, false, {})))) == set()
}
