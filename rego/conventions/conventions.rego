# METADATA
# title: How rules are written
# description: |
#   Reads parsed modules (`opa parse`) rather than running them. `violations` stop a build.
#   The input is {"purposes": [name], "modules": [{"file": name, "module": parsed}]}.
package conventions

effects := {"allow", "log", "flag", "deny"}

severities := {"info", "low", "medium", "high", "critical"}

iterations_max := 2

# Where the package says `rules.<purpose>`, its rules give reasons; in packages below it they only help.
_rules contains {"file": m.file, "rule": rule, "effect": effect} if {
	some m in input.modules
	path := _package(m.module)
	path[0] == "rules"
	count(path) == 2
	some rule in m.module.rules
	effect := rule.head.ref[0].value
	effect in effects
}

_package(module) := [part.value | some i, part in module["package"].path; i > 0]

_metadata(rule) := metadata if {
	some metadata in rule.annotations
	metadata.scope == "rule"
}

_custom(rule) := object.get(_metadata(rule), "custom", {})

_at(file, node) := {"file": file, "row": node.location.row, "col": node.location.col}

_found(file, node, code, message, hint) := object.union(
	_at(file, node),
	{"code": code, "message": message, "hint": hint},
)

violations contains _found(m.file, m.module["package"].path[1], "package_not_of_a_purpose", message, hint) if {
	some m in input.modules
	not _of_a_purpose(_package(m.module))
	message := $"package `{_package(m.module)}` belongs to no purpose"
	hint := "write `package rules.<purpose>` with a purpose of purposes.yaml"
}

_of_a_purpose(path) if {
	path[0] == "rules"
	path[1] in input.purposes
}

violations contains _found(m.file, m.module["package"].path[0], "schema_missing", message, hint) if {
	some m in input.modules
	not _checked_against_schema(m.module)
	message := "the package isn't checked against the vocabulary, so a mistyped field would pass"
	hint := "put `# METADATA`, `# schemas:`, `#   - input: schema.input` above `package`"
}

_checked_against_schema(module) if {
	some metadata in module.annotations
	metadata.scope == "package"
	some schema in metadata.schemas
	[part.value | some part in schema.path] == ["input"]
	[part.value | some part in schema.schema] == ["schema", "input"]
}

violations contains _found(r.file, r.rule, "metadata_missing", message, hint) if {
	some r in _rules
	not _metadata(r.rule)
	message := $"this `{r.effect}` rule has no METADATA"
	hint := "put a METADATA block with title, code, severity and message right above it, at column 1"
}

violations contains _found(r.file, r.rule, "title_missing", message, hint) if {
	some r in _rules
	metadata := _metadata(r.rule)
	not _said(metadata, "title")
	message := $"this `{r.effect}` rule's METADATA has no title"
	hint := "say in a few words what the rule is about: `# title: A large refund`"
}

violations contains _found(r.file, r.rule, $"{member}_missing", message, hint) if {
	some r in _rules
	_metadata(r.rule)
	some member, hint in {
		"code": "add `#   code: large_refund` under `# custom:`",
		"severity": "add `#   severity: medium` under `# custom:`",
		"message": "add a template for those who operate, such as `#   message: \"refund of {cents} cents\"`, under `# custom:`",
	}
	not _said(_custom(r.rule), member)
	message := $"this `{r.effect}` rule's METADATA has no {member}"
}

violations contains _found(r.file, r.rule, "code_malformed", message, hint) if {
	some r in _rules
	code := _custom(r.rule).code
	_said(_custom(r.rule), "code")
	not regex.match(`^[a-z][a-z0-9_]*(\.[a-z0-9_]+)*$`, code)
	message := $"`{code}` is not a code"
	hint := "codes are snake_case: `large_refund`"
}

violations contains _found(r.file, r.rule, "severity_unknown", message, hint) if {
	some r in _rules
	severity := _custom(r.rule).severity
	not severity in severities
	message := $"`{severity}` is not a severity"
	hint := "one of info, low, medium, high, critical"
}

violations contains _found(r.file, r.rule, "proceed_missing", message, hint) if {
	some r in _rules
	r.effect == "flag"
	_metadata(r.rule)
	not is_boolean(object.get(_custom(r.rule), "proceed", null))
	message := "this `flag` rule's METADATA doesn't say whether the action goes on"
	hint := "add `#   proceed: true` (a person looks later) or `false` (waits for a person) under `# custom:`"
}

violations contains _found(r.file, r.rule, "proceed_meaningless", message, hint) if {
	some r in _rules
	r.effect != "flag"
	_custom(r.rule).proceed != null
	message := $"`proceed` says nothing on a `{r.effect}` rule"
	hint := "take it out, or make the rule a `flag`"
}

violations contains _found(r.file, r.rule, "code_twice", message, hint) if {
	some r in _rules
	code := _custom(r.rule).code
	some other in _rules
	other != r
	_custom(other.rule).code == code
	message := $"code `{code}` is given by {other.file}:{other.rule.location.row} too"
	hint := "a code names one rule; say alternatives in a helper"
}

violations contains _found(r.file, r.rule, "not_a_set", message, hint) if {
	some r in _rules
	not _is_set_rule(r.rule)
	message := $"`{r.effect}` is a set of reasons"
	hint := $"write `{r.effect} contains reason.because(rego.metadata.rule(), params) if …`"
}

_is_set_rule(rule) if {
	rule.head.key
	not rule.head.value
	count(rule.head.ref) == 1
}

