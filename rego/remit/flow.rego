# METADATA
# title: What follows from where values come from
# description: |
#   The standard set, which a purpose takes with `flow: standard`. The service says of each value of an action who wrote it, as far as it was
#   seen on the task; here stands what follows, by what the value is for. Nothing here permits: it refuses, or waits for a person. What is
#   unknown is refused.
package remit.flow

# METADATA
# title: The reasons that the sources of an action's values give under a purpose; none where it takes no set
reasons(purpose) := [] if {
	not purpose.flow
} else := [_reason("deny", "flow_unknown", "high", {})] if {
	not _known
	not _looks
} else := _unknown_look(purpose.flow) if {
	not _known
} else := array.concat(_secrets, _by_source(purpose.flow))

# METADATA
# title: The reasons that a task's plan gives, whatever its purpose says; none where its host gave no plan
# description: A value that others wrote beside more of its kind may be another than the one that was meant, so a person looks.
planned := [] if {
	not input.facts.flow.plan
} else := [_reason("deny", "outside_plan", "high", {})] if {
	not input.facts.flow.plan.fits
} else := array.flatten([
	[_reason("deny", "not_as_planned", "high", {"argument": path}) |
		some path, state in input.facts.flow.plan.arguments
		state == "elsewhere"
	],
	[_reason("deny", "plan_used_up", "high", {"max": times.max, "used": times.used}) |
		times := input.facts.flow.plan.times
		is_number(times.adds)
		not _has_room(times)
	],
	[_reason("deny", "flow_unknown", "high", {}) | _plan_unknown],
	[object.union(_reason("flag", "plan_waits", "medium", {"argument": path}), {"proceed": false}) |
		some path, state in input.facts.flow.plan.arguments
		state == "several"
	],
])

# METADATA
# title: The reasons of a purpose's limits that the action doesn't fit; none where it has none
# description: What nobody counted, or what an action adds of unknown size, doesn't fit.
limits(purpose) := [reason |
	some reason in purpose.limited[input.request.resource.type][input.request.verb]
	not _fits(reason.code)
]

_plan_unknown if "unknown" in {state | some state in input.facts.flow.plan.arguments}

# Nobody knows how often the call was made.
_plan_unknown if {
	times := input.facts.flow.plan.times
	not is_number(times.adds)
}

_fits(code) if _has_room(input.facts.flow.limits[code])

_has_room(counter) if {
	is_number(counter.adds)
	counter.used + counter.adds <= counter.max
}

# METADATA
# title: Whether the values of the action are of writers that an entry accepts
# description: |
#   Of a condition `from` true, false, or null where that isn't known. One of `delegated` holds where `from` would and some value is accepted
#   only because the instruction names its source; it is never unknown.
sourced(condition) := _sourced(condition.op, {_accepted(condition, path, value) |
	some path, value in input.facts.flow.arguments
	_asked_for(condition, path, value)
}) if {
	_known
} else := null if {
	condition.op == "from"
} else := false

_sourced(op, found) := false if {
	"no" in found
} else := null if {
	op == "from"
	_unsure(found)
} else if {
	op == "from"
} else if {
	"delegated" in found
	not "unknown" in found
} else := false

# What has no value can't be told to be the user's.
_unsure(found) if {
	"unknown" in found
} else if {
	count(found) == 0
}

# What didn't fit among the values that are shown may be any argument's.
_asked_for(condition, path, value) if {
	value.role != "content"
	_writers(condition, path) != null
}

_asked_for(_, "more", _)

_writers(condition, path) := writers if {
	writers := condition.of[split(split(path, "/")[0], "#")[0]]
} else := writers if {
	writers := condition.of["*"]
} else := null

_accepted(condition, path, value) := "no" if {
	value.excluded
} else := "yes" if {
	value.writer in _writers(condition, path)
} else := "delegated" if {
	_in_errand
	some source in value.sources
	source.named
	_alone_enough(condition.delegated, source)
} else := "unknown" if {
	value.writer == "unknown"
} else := "no"

_alone_enough(_, source) if source.alone == true

_alone_enough(delegated, _) if delegated.alone == false

_known if is_object(input.facts.flow)

_looks if data.vocabulary.verbs[input.request.verb].class == "read"

# A secret of the user's goes nowhere, whoever asks for it.
_secrets := [_of("deny", "flow_secret", "critical", path, value) |
	input.facts.flow.effect != "look"
	some path, value in input.facts.flow.arguments
	value.secret
]

# A look as its purpose has it where only others' words point to what is looked at, or nobody knows what does.
_unknown_look(policy) := [_looked(policy.looks, _reason("deny", "flow_unknown", "high", {}))] if {
	policy.looks
} else := []

_strayed(policy) := [reason |
	some path, value in input.facts.flow.arguments
	not value.excluded
	not _as_planned(path)
	_astray(value)
	reason := _reasoned(path, value, policy.looks)
]

_astray(value) if {
	value.role != "content"
	not value.writer in {"user", "own", "service", "member"}
	not _delegated(value)
}

_looked("deny", reason) := reason

_looked("wait", reason) := object.union(reason, {"effect": "flag", "proceed": false})

_looked("flag", reason) := object.union(reason, {"effect": "flag", "proceed": true})

