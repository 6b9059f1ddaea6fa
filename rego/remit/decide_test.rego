package remit.decide_test

import data.remit
import data.remit.given

# Entries say by their name in which state their one condition is: `yes` holds, `no` doesn't, `unknown` is unknown.
attributes := {"yes": "x", "no": "y", "unknown": null}

asked := object.union(given.request("read", "note", attributes, {}), given.time(0))

decided(case) := answer if {
	answer := remit.decide with input as object.union(asked, object.get(case, "change", {}))
		with data.purposes as {"purpose": purpose(case)}
		with data.rules as {"purpose": object.get(case, "rules", {})}
		with data.vocabulary.types as {"note": {"about": {"customer": "customer"}}}
		with data.zones as {"UTC": {"first": 0, "weeks": [[[0, 86400000, -259200000]]]}}
}

purpose(case) := {
	"hours": object.get(case, "hours", null),
	"allow": entries(object.get(case, "allow", [])),
	"flag": entries(object.get(case, "flag", [])),
	"never": entries(object.get(case, "never", [])),
}

entries([]) := {}

entries(list) := {"note": {"read": list}} if count(list) > 0

on(state) := [{"name": state, "path": ["request", "resource", "attributes", state], "op": "in", "value": ["x"]}]

allow(state) := {
	"about": "any", "when": on(state), "obligations": [],
	"reason": {"effect": "allow", "code": $"allow_{state}", "severity": "info", "params": {}},
}

flag(state, proceed) := {
	"about": "any", "when": on(state), "obligations": [],
	"reason": {"effect": "flag", "code": $"flag_{state}", "severity": "medium", "params": {}, "proceed": proceed},
}

never(state) := {
	"about": "any", "when": on(state), "obligations": [],
	"reason": {"effect": "deny", "code": $"never_{state}", "severity": "high", "params": {}},
}

custom(code) := {"code": code, "severity": "low", "params": {"n": 1}}

grant(state) := {"id": "g", "exact": false, "about": "any", "when": on(state)}

exact_grant := {"id": "e", "exact": true, "about": "any", "when": []}

# It is Thursday; open on Mondays.
closed(effect) := {"zone": "UTC", "open": [[28800000, 64800000]], "outside": off_hours(effect)}

off_hours(effect) := {"effect": effect, "code": "off_hours", "severity": "low", "params": {}}

closed_flag(proceed) := object.union(closed("flag"), {"outside": {"proceed": proceed}})

always := {"zone": "UTC", "open": [[0, 604800000]], "outside": off_hours("deny")}

said(answer) := {
	"decision": answer.decision,
	"proceed": answer.proceed,
	"because": {$"{reason.effect} {reason.code}" | some reason in answer.reasons},
}

told(decision, proceed, because) := {"decision": decision, "proceed": proceed, "because": because}

test_an_allow_needs_everything_known[name] if {
	some name, case in {
		"it applies": {"allow": [allow("yes")], "said": told("allow", true, {"allow allow_yes"})},
		"it doesn't": {"allow": [allow("no")], "said": told("deny", false, {"deny not_permitted"})},
		"it is unknown": {"allow": [allow("unknown")], "said": told("deny", false, {"deny not_permitted"})},
		"one of two": {"allow": [allow("unknown"), allow("yes")], "said": told("allow", true, {"allow allow_yes"})},
		"there is none": {"said": told("deny", false, {"deny not_permitted"})},
	}
	got := said(decided(case))
	got == case.said
}

