# METADATA
# title: One decision
# description: |
#   Who may act at all is the host's to say, and stands above this. Here a purpose says what its agents may do. What applies is
#   reached by key, so the cost doesn't grow with the number of purposes.
package remit

import data.remit.conditions
import data.remit.hours

# METADATA
# title: The answer to one request
# entrypoint: true
decide := {
	"decision": decision,
	"proceed": proceed,
	"reasons": (((deny | flag) | log) | allow),
	"obligations": obligations,
}

decision := "deny" if {
	count(deny) > 0
} else := "flag" if {
	count(flag) > 0
} else := "allow"

default proceed := false

proceed if {
	count(deny) == 0
	_permits_now
	every reason in flag { reason.proceed }
}

_permits_now if count(allow) > 0

_permits_now if {
	some entry in _flagged
	_flag_reason(entry).proceed
}

_purpose := data.purposes[input.request.purpose]

_type := input.request.resource.type

_verb := input.request.verb

_allowed contains entry if {
	some entry in _purpose.allow[_type][_verb]
	conditions.applies(entry)
}

_flagged contains entry if {
	some entry in _purpose.flag[_type][_verb]
	not conditions.ruled_out(entry)
}

_forbidden contains entry if {
	some entry in _purpose.never[_type][_verb]
	not conditions.ruled_out(entry)
}

_granted contains grant if {
	some grant in input.facts.grants
	conditions.applies(grant)
}

_granted_exactly if {
	some grant in _granted
	grant.exact
}

allow contains _reason("allow", entry.reason) if some entry in _allowed

allow contains _reason("allow", reason) if some reason in data.rules[input.request.purpose].allow

allow contains _reason("allow", {
	"code": "granted", "severity": "info",
	"params": {"grant": grant.id, "lifted": _lifted},
}) if some grant in _granted

log contains _reason("log", reason) if some reason in data.rules[input.request.purpose].log

log contains _outside("log") if _off_hours

flag contains reason if {
	count(_granted) == 0
	some reason in _liftable
}

flag contains reason if {
	not _granted_exactly
	some reason in _standing
}

# What a grant lifts: what was said about the action. What was said about its circumstances stands, unless the grant is for
# this very action.
_liftable contains _reason("flag", _flag_reason(entry)) if some entry in _flagged

_liftable contains object.union({"proceed": false}, _reason("flag", reason)) if {
	some reason in data.rules[input.request.purpose].flag
}

_standing contains _outside("flag") if _off_hours

_lifted := [reason.code | some reason in _liftable]

deny contains _reason("deny", entry.reason) if some entry in _forbidden

deny contains _reason("deny", reason) if some reason in data.rules[input.request.purpose].deny

deny contains _outside("deny") if _off_hours

deny contains _reason("deny", {"code": "not_permitted", "severity": "medium", "params": {}}) if {
	count(allow) == 0
	count(_flagged) == 0
	not _otherwise_denied
}

_otherwise_denied if count(_forbidden) > 0

_otherwise_denied if count(data.rules[input.request.purpose].deny) > 0

_off_hours if {
	_purpose.hours != null
	not hours.open(_purpose.hours, input.facts.time.ms)
}

_outside(effect) := _reason(effect, object.remove(_purpose.hours.outside, ["effect"])) if {
	_purpose.hours.outside.effect == effect
}

# An entry that may apply only because something is unknown waits, whatever it says itself.
_flag_reason(entry) := entry.reason if conditions.applies(entry)

_flag_reason(entry) := object.union(entry.reason, _waits(entry)) if not conditions.applies(entry)

_waits(entry) := {"proceed": false, "needs": sort(conditions.unknowns(entry))} if entry.reason.proceed

_waits(entry) := {} if not entry.reason.proceed

_reason(effect, reason) := object.union({"params": {}, "effect": effect}, reason)

obligations contains obligation if {
	some entry in (_allowed | _flagged)
	some obligation in entry.obligations
}

obligations contains obligation if some obligation in data.rules[input.request.purpose].oblige