# Until something that others wrote was read on the task, nothing but the user can have led to an action.
_by_source(policy) := [] if {
	input.facts.flow.effect == "look"
	not policy.looks
} else := _excluded if {
	input.facts.flow.others == false
} else := array.concat(_excluded, _strayed(policy)) if {
	input.facts.flow.effect == "look"
} else := [_reason("deny", "flow_not_asked", "high", {})] if {
	_not_asked
} else := array.flatten([
	_excluded,
	_unanchored,
	[_reasoned(path, value, then) |
		some path, value in input.facts.flow.arguments
		not value.excluded
		not _as_planned(path)
		then := _then(value, policy)
		then != "allow"
	],
])

# The user asked for nothing but looking, so nothing is kept either; a host's plan says more than the words.
_not_asked if {
	input.facts.flow.errand == "look"
	input.facts.flow.effect != "fetch"
	not _looks
	not input.facts.flow.plan
}

# Effects that an instruction which asks for no more delegates nothing of: what it names says what to do, and not that more is done.
_beyond := {
	"look": {"keep", "add", "alter", "destroy", "commit", "settings", null},
	"change": {"add", "commit", null},
}

_in_errand if not _beyond_errand

_beyond_errand if input.facts.flow.effect in _beyond[input.facts.flow.errand]

# The host has said where it comes from, and it is certain that it does. Of several that strangers wrote, which was meant isn't.
_as_planned(path) if input.facts.flow.plan.arguments[path] == "planned"

# "Not to Bob": nobody but the user says what the user doesn't want.
_excluded := [_of("deny", "flow_denied", "high", path, value) |
	some path, value in input.facts.flow.arguments
	value.excluded
]

# An action that binds the user, changes or takes something away, or says who gets in, and names nothing that could be looked at. A host
# that plans it without an argument means it so.
_unanchored := [object.union(
	_reason("flag", "flow_waits", "medium", {"argument": "the action", "role": "action", "writer": "anyone"}),
	{"proceed": false},
)] if {
	_grave({"alter", "commit", "destroy", "settings"})
	count(input.facts.flow.arguments) == 0
	not input.facts.flow.plan.bare
} else := []

_grave(effects) if input.facts.flow.effect in effects

# A verb whose effect nobody has said, and that doesn't only look, may do any of these.
_grave(_) if {
	input.facts.flow.effect == null
	not _looks
}

_reasoned(path, value, "deny") := _of("deny", "flow_denied", "high", path, value)

_reasoned(path, value, "flag") := object.union(_of("flag", "flow_flagged", "medium", path, value), {"proceed": true})

_reasoned(path, value, "wait") := object.union(_of("flag", "flow_waits", "medium", path, value), {"proceed": false})

# What a value is for, and who wrote it, say what follows.
_then(value, policy) := "allow" if {
	value.writer == "user"
} else := "allow" if {
	value.writer == "own"
	not _taken_away(value)
} else := "allow" if {
	value.role == "content"
} else := "deny" if {
	value.writer == "unknown"
} else := _destination(value, policy) if {
	value.role == "destination"
} else := _commitment(value) if {
	value.role == "commitment"
} else := _authority(value, policy) if {
	value.role == "authority"
} else := _locator(value, policy) if {
	value.role == "locator"
} else := "deny"

_destination(value, policy) := "allow" if {
	value.writer == "service"
} else := "allow" if {
	value.writer == "member"
	value.inside
} else := "wait" if {
	value.writer == "member"
} else := policy.delegated if {
	value.writer == "anyone"
	_delegated(value)
} else := policy.nowhere if {
	value.writer == "nowhere"
} else := "deny"

# Days and amounts are said by the user or a service, and so is what is bought.
_commitment(value) := "allow" if {
	value.writer == "service"
} else := "wait" if {
	value.writer in {"member", "nowhere"}
} else := "wait" if {
	value.writer == "anyone"
	_delegated(value)
} else := "deny"

_authority(value, policy) := "allow" if {
	value.writer == "service"
	value.writer in policy.authority
} else := "deny"

_taken_away(value) if {
	value.role == "locator"
	_grave({"destroy"})
}

_for_good(value) if _taken_away(value)

_for_good(value) if {
	_grave({"commit"})
	value.writer != "own"
}

# Own facts and services list what there is, not what is to go or what to buy: a thing is taken away or bought where the instruction names it.
_locator(value, policy) := "wait" if {
	_for_good(value)
	value.writer in {"own", "service", "member"}
	not _named(value)
} else := "allow" if {
	value.writer in {"own", "service", "member"}
} else := "wait" if {
	value.writer == "anyone"
	_grave({"alter", "destroy", "commit"})
} else := object.get(policy, "looks", "allow") if {
	value.writer == "anyone"
	_only_reads
	not _delegated(value)
} else := "allow" if {
	value.writer == "anyone"
} else := "deny"

_only_reads if input.facts.flow.effect == "fetch"

_only_reads if _looks

# Whoever says an address says which: none of its kind is taken from elsewhere.
_said_itself(value) if {
	value.role == "destination"
	value.kind in input.facts.flow.said
}

_named(value) if {
	some source in value.sources
	source.named
}

# The instruction names the text word for word, and nothing else of this kind stands in it.
_delegated(value) if {
	_in_errand
	not _said_itself(value)
	some source in value.sources
	source.named
	source.alone
}

_of(effect, code, severity, path, value) := _reason(effect, code, severity, {
	"argument": path,
	"role": value.role,
	"writer": value.writer,
})

_reason(effect, code, severity, params) := {"effect": effect, "code": code, "severity": severity, "params": params}
