package remit.behavior_test

import data.remit
import data.remit.behavior
import data.remit.given

usual := {
	"log": 25, "flag": 60, "hold": 60, "narrow": 60, "suspend": 85, "channels": {},
	"narrowed": {"actions_per_minute": 10, "below": 40, "for_ms": 900000},
}

never := object.union(usual, {"log": null, "flag": null, "hold": null, "narrow": null, "suspend": null})

given_reasons(verb, policy, values) := reasons if {
	asked := object.union(given.request(verb, "note", {}, {}), given.behavior(values))
	reasons := behavior.reasons({"behavior": policy}) with input as asked
		with data.vocabulary.verbs as {"read": {"class": "read"}, "update": {"class": "write"}, "send": {"class": "send"}}
}

codes(verb, policy, values) := [$"{reason.effect} {reason.code}" | some reason in given_reasons(verb, policy, values)]

test_each_step_holds_from_its_risk_on[name] if {
	some name, case in {
		"nothing": {"risk": 0, "read": [], "update": []},
		"below the first": {"risk": 24, "read": [], "update": []},
		"at the first": {"risk": 25, "read": ["log unusual"], "update": ["log unusual"]},
		"below the second": {"risk": 59, "read": ["log unusual"], "update": ["log unusual"]},
		"at the second": {"risk": 60, "read": ["flag unusual_flagged"], "update": ["flag unusual_held"]},
		"below the last": {"risk": 84, "read": ["flag unusual_flagged"], "update": ["flag unusual_held"]},
		"at the last": {"risk": 85, "read": ["deny unusual_denied"], "update": ["deny unusual_denied"]},
		"as odd as can be": {"risk": 100, "read": ["deny unusual_denied"], "update": ["deny unusual_denied"]},
	}
	codes("read", usual, {"risk": case.risk}) == case.read
	codes("update", usual, {"risk": case.risk}) == case.update
}

test_a_step_that_is_never_reached_is_passed_over[name] if {
	some name, case in {
		"no suspending": {"policy": {"suspend": null}, "read": ["flag unusual_flagged"], "update": ["flag unusual_held"]},
		"no holding": {
			"policy": {"suspend": null, "hold": null},
			"read": ["flag unusual_flagged"], "update": ["flag unusual_flagged"],
		},
		"no flagging": {"policy": {"suspend": null, "flag": null}, "read": ["log unusual"], "update": ["flag unusual_held"]},
		"logging alone": {
			"policy": {"suspend": null, "hold": null, "flag": null},
			"read": ["log unusual"], "update": ["log unusual"],
		},
		"suspending alone": {
			"policy": {"hold": null, "flag": null, "log": null},
			"read": ["deny unusual_denied"], "update": ["deny unusual_denied"],
		},
		"nothing": {"policy": never, "read": [], "update": []},
	}
	policy := object.union(usual, case.policy)
	codes("read", policy, {"risk": 100}) == case.read
	codes("update", policy, {"risk": 100}) == case.update
}

test_what_is_no_reading_is_held[verb] if {
	some verb, wanted in {
		"read": ["flag unusual_flagged"],
		"update": ["flag unusual_held"],
		"send": ["flag unusual_held"],
		"one that the vocabulary has not": ["flag unusual_held"],
	}
	codes(verb, usual, {"risk": 60}) == wanted
}

test_a_channel_alone_says_as_much_as_the_purpose_lets_it[name] if {
	some name, case in {
		"rare enough": {"policy": {"order": {"then": "flag", "at": 3}}, "channels": {"order": 3}, "wanted": ["flag unusual_flagged"]},
		"rarer": {"policy": {"order": {"then": "flag", "at": 3}}, "channels": {"order": 6.1}, "wanted": ["flag unusual_flagged"]},
		"not rare enough": {"policy": {"order": {"then": "flag", "at": 3}}, "channels": {"order": 2.9}, "wanted": []},
		"another one": {"policy": {"order": {"then": "flag", "at": 3}}, "channels": {"hour": 9}, "wanted": []},
		"to be logged": {"policy": {"order": {"then": "log", "at": 2.5}}, "channels": {"order": 2.5}, "wanted": ["log unusual"]},
		"the graver of two": {
			"policy": {"order": {"then": "log", "at": 1}, "rate": {"then": "flag", "at": 4}},
			"channels": {"order": 5, "rate": 4}, "wanted": ["flag unusual_flagged"],
		},
		"of no channel": {"policy": {}, "channels": {"order": 9, "rate": 9}, "wanted": []},
	}
	policy := object.union(usual, {"channels": case.policy})
	codes("read", policy, {"channels": case.channels}) == case.wanted
}

