# METADATA
# title: One decision
# description: |
#   Who may act at all is the host's to say, and stands above this. Here a purpose says what its agents may do. What applies is
#   reached by key, so the cost doesn't grow with the number of purposes. One long rule rather than many, since
#   the engine asks a rule that came to nothing again for everyone who reads it.
package remit

import data.remit.conditions
import data.remit.hours

# METADATA
# title: The answer to one request
# description: |
#   An `allow` needs everything known; a `flag` or `never` counts unless something is known to rule it out. Where nothing
#   permits and nothing else denies, that is a deny too.
# entrypoint: true
decide := {
	"decision": _gravest({reason.effect | some reason in reasons}),
	"proceed": _all_go_on(reasons),
	"reasons": reasons,
	"obligations": obligations,
} if {
	id := input.request.purpose
	purpose := data.purposes[id]
	type := input.request.resource.type
	verb := input.request.verb

	allowed := [entry | some entry in purpose.allow[type][verb]; conditions.applies(entry)]
	flagged := [entry | some entry in purpose.flag[type][verb]; not conditions.ruled_out(entry)]
	forbidden := [entry | some entry in purpose.never[type][verb]; not conditions.ruled_out(entry)]
	granted := [grant | some grant in input.facts.grants; conditions.applies(grant)]
	outside := _outside(purpose.hours)

	permits := array.concat(
		[_of_entry("allow", entry) | some entry in allowed],
		[_of_rule("allow", reason) | some reason in data.rules[id].allow],
	)
	flags := {
		"about_action": array.concat(
			[_of_flag(entry) | some entry in flagged],
			[_of_rules_flag(reason) | some reason in data.rules[id].flag],
		),
		"about_circumstances": [reason | some reason in outside; reason.effect == "flag"],
	}
	denies := array.flatten([
		[_of_entry("deny", entry) | some entry in forbidden],
		[_of_rule("deny", reason) | some reason in data.rules[id].deny],
		[reason | some reason in outside; reason.effect == "deny"],
	])
	logs := array.concat(
		[_of_rule("log", reason) | some reason in data.rules[id].log],
		[reason | some reason in outside; reason.effect == "log"],
	)
	absences := [_not_permitted | permits == []; flagged == []]
	lifted := _lifted(granted)

	reasons := {reason | some reason in array.flatten([
		permits,
		logs,
		denies,
		[reason | some about, list in flags; not about in lifted; some reason in list],
		[_granted(grant, flags, lifted, absences) | some grant in granted],
		[absence | some absence in absences; granted == []; denies == []],
	])}
	obligations := _obligations(id, array.concat(allowed, flagged))
}

# What a grant lifts keeps its obligations: what was approved is the action with them.
_obligations(id, entries) := {obligation |
	some entry in entries
	some obligation in entry.obligations
} | {obligation | some obligation in data.rules[id].oblige}

_gravest(effects) := "deny" if {
	"deny" in effects
} else := "flag" if {
	"flag" in effects
} else := "allow" if {
	"allow" in effects
}

_all_go_on(reasons) if {
	every reason in reasons { _goes_on(reason) }
} else := false

_goes_on(reason) if {
	reason.effect == "allow"
} else if {
	reason.effect == "log"
} else if {
	reason.effect == "flag"
	reason.proceed == true
}

# What a grant lifts: what was said about the action. What was said about its circumstances stands, unless the grant is for
# this very action.
_lifted(granted) := [] if {
	granted == []
} else := ["about_action", "about_circumstances"] if {
	some grant in granted
	grant.exact
} else := ["about_action"]

_granted(grant, flags, lifted, absences) := {
	"effect": "allow",
	"code": "granted",
	"severity": "info",
	"params": {"grant": grant.id, "lifted": sort({reason.code |
		some list in array.concat([absences], [flags[about] | some about in lifted])
		some reason in list
	})},
}

_not_permitted := {"effect": "deny", "code": "not_permitted", "severity": "medium", "params": {}}

_outside(week) := [] if {
	week == null
} else := [] if {
	hours.open(week, input.facts.time.ms)
} else := [object.union(week.outside, {"params": {}})]

# An entry that may apply only because something is unknown waits, whatever it says itself.
_of_flag(entry) := object.union(entry.reason, {"effect": "flag", "params": {}}) if {
	conditions.applies(entry)
} else := object.union(entry.reason, {"effect": "flag", "params": {}}) if {
	not entry.reason.proceed
} else := object.union(
	entry.reason,
	{"effect": "flag", "params": {}, "proceed": false, "needs": sort(conditions.unknowns(entry))},
)

_of_entry(effect, entry) := {
	"effect": effect,
	"code": entry.reason.code,
	"severity": entry.reason.severity,
	"params": {},
}

_of_rules_flag(reason) := object.union({"proceed": false}, _of_rule("flag", reason))

# Something that isn't a reason still counts.
_of_rule(effect, reason) := object.union(reason, {"effect": effect}) if {
	is_object(reason)
} else := {"effect": effect, "code": "rule_without_metadata", "severity": "high", "params": {}}