test_a_flag_goes_on_or_waits_and_waits_for_what_is_unknown[name] if {
	some name, case in {
		"it goes on": {"flag": [flag("yes", true)], "said": told("flag", true, {"flag flag_yes"})},
		"it waits": {"flag": [flag("yes", false)], "said": told("flag", false, {"flag flag_yes"})},
		"it doesn't apply": {"flag": [flag("no", true)], "said": told("deny", false, {"deny not_permitted"})},
		"it would go on, but is unknown": {"flag": [flag("unknown", true)], "said": told("flag", false, {"flag flag_unknown"})},
		"it waits anyway": {"flag": [flag("unknown", false)], "said": told("flag", false, {"flag flag_unknown"})},
		"one goes on, one waits": {
			"flag": [flag("yes", true), flag("unknown", false)],
			"said": told("flag", false, {"flag flag_yes", "flag flag_unknown"}),
		},
		"beside an allow, it goes on": {
			"allow": [allow("yes")], "flag": [flag("yes", true)],
			"said": told("flag", true, {"allow allow_yes", "flag flag_yes"}),
		},
		"beside an allow, it waits": {
			"allow": [allow("yes")], "flag": [flag("yes", false)],
			"said": told("flag", false, {"allow allow_yes", "flag flag_yes"}),
		},
		"beside an allow, it is unknown": {
			"allow": [allow("yes")], "flag": [flag("unknown", true)],
			"said": told("flag", false, {"allow allow_yes", "flag flag_unknown"}),
		},
		"beside an allow, it doesn't apply": {
			"allow": [allow("yes")], "flag": [flag("no", false)],
			"said": told("allow", true, {"allow allow_yes"}),
		},
	}
	got := said(decided(case))
	got == case.said
}

needing(entry) := object.union(entry, {"reason": {"needs": ["topic"]}})

test_a_rule_says_what_it_waits_for if {
	reason := {"code": "unclear", "severity": "low", "params": {}, "needs": ["task.topic"]}
	answer := decided({"allow": [allow("yes")], "rules": {"flag": {reason}}})
	{found.needs | some found in answer.reasons; found.code == "unclear"} == {["task.topic"]}
	not answer.proceed
}

test_a_flag_says_what_it_waits_for[name] if {
	some name, case in {
		"it would go on": {"flag": flag("unknown", true), "needs": ["unknown"]},
		"it waits anyway": {"flag": flag("unknown", false), "needs": "nothing"},
		"it applies": {"flag": flag("yes", true), "needs": "nothing"},
		"it applies, and says itself what it needs": {"flag": needing(flag("yes", false)), "needs": ["topic"]},
		"two things": {
			"flag": object.union(flag("unknown", true), {"about": "task", "when": array.concat(on("unknown"), on("yes"))}),
			"needs": ["customer", "unknown"],
		},
	}
	about_ada := object.union(given.subjects({"customer": ["ada"]}), given.attributes({"customer": null}))
	answer := decided({"flag": [case.flag], "change": about_ada})
	every reason in answer.reasons { object.get(reason, "needs", "nothing") == case.needs }
}

test_a_never_stands_above_everything[name] if {
	some name, case in {
		"it applies": {"never": [never("yes")], "because": {"allow allow_yes", "deny never_yes"}},
		"it is unknown": {"never": [never("unknown")], "because": {"allow allow_yes", "deny never_unknown"}},
		"beside a flag": {
			"never": [never("yes")], "flag": [flag("yes", true)],
			"because": {"allow allow_yes", "flag flag_yes", "deny never_yes"},
		},
		"with a grant": {
			"never": [never("yes")], "change": given.grants([grant("yes")]),
			"because": {"allow allow_yes", "allow granted", "deny never_yes"},
		},
		"with a grant for this very action": {
			"never": [never("unknown")], "change": given.grants([exact_grant]),
			"because": {"allow allow_yes", "allow granted", "deny never_unknown"},
		},
		"two of them": {
			"never": [never("yes"), never("no"), never("unknown")],
			"because": {"allow allow_yes", "deny never_yes", "deny never_unknown"},
		},
	}
	got := said(decided(object.union({"allow": [allow("yes")]}, case)))
	got == told("deny", false, case.because)
}

test_a_never_that_does_not_apply_says_nothing if {
	got := said(decided({"allow": [allow("yes")], "never": [never("no")]}))
	got == told("allow", true, {"allow allow_yes"})
}

