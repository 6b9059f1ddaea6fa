# METADATA
# title: One decision
# description: |
#   Who may act at all is the host's to say, and stands above this. Here a purpose says what its agents may do. What applies is
#   reached by key, so the cost doesn't grow with the number of purposes. One long rule rather than many, since
#   the engine asks a rule that came to nothing again for everyone who reads it.
package remit

import data.remit.behavior
import data.remit.conditions
import data.remit.flow
import data.remit.hours

# METADATA
# title: The answer to one request
# description: |
#   An `allow` needs everything known; a `flag` or `never` counts unless something is known to rule it out. Where nothing
#   permits and nothing else denies, that is a deny too.
# entrypoint: true
decide := {
	"decision": _gravest(denies, flags, permits),
	"proceed": _goes_on(denies, flags),
	"reasons": _distinct(array.flatten([permits, logs, denies, flags])),
	"obligations": _obligations(id, array.concat(allowed, flagged)),
} if {
	id := input.request.purpose
	purpose := data.purposes[id]
	type := input.request.resource.type
	verb := input.request.verb

	allowed := [entry | some entry in purpose.allow[type][verb]; conditions.applies(entry)]
	flagged := [entry | some entry in purpose.flag[type][verb]; not conditions.ruled_out(entry)]
	forbidden := [entry | some entry in purpose.never[type][verb]; not conditions.ruled_out(entry)]
	granted := [grant | some grant in input.facts.grants; conditions.applies(grant)]
	circumstances := array.flatten([_outside(purpose.hours), behavior.reasons(purpose), flow.reasons(purpose), flow.limits(purpose), flow.planned])

	allows := array.concat(
		[entry.reason | some entry in allowed],
		[_of_rule("allow", reason) | some reason in data.rules[id].allow],
	)
	about_action := array.concat(
		[_of_flag(entry) | some entry in flagged],
		[_of_rules_flag(reason) | some reason in data.rules[id].flag],
	)
	about_circumstances := [reason | some reason in circumstances; reason.effect == "flag"]
	refusals := array.flatten([
		[entry.reason | some entry in forbidden],
		[_of_rule("deny", reason) | some reason in data.rules[id].deny],
		[reason | some reason in circumstances; reason.effect == "deny"],
	])
	absences := [_not_permitted | allows == []; flagged == []]

	[lifted, flags] := _lifted_and_left(granted, about_action, about_circumstances)
	permits := array.concat(allows, [_granted(grant, array.concat(absences, lifted)) | some grant in granted])
	denies := array.concat(refusals, [absence | some absence in absences; granted == []; refusals == []])
	logs := array.concat(
		[_of_rule("log", reason) | some reason in data.rules[id].log],
		[reason | some reason in circumstances; reason.effect == "log"],
	)
}

# Several may say the same. To compare their codes first is cheaper than to compare whole reasons.
_distinct(reasons) := reasons if {
	count({reason.code | some reason in reasons}) == count(reasons)
} else := {reason | some reason in reasons}

_gravest(denies, flags, permits) := "deny" if {
	denies != []
} else := "flag" if {
	flags != []
} else := "allow" if {
	permits != []
}

_goes_on(denies, flags) if {
	denies == []
	every flag in flags { flag.proceed == true }
} else := false

# A grant lifts what was said about the action. What was said about its circumstances stands, unless the grant is for this
# very action.
_lifted_and_left(granted, about_action, about_circumstances) := [[], array.concat(about_action, about_circumstances)] if {
	granted == []
} else := [array.concat(about_action, about_circumstances), []] if {
	some grant in granted
	grant.exact
} else := [about_action, about_circumstances]

_granted(grant, lifted) := {
	"effect": "allow",
	"code": "granted",
	"severity": "info",
	"params": {"grant": grant.id, "lifted": sort({reason.code | some reason in lifted})},
}

# What a grant lifts keeps its obligations: what was approved is the action with them.
_obligations(id, entries) := {obligation |
	some entry in entries
	some obligation in entry.obligations
} | {obligation | some obligation in data.rules[id].oblige}

_not_permitted := {"effect": "deny", "code": "not_permitted", "severity": "medium", "params": {}}

_outside(week) := [] if {
	week == null
} else := [] if {
	hours.open(week, input.facts.time.ms)
} else := [week.outside]

# An entry that may apply only because something is unknown waits, whatever it says itself.
_of_flag(entry) := entry.reason if {
	not entry.reason.proceed
} else := entry.reason if {
	conditions.applies(entry)
} else := object.union(entry.reason, {"proceed": false, "needs": sort(conditions.unknowns(entry))})

_of_rules_flag(reason) := object.union({"proceed": false}, _of_rule("flag", reason))

# Something that isn't a reason still counts.
_of_rule(effect, reason) := object.union(reason, {"effect": effect}) if {
	is_object(reason)
} else := {"effect": effect, "code": "rule_without_metadata", "severity": "high", "params": {}}
