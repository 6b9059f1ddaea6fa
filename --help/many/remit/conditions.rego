# METADATA
# title: Whether an entry applies
# description: |
#   Every condition is true, false or unknown. An entry applies when all of its conditions are known to hold, and is ruled
#   out when one is known not to. In between, an unknown never helps: `allow` and grants ask for `applies`, `flag` and
#   `never` for `not ruled_out`.
package remit.conditions

# METADATA
# title: Every condition is known to hold
applies(entry) if {
	_about_holds(entry.about)
	every condition in entry.when { _holds(condition) }
}

# METADATA
# title: Some condition is known not to hold
ruled_out(entry) if {
	_about_fails(entry.about)
} else if {
	some condition in entry.when
	_known(condition)
	not _holds(condition)
}

# METADATA
# title: What would have to be known before an entry could apply
# description: Names of conditions, and of attributes that say what the resource is about; of an entry that isn't ruled out.
unknowns(entry) := {condition.name |
	some condition in entry.when
	not _known(condition)
} | {name |
	entry.about != "any"
	some name in _unplaced
}

_about_holds(about) if {
	about == "any"
} else if {
	about == _relation
}

_about_fails("task") if _relation == "other"

_about_fails("other") if _relation == "task"

# One subject that is known to differ settles it, whatever else is unknown.
_relation := "other" if {
	false in _placed
} else := "unknown" if {
	null in _placed
} else := "task" if {
	true in _placed
} else := "unknown"

# Of each subject that both sides name: whether the resource's is one of the task's, or null.
_placed := [placed |
	some subject, link in data.vocabulary.types[input.request.resource.type].about
	ids := input.facts.task.subjects[subject]
	ids[0]
	placed := _one_of(_link_value(link), ids)
]

_one_of(null, _) := null

_one_of(value, ids) := value in ids if value != null

_link_value(link) := input.request.resource.id if {
	link == "id"
} else := object.get(input.request.resource.attributes, link, null)

_unplaced contains link if {
	some subject, link in data.vocabulary.types[input.request.resource.type].about
	input.facts.task.subjects[subject][0]
	_link_value(link) == null
}

_unplaced contains "task" if count(_placed) == 0

_known(condition) if {
	object.get(input, condition.path, null) != null
	_other_known(condition)
}

_other_known(condition) if {
	condition.op != "same_as"
} else if {
	object.get(input, condition.value, null) != null
}

_holds(condition) if {
	condition.op == "in"
	some value in _values(condition.path)
	value in condition.value
} else if {
	condition.op == "not_in"
	every value in _values(condition.path) { not value in condition.value }
} else if {
	condition.op == "at_most"
	some value in _values(condition.path)
	is_number(value)
	value <= condition.value
} else if {
	condition.op == "at_least"
	some value in _values(condition.path)
	is_number(value)
	value >= condition.value
} else if {
	condition.op == "prefix"
	some value in _values(condition.path)
	some prefix in condition.value
	startswith(value, prefix)
} else if {
	condition.op == "same_as"
	others := _values(condition.value)
	some value in _values(condition.path)
	value in others
}

# A list means one of it.
_values(path) := values if {
	value := object.get(input, path, null)
	value != null
	values := _listed(value)
}

_listed(value) := value if {
	is_array(value)
} else := [value]