test_one_deny_is_enough[name] if {
	some name, case in {
		"a never": {"never": [never("yes")], "because": {"deny never_yes"}},
		"a rule": {"rules": {"deny": {custom("c")}}, "because": {"deny c"}},
		"the hours": {"hours": closed("deny"), "because": {"deny off_hours"}},
		"all of them": {
			"never": [never("yes")], "rules": {"deny": {custom("c")}}, "hours": closed("deny"),
			"because": {"deny never_yes", "deny c", "deny off_hours"},
		},
	}
	got := said(decided(case))
	got == told("deny", false, case.because)
}

test_rules_add_their_reasons[name] if {
	some name, case in {
		"an allow permits": {"rules": {"allow": {custom("c")}}, "said": told("allow", true, {"allow c"})},
		"a log changes nothing": {
			"allow": [allow("yes")], "rules": {"log": {custom("c")}},
			"said": told("allow", true, {"allow allow_yes", "log c"}),
		},
		"a log doesn't permit": {"rules": {"log": {custom("c")}}, "said": told("deny", false, {"log c", "deny not_permitted"})},
		"a flag goes on": {
			"allow": [allow("yes")], "rules": {"flag": {object.union(custom("c"), {"proceed": true})}},
			"said": told("flag", true, {"allow allow_yes", "flag c"}),
		},
		"a flag waits": {
			"allow": [allow("yes")], "rules": {"flag": {object.union(custom("c"), {"proceed": false})}},
			"said": told("flag", false, {"allow allow_yes", "flag c"}),
		},
		"a flag that doesn't say waits": {
			"allow": [allow("yes")], "rules": {"flag": {custom("c")}},
			"said": told("flag", false, {"allow allow_yes", "flag c"}),
		},
		"a flag doesn't permit": {
			"rules": {"flag": {object.union(custom("c"), {"proceed": true})}},
			"said": told("deny", false, {"flag c", "deny not_permitted"}),
		},
		"a flag keeps a flag of the purpose waiting": {
			"flag": [flag("yes", true)], "rules": {"flag": {object.union(custom("c"), {"proceed": false})}},
			"said": told("flag", false, {"flag flag_yes", "flag c"}),
		},
		"a deny denies": {
			"allow": [allow("yes")], "rules": {"deny": {custom("c")}},
			"said": told("deny", false, {"allow allow_yes", "deny c"}),
		},
		"two denies": {"rules": {"deny": {custom("c"), custom("d")}}, "said": told("deny", false, {"deny c", "deny d"})},
		"all at once": {
			"allow": [allow("yes")], "flag": [flag("yes", true)],
			"rules": {"allow": {custom("a")}, "log": {custom("l")}, "flag": {custom("f")}, "deny": {custom("d")}},
			"said": told("deny", false, {"allow allow_yes", "flag flag_yes", "allow a", "log l", "flag f", "deny d"}),
		},
	}
	got := said(decided(case))
	got == case.said
}

test_the_library_says_what_effect_a_rule_has if {
	answer := decided({"rules": {"deny": {object.union(custom("c"), {"effect": "allow"})}}})
	answer.reasons == [{"effect": "deny", "code": "c", "severity": "low", "params": {"n": 1}}]
}

# A reason that isn't one must not let an action pass that it was meant to stop.
test_a_rule_that_gives_no_reason_still_counts[name] if {
	some name, rules in {"deny": {"deny": {"no reason"}}, "flag": {"flag": {"no reason"}}}
	answer := decided({"allow": [allow("yes")], "rules": rules})
	answer.proceed == false
	answer.decision == name
}