# `reason.of` is undefined without METADATA: the rule would vanish, which only an `allow` may.
violations contains _found(r.file, r.rule, "reason_not_because", message, hint) if {
	some r in _rules
	_is_set_rule(r.rule)
	not _gives_reason(r.effect, r.rule.head.key)
	message := $"the head of this `{r.effect}` rule doesn't call reason.because with its own METADATA"
	hint := "write `reason.because(rego.metadata.rule(), {…})`, with `import data.remit.reason`"
}

_gives_reason(effect, key) if {
	key.type == "call"
	_called(key.value) in _reason_calls(effect)
	key.value[1].type == "call"
	_called(key.value[1].value) == "rego.metadata.rule"
}

_reason_calls("allow") := {"reason.because", "reason.of", "data.remit.reason.because", "data.remit.reason.of"}

_reason_calls(effect) := {"reason.because", "data.remit.reason.because"} if effect != "allow"

violations contains _found(m.file, rule, "entrypoint_declared", message, hint) if {
	some m in input.modules
	some rule in m.module.rules
	some metadata in rule.annotations
	metadata.entrypoint == true
	message := "a policy set has no entrypoints of its own"
	hint := "take `entrypoint: true` out; `remit/decide` asks the rules"
}

violations contains _found(m.file, call.node, "pattern_not_constant", message, hint) if {
	some m in input.modules
	some call in _calls(m.module)
	startswith(call.name, "regex.")
	not _constant_text(m.module, call.args[0])
	message := $"the pattern of {call.name} is not a constant"
	hint := "a pattern from the input could cost anything; write it as a raw string"
}

violations contains _found(m.file, call.node, "pattern_unsafe", message, hint) if {
	some m in input.modules
	some call in _calls(m.module)
	startswith(call.name, "regex.")
	call.args[0].type == "string"
	contains(call.args[0].value, `\C`)
	message := "`\\C` matches bytes in the engine and is an error in OPA"
	hint := "match characters: `.`, or `(?s).` with line breaks"
}

violations contains _found(m.file, call.node, "floor_of_negatives", message, hint) if {
	some m in input.modules
	some call in _calls(m.module)
	call.name == "floor"
	message := "floor differs between the engine and OPA from -1 to 0"
	hint := "use `round`, or integers"
}

_constant_text(_, term) if term.type == "string"

_constant_text(module, term) if {
	term.type == "var"
	some rule in module.rules
	rule.head.ref[0].value == term.value
	rule.head.value.type == "string"
	not rule.default
}

# Calls stand in an expression's `terms` or in a term of type `call`, both with the function's ref first.
_calls(module) := {{"node": node[0], "name": _called(node), "args": array.slice(node, 1, count(node))} |
	walk(module.rules, [_, node])
	is_array(node)
	node[0].type == "ref"
	node[0].value[0].type == "var"
	node[0].location
}

_called(node) := _dotted(node[0].value)

_dotted(ref) := concat(".", [part.value | some part in ref; is_string(part.value)])

violations contains _found(m.file, rule, "too_many_iterations", message, hint) if {
	some m in input.modules
	some rule in m.module.rules
	nests := {nest | some body in _bodies(rule); nest := _nested(rule, body)}
	deep := max({count(nest) | some nest in nests} | {0})
	deep > iterations_max
	lines := {sprintf("%d", [_row(rule, path)]) | some nest in nests; count(nest) == deep; some path in nest}
	message := $"{deep} iterations are nested here (lines {concat(", ", lines)}), at most {iterations_max} are allowed"
	hint := "the work grows with their product; split the rule, look things up by key, or have the host join them (docs/policies.md, Rules in Rego)"
}

# Bodies with the paths they stand at: one inside another is nested in it, and so are the expressions of one body.
_bodies(rule) := {path |
	walk(rule, [path, node])
	is_array(node)
	node[0].terms
}

_nested(rule, at) := {path |
	walk(rule, [path, node])
	_iterates(rule, node)
	some body in _bodies(rule)
	_prefixes(body, path)
	_same_line(body, at)
}

# The line of what stands at a path: that of the innermost node around it that has one.
_row(rule, path) := rows[max(object.keys(rows))] if {
	rows := {length: row |
		some length in numbers.range(0, count(path))
		row := object.get(rule, array.concat(array.slice(path, 0, length), ["location", "row"]), null)
		row != null
	}
}

_prefixes(short, long) if array.slice(long, 0, count(short)) == short

# A body counts towards the one at `at` if it is that or encloses it.
_same_line(body, at) if _prefixes(body, at)

_iterates(_, node) if {
	some symbol in node.symbols
	symbol.type == "call"
	_over(symbol.value).type != "set"
	_over(symbol.value).type != "array"
	_over(symbol.value).type != "object"
}

_iterates(_, node) if {
	node.domain
	node.body
	not node.domain.type in {"set", "array", "object"}
}

# `xs[_]` or `xs[i]` with `some i`
_iterates(rule, node) if {
	node.type == "ref"
	some i, part in node.value
	i > 0
	part.type == "var"
	_free(rule, part.value)
}

_over(call) := call[count(call) - 1]

_free(_, name) if startswith(name, "$")

_free(rule, name) if {
	walk(rule.body, [_, node])
	some symbol in node.symbols
	symbol.type == "var"
	symbol.value == name
}

_said(members, name) if {
	is_string(members[name])
	trim_space(members[name]) != ""
}
