# METADATA
# title: What follows from what is unusual
# description: |
#   How odd an action is for its agent is the service's to say; from which risk on something follows, the purpose's. The gravest
#   that does is the one reason there is. A threshold that is null is never reached.
package remit.behavior

# METADATA
# title: The reason that an action's risk, or one of its channels, gives under a purpose; none where nothing is odd
reasons(purpose) := [] if {
	input.facts.behavior.risk == 0
	input.facts.behavior.channels == {}
} else := [_because({"effect": "deny", "code": "unusual_denied", "severity": "critical"})] if {
	_reached(purpose.behavior.suspend)
} else := [_because({"effect": "flag", "code": "unusual_held", "severity": "high", "proceed": false})] if {
	_reached(purpose.behavior.hold)
	not _reads
} else := [_because({"effect": "flag", "code": "unusual_flagged", "severity": "high", "proceed": true})] if {
	_reached_or_rare(purpose.behavior, "flag")
} else := [_because({"effect": "log", "code": "unusual", "severity": "low"})] if {
	_reached_or_rare(purpose.behavior, "log")
} else := []

_reached_or_rare(policy, effect) if {
	_reached(policy[effect])
} else if {
	some channel, decades in input.facts.behavior.channels
	policy.channels[channel].then == effect
	decades >= policy.channels[channel].at
}

_reads if data.vocabulary.verbs[input.request.verb].class == "read"

# Null is less than any number.
_reached(risk) if {
	risk != null
	input.facts.behavior.risk >= risk
}

_because(reason) := object.union(reason, {"params": {
	"risk": input.facts.behavior.risk,
	"why": array.slice(input.facts.behavior.reasons, 0, 3),
}})