test_hours_log_flag_or_deny[name] if {
	some name, case in {
		"open": {"hours": always, "said": told("allow", true, {"allow allow_yes"})},
		"logged": {"hours": closed("log"), "said": told("allow", true, {"allow allow_yes", "log off_hours"})},
		"flagged, goes on": {"hours": closed_flag(true), "said": told("flag", true, {"allow allow_yes", "flag off_hours"})},
		"flagged, waits": {"hours": closed_flag(false), "said": told("flag", false, {"allow allow_yes", "flag off_hours"})},
		"denied": {"hours": closed("deny"), "said": told("deny", false, {"allow allow_yes", "deny off_hours"})},
		"beside another flag": {
			"hours": closed_flag(true), "flag": [flag("yes", false)],
			"said": told("flag", false, {"allow allow_yes", "flag off_hours", "flag flag_yes"}),
		},
		"in a zone that the bundle doesn't know": {
			"hours": object.union(always, {"zone": "Nowhere"}),
			"said": told("deny", false, {"allow allow_yes", "deny off_hours"}),
		},
	}
	got := said(decided(object.union({"allow": [allow("yes")]}, case)))
	got == case.said
}

test_a_flag_of_hours_does_not_permit if {
	got := said(decided({"hours": closed_flag(true)}))
	got == told("deny", false, {"flag off_hours", "deny not_permitted"})
}

test_a_grant_lifts_absence_and_what_is_flagged_about_the_action[name] if {
	some name, case in {
		"nothing permits": {"grants": [grant("yes")], "said": told("allow", true, {"allow granted"})},
		"it doesn't apply": {"grants": [grant("no")], "said": told("deny", false, {"deny not_permitted"})},
		"it is unknown": {"grants": [grant("unknown")], "said": told("deny", false, {"deny not_permitted"})},
		"a flag that waits": {
			"grants": [grant("yes")], "flag": [flag("yes", false)],
			"said": told("allow", true, {"allow granted"}),
		},
		"a flag that waits because of the unknown": {
			"grants": [grant("yes")], "flag": [flag("unknown", true)],
			"said": told("allow", true, {"allow granted"}),
		},
		"an unknown grant lifts no flag": {
			"grants": [grant("unknown")], "flag": [flag("yes", true)],
			"said": told("flag", true, {"flag flag_yes"}),
		},
		"a flag of a rule": {
			"grants": [grant("yes")], "rules": {"flag": {custom("c")}},
			"said": told("allow", true, {"allow granted"}),
		},
		"beside an allow": {
			"grants": [grant("yes")], "allow": [allow("yes")],
			"said": told("allow", true, {"allow granted", "allow allow_yes"}),
		},
		"a deny of a rule stays": {
			"grants": [grant("yes")], "rules": {"deny": {custom("c")}},
			"said": told("deny", false, {"allow granted", "deny c"}),
		},
		"a log stays": {
			"grants": [grant("yes")], "rules": {"log": {custom("c")}},
			"said": told("allow", true, {"allow granted", "log c"}),
		},
		"hours that flag stay": {
			"grants": [grant("yes")], "hours": closed_flag(true),
			"said": told("flag", true, {"allow granted", "flag off_hours"}),
		},
		"hours that wait stay": {
			"grants": [grant("yes")], "hours": closed_flag(false), "flag": [flag("yes", false)],
			"said": told("flag", false, {"allow granted", "flag off_hours"}),
		},
		"hours that deny stay": {
			"grants": [grant("yes")], "hours": closed("deny"),
			"said": told("deny", false, {"allow granted", "deny off_hours"}),
		},
	}
	got := said(decided(object.union(case, {"change": given.grants(case.grants)})))
	got == case.said
}

test_a_grant_for_this_very_action_lifts_the_flag_of_hours_too[name] if {
	some name, case in {
		"nothing permits": {"said": told("allow", true, {"allow granted"})},
		"hours that flag": {"hours": closed_flag(false), "said": told("allow", true, {"allow granted"})},
		"hours that log": {"hours": closed("log"), "said": told("allow", true, {"allow granted", "log off_hours"})},
		"hours that deny stay": {"hours": closed("deny"), "said": told("deny", false, {"allow granted", "deny off_hours"})},
		"a deny of a rule stays": {
			"rules": {"deny": {custom("c")}},
			"said": told("deny", false, {"allow granted", "deny c"}),
		},
	}
	got := said(decided(object.union(case, {"change": given.grants([exact_grant])})))
	got == case.said
}