test_a_purpose_that_says_nothing_of_it_gives_no_reason if {
	asked := object.union(given.request("read", "note", {}, {}), given.behavior({"risk": 100, "channels": {"rate": 9}}))
	reasons := behavior.reasons({"hours": null}) with input as asked
	reasons == []
}

test_a_reason_says_how_odd_and_why_in_three_sentences_at_most[name] if {
	some name, case in {
		"one": {"said": ["40 customers"], "why": ["40 customers"]},
		"three": {"said": ["a", "b", "c"], "why": ["a", "b", "c"]},
		"four": {"said": ["a", "b", "c", "d"], "why": ["a", "b", "c"]},
		"none": {"said": [], "why": []},
	}
	given_reasons("read", usual, {"risk": 70, "reasons": case.said}) == [{
		"effect": "flag", "code": "unusual_flagged", "severity": "high", "proceed": true,
		"params": {"risk": 70, "why": case.why},
	}]
}

entry(effect) := {
	"about": "any", "when": [], "obligations": [],
	"reason": {"effect": effect, "code": $"some_{effect}", "severity": "info", "params": {}, "proceed": true},
}

said(lines, change) := {
	"decision": answer.decision, "proceed": answer.proceed,
	"because": {$"{reason.effect} {reason.code}" | some reason in answer.reasons},
} if {
	none := {"hours": null, "behavior": usual, "allow": {}, "flag": {}, "never": {}}
	answer := remit.decide with input as object.union(given.request("update", "note", {}, {}), change)
		with data.purposes as {"purpose": object.union(none, {line: {"note": {"update": [entry(effect)]}} |
			some line, effect in lines
		})}
		with data.rules as {}
		with data.vocabulary as {"verbs": {"update": {"class": "write"}}, "types": {"note": {"about": {}}}}
}

granted(exact) := {"grants": [{"id": "g", "exact": exact, "about": "any", "when": []}]}

test_a_grant_lifts_it_only_for_this_very_action[name] if {
	some name, case in {
		"none": {
			"facts": {}, "risk": 60,
			"said": ["flag", false, {"allow some_allow", "flag unusual_held"}],
		},
		"one for such actions": {
			"facts": granted(false), "risk": 60,
			"said": ["flag", false, {"allow some_allow", "allow granted", "flag unusual_held"}],
		},
		"one for this action": {
			"facts": granted(true), "risk": 60,
			"said": ["allow", true, {"allow some_allow", "allow granted"}],
		},
		"one for this action, that is denied": {
			"facts": granted(true), "risk": 85,
			"said": ["deny", false, {"allow some_allow", "allow granted", "deny unusual_denied"}],
		},
	}
	change := {"facts": object.union(case.facts, {"behavior": {"risk": case.risk}})}
	got := said({"allow": "allow"}, change)
	[got.decision, got.proceed, got.because] == case.said
}

test_what_is_unusual_permits_nothing[name] if {
	some name, case in {
		"logged": {"risk": 30, "said": ["deny", false, {"log unusual", "deny not_permitted"}]},
		"held": {"risk": 60, "said": ["deny", false, {"flag unusual_held", "deny not_permitted"}]},
		"denied": {"risk": 90, "said": ["deny", false, {"deny unusual_denied"}]},
	}
	got := said({}, given.behavior({"risk": case.risk}))
	[got.decision, got.proceed, got.because] == case.said
}

test_a_never_stands_whatever_is_usual if {
	got := said({"allow": "allow", "never": "deny"}, given.behavior({"risk": 30}))
	[got.decision, got.because] == ["deny", {"allow some_allow", "log unusual", "deny some_deny"}]
}
