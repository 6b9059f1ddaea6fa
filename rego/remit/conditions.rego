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
	_related_holds(entry.about)
	every condition in entry.when { holds(condition) }
}

# METADATA
# title: Some condition is known not to hold
ruled_out(entry) if _related_fails(entry.about)

ruled_out(entry) if {
	some condition in entry.when
	_fails(condition)
}

# METADATA
# title: What an entry would have to know before it could apply
unknowns(entry) := {name |
	some condition in entry.when
	_unknown(condition)
	name := condition.name
} | {name |
	entry.about != "any"
	some name in _unplaced
}

# The subjects' ids under which this resource would be about the task: those that both sides name.
_links := object.get(data.vocabulary.types, [input.request.resource.type, "about"], {})

_shared := {subject: link |
	some subject, link in _links
	input.facts.task.subjects[subject] != null
}

_related_holds("any")

_related_holds("task") if _about_task

_related_holds("other") if _about_other

_related_fails("task") if _about_other

_related_fails("other") if _about_task

_about_task if {
	count(_shared) > 0
	every subject, link in _shared { _link_value(link) in input.facts.task.subjects[subject] }
}

# One subject that is known to differ settles it, whatever else is unknown.
_about_other if {
	some subject, link in _shared
	value := _link_value(link)
	value != null
	not value in input.facts.task.subjects[subject]
}

_unplaced contains link if {
	some link in _shared
	_link_value(link) == null
}

_unplaced contains "task" if count(_shared) == 0

_link_value("id") := input.request.resource.id

_link_value(link) := object.get(input.request.resource.attributes, link, null) if link != "id"

# METADATA
# title: A condition is known to hold
holds(condition) if {
	some value in _values(condition.path)
	_matches(condition, value)
}

holds(condition) if {
	condition.op == "not_in"
	_known(condition)
	count([value | some value in _values(condition.path); value in condition.value]) == 0
}

_fails(condition) if {
	_known(condition)
	not holds(condition)
}

_unknown(condition) if not _known(condition)

_known(condition) if {
	object.get(input, condition.path, null) != null
	_other_known(condition)
}

_other_known(condition) if condition.op != "same_as"

_other_known(condition) if {
	condition.op == "same_as"
	object.get(input, condition.value, null) != null
}

# A list means one of it.
_values(path) := value if {
	value := object.get(input, path, null)
	is_array(value)
}

_values(path) := [value] if {
	value := object.get(input, path, null)
	not is_array(value)
	value != null
}

_matches(condition, value) if {
	condition.op == "in"
	value in condition.value
}

_matches(condition, value) if {
	condition.op == "at_most"
	is_number(value)
	value <= condition.value
}

_matches(condition, value) if {
	condition.op == "at_least"
	is_number(value)
	value >= condition.value
}

_matches(condition, value) if {
	condition.op == "prefix"
	some prefix in condition.value
	startswith(value, prefix)
}

_matches(condition, value) if {
	condition.op == "same_as"
	value in _values(condition.value)
}