test_a_grant_says_what_it_lifted[name] if {
	some name, case in {
		"absence": {"lifted": ["not_permitted"]},
		"nothing": {"allow": [allow("yes")], "lifted": []},
		"a flag": {"flag": [flag("yes", false)], "lifted": ["flag_yes"]},
		"flags": {
			"flag": [flag("yes", false), flag("unknown", true), flag("no", true)], "rules": {"flag": {custom("c")}},
			"lifted": ["c", "flag_unknown", "flag_yes"],
		},
		"a flag of a rule, and absence": {
			"rules": {"flag": {custom("c")}},
			"lifted": ["c", "not_permitted"],
		},
		"not the hours": {"allow": [allow("yes")], "hours": closed_flag(true), "lifted": []},
	}
	answer := decided(object.union(case, {"change": given.grants([grant("yes")])}))
	{"effect": "allow", "code": "granted", "severity": "info", "params": {"grant": "g", "lifted": case.lifted}} in answer.reasons
}

test_a_grant_for_this_very_action_says_that_it_lifted_the_hours if {
	answer := decided({"allow": [allow("yes")], "hours": closed_flag(true), "change": given.grants([grant("no"), exact_grant])})
	answer.reasons == [
		{"effect": "allow", "code": "allow_yes", "severity": "info", "params": {}},
		{"effect": "allow", "code": "granted", "severity": "info", "params": {"grant": "e", "lifted": ["off_hours"]}},
	]
}

test_every_grant_that_applies_is_named if {
	grants := [grant("yes"), object.union(grant("yes"), {"id": "h"}), object.union(grant("no"), {"id": "i"})]
	answer := decided({"change": given.grants(grants)})
	{reason.params.grant | some reason in answer.reasons} == {"g", "h"}
}

redact(field) := {"type": "redact", "fields": [field]}

with_obligation(entry, field) := object.union(entry, {"obligations": [redact(field)]})

test_obligations_come_with_what_applies[name] if {
	some name, case in {
		"an allow": {"allow": [with_obligation(allow("yes"), "a")], "obligations": {redact("a")}},
		"an allow that doesn't apply": {
			"allow": [allow("yes"), with_obligation(allow("no"), "a"), with_obligation(allow("unknown"), "b")],
			"obligations": set(),
		},
		"a flag": {"flag": [with_obligation(flag("yes", true), "a")], "obligations": {redact("a")}},
		"a flag that may apply": {"flag": [with_obligation(flag("unknown", true), "a")], "obligations": {redact("a")}},
		"a flag that doesn't apply": {
			"allow": [allow("yes")], "flag": [with_obligation(flag("no", true), "a")],
			"obligations": set(),
		},
		# What was approved is the action as the purpose would have let it go on.
		"a flag that a grant lifts": {
			"flag": [with_obligation(flag("yes", false), "a")], "change": given.grants([grant("yes")]),
			"obligations": {redact("a")},
		},
		"a rule": {"allow": [allow("yes")], "rules": {"oblige": {redact("a")}}, "obligations": {redact("a")}},
		"all of them, each once": {
			"allow": [with_obligation(allow("yes"), "a")], "flag": [with_obligation(flag("yes", true), "b")],
			"rules": {"oblige": {redact("a"), redact("c")}},
			"obligations": {redact("a"), redact("b"), redact("c")},
		},
		"none": {"allow": [allow("yes")], "obligations": set()},
	}
	got := decided(case).obligations
	got == case.obligations
}

