# METADATA
# title: Whether an entry applies
# description: |
#   Every condition is true, false or unknown. An entry applies when all of its conditions are known to hold, and is ruled
#   out when one is known not to. In between, an unknown never helps: `allow` and grants ask for `applies`, `flag` and
#   `never` for `not ruled_out`.
package remit.conditions

import data.remit.flow
import data.remit.moment

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
	_fails(condition)
}

# METADATA
# title: What would have to be known before an entry could apply
# description: Names of conditions, and of attributes that say what the resource is about; of an entry that isn't ruled out.
unknowns(entry) := {name |
	some condition in entry.when
	not _known(condition)
	some name in _names(condition)
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

# Of several alternatives, those that nobody can tell.
_names(condition) := {condition.name} if {
	condition.op != "any"
} else := {one.name |
	some alternative in condition.of
	some one in alternative
	_negatable(one) == null
}

_fails(condition) if {
	condition.path != []
	_known(condition)
	not _holds(condition)
} else if {
	condition.path == []
	_truth(condition) == false
}

_known(condition) if {
	condition.path != []
	object.get(input, condition.path, null) != null
	_other_known(condition)
} else if {
	condition.path == []
	_truth(condition) != null
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
} else if {
	condition.path == []
	_truth(condition) == true
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

# Of a composite condition: true, false, or null for what isn't known. Conditions within it have a truth of their own; none holds one
# of its own kind, since Rego has no recursion.
_truth(condition) := _all([_listed_truth(one) | some one in condition.of]) if {
	condition.op == "all"
} else := _not(_all([_listed_truth(one) | some one in condition.of])) if {
	condition.op == "not"
} else := _any([_all([_negatable(one) | some one in alternative]) | some alternative in condition.of]) if {
	condition.op == "any"
} else := flow.sourced(condition) if {
	condition.op in ["from", "delegated"]
}

_all(truths) := false if {
	false in truths
} else := null if {
	null in truths
} else := true

_any(truths) if {
	true in truths
} else := null if {
	null in truths
} else := false

_not(null) := null

_not(true) := false

_not(false) := true

_negatable(condition) := _not(_all([_listed_truth(one) | some one in condition.of])) if {
	condition.op == "not"
} else := _listed_truth(condition)

# An empty list has every element as it should be, and none that is.
_listed_truth(condition) := _of_list(condition, object.get(input, condition.path, null)) if {
	condition.op in ["every", "some"]
} else := _element_truth(input, condition)

_of_list(_, null) := null

_of_list(condition, list) := _all(_truths(condition, list)) if {
	list != null
	condition.op == "every"
}

_of_list(condition, list) := _any(_truths(condition, list)) if {
	list != null
	condition.op == "some"
}

_truths(condition, list) := [truth |
	some item in list
	scope := {"request": input.request, "facts": input.facts, "item": item}
	truth := _all([_element_truth(scope, one) | some one in condition.of])
]

_element_truth(scope, condition) := _not(_all([_leaf(scope, one) | some one in condition.of])) if {
	condition.op == "not"
} else := _leaf(scope, condition)

_leaf(scope, condition) := _compared(condition, _numbers(scope, condition.left), _numbers(scope, condition.right)) if {
	condition.op == "compare"
} else := known == condition.value if {
	condition.op == "known"
	known := object.get(scope, condition.path, null) != null
} else := null if {
	object.get(scope, condition.path, null) == null
} else := null if {
	condition.op == "same_as"
	object.get(scope, condition.value, null) == null
} else if {
	_matches(scope, condition, _as_list(object.get(scope, condition.path, null)))
} else := false

_matches(_, condition, values) if {
	condition.op == "in"
	some value in values
	value in condition.value
} else if {
	condition.op == "not_in"
	every value in values { not value in condition.value }
} else if {
	condition.op == "at_most"
	some value in values
	value <= condition.value
} else if {
	condition.op == "at_least"
	some value in values
	value >= condition.value
} else if {
	condition.op == "prefix"
	some value in values
	some prefix in condition.value
	startswith(value, prefix)
} else if {
	condition.op == "suffix"
	some value in values
	some suffix in condition.value
	endswith(value, suffix)
} else if {
	condition.op == "domain"
	some value in values
	_domain(value) in condition.value
} else if {
	condition.op == "all_of"
	every wanted in condition.value { wanted in values }
}

_matches(scope, condition, values) if {
	condition.op == "same_as"
	others := _as_list(object.get(scope, condition.value, null))
	some value in values
	value in others
}

# The names of hosts are the same in either case, and with a dot at the end.
_domain(address) := trim_right(lower(split(address, "@")[1]), ".")

_as_list(value) := value if {
	is_array(value)
} else := [value]

_compared(condition, left, right) := null if {
	null in [left, right]
} else if {
	some a in left
	some b in right
	_compare(condition, a, b)
} else := false

_compare(condition, a, b) if {
	condition.than == "is"
	a == b
} else if {
	condition.than == "at_most"
	a <= b
} else if {
	condition.than == "at_least"
	a >= b
} else if {
	condition.than == "more_than"
	a > b
} else if {
	condition.than == "less_than"
	a < b
} else if {
	condition.than == "within"
	abs(a - b) <= condition.ms
}

# What an operand comes to: numbers, or null where that isn't known.
_numbers(_, operand) := [operand.value]

_numbers(_, operand) := [input.facts.time.ms + operand.now]

_numbers(scope, operand) := _counted(object.get(scope, operand.count, null))

_numbers(scope, operand) := _summed(object.get(scope, operand.sum, null), operand.of)

_numbers(scope, operand) := _read(operand.as, object.get(scope, operand.at, null))

_counted(null) := null

_counted(list) := [count(list)] if list != null

_summed(null, _) := null

_summed(list, fields) := null if {
	some item in list
	some field in fields
	item[field] == null
} else := [sum([product([item[field] | some field in fields]) | some item in list])] if {
	fields != []
	list != null
} else := [sum(list)] if {
	list != null
}

_read(_, null) := null

_read(form, value) := _as_list(value) if {
	value != null
	form == "number"
}

_read(form, value) := [moment.ms(each) | some each in _as_list(value)] if {
	value != null
	form == "moment"
}

_read(form, value) := [moment.duration_ms(each) | some each in _as_list(value)] if {
	value != null
	form == "duration"
}