test_reasons_are_whole[name] if {
	some name, case in {
		"allow": {
			"allow": [allow("yes")],
			"reason": {"effect": "allow", "code": "allow_yes", "severity": "info", "params": {}},
		},
		"flag": {
			"flag": [flag("yes", true)],
			"reason": {"effect": "flag", "code": "flag_yes", "severity": "medium", "params": {}, "proceed": true},
		},
		"flag, unknown": {
			"flag": [flag("unknown", true)],
			"reason": {
				"effect": "flag", "code": "flag_unknown", "severity": "medium", "params": {},
				"proceed": false, "needs": ["unknown"],
			},
		},
		"never": {
			"never": [never("yes")],
			"reason": {"effect": "deny", "code": "never_yes", "severity": "high", "params": {}},
		},
		"absence": {"reason": {"effect": "deny", "code": "not_permitted", "severity": "medium", "params": {}}},
		"hours": {
			"allow": [], "hours": closed_flag(true),
			"reason": {"effect": "flag", "code": "off_hours", "severity": "low", "params": {}, "proceed": true},
		},
		"hours that log": {
			"hours": closed("log"),
			"reason": {"effect": "log", "code": "off_hours", "severity": "low", "params": {}},
		},
		"a rule's flag": {
			"rules": {"flag": {object.union(custom("c"), {"proceed": true})}},
			"reason": {"effect": "flag", "code": "c", "severity": "low", "params": {"n": 1}, "proceed": true},
		},
		"a rule's flag that doesn't say": {
			"rules": {"flag": {custom("c")}},
			"reason": {"effect": "flag", "code": "c", "severity": "low", "params": {"n": 1}, "proceed": false},
		},
		"a rule's log": {
			"rules": {"log": {custom("c")}},
			"reason": {"effect": "log", "code": "c", "severity": "low", "params": {"n": 1}},
		},
	}
	case.reason in decided(case).reasons
}

test_what_says_the_same_says_it_once[name] if {
	some name, case in {
		"two lines": {"allow": [allow("yes"), allow("yes")], "reasons": 1},
		"two lines beside another": {"allow": [allow("yes"), allow("yes")], "never": [never("yes")], "reasons": 2},
		"a line and a rule": {
			"allow": [allow("yes")],
			"rules": {"allow": {{"code": "allow_yes", "severity": "info", "params": {}}}},
			"reasons": 1,
		},
		"two rules": {
			"rules": {"deny": {custom("c"), object.union(custom("c"), {"effect": "log"})}},
			"reasons": 1,
		},
		"two grants of one name": {"change": given.grants([grant("yes"), grant("yes")]), "reasons": 1},
		"two flags of one code, of which one waits": {"flag": [flag("yes", true), flag("yes", false)], "reasons": 2},
		"a rule that gives one code twice": {
			"rules": {"deny": {custom("c"), object.union(custom("c"), {"params": {"n": 2}})}},
			"reasons": 2,
		},
		"a rule's reason without a code": {"rules": {"deny": {{"severity": "low", "params": {}}}}, "reasons": 1},
	}
	count(decided(case).reasons) == case.reasons
}

test_nothing_applies_to_another_verb_or_type[name] if {
	some name, change in {
		"verb": {"request": {"verb": "update"}},
		"type": {"request": {"resource": {"type": "ticket"}}},
	}
	case := {"allow": [allow("yes")], "flag": [flag("yes", true)], "never": [never("yes")], "change": change}
	got := said(decided(case))
	got == told("deny", false, {"deny not_permitted"})
}

test_a_purpose_that_the_bundle_does_not_have_gets_no_answer[name] if {
	some name, id in {"another": "another", "part of one": "pur", "empty": ""}
	not decided({"allow": [allow("yes")], "rules": {"allow": {custom("c")}}, "change": given.purpose(id)})
}

test_rules_of_another_purpose_are_not_asked if {
	answer := remit.decide with input as object.union(asked, given.purpose("mine"))
		with data.purposes as {"mine": purpose({}), "theirs": purpose({})}
		with data.rules as {"theirs": {"allow": {custom("c")}, "log": {custom("d")}}}
		with data.vocabulary.types as {}
	said(answer) == told("deny", false, {"deny not_permitted"})
}
