# METADATA
# title: What follows from where values come from
# description: >-
#   One set of rules for every assistant that works for one user. The host says what a tool does, whether the agent has read what others may have
#   written, and where each destination stands; the instruction, where it is known, says which tools were asked for and which things
#   are meant. Nothing here knows a tool, an address or a text.
# schemas:
#   - input: schema.input
package rules.assist

import data.remit.reason

# METADATA
# title: Nothing but the user can have led to it
# description: On this task the agent has read nothing yet that others may have written.
# custom:
#   code: only_the_user_spoke
#   severity: info
#   message: "nothing was read yet that others may have written"
allow contains reason.because(rego.metadata.rule(), {}) if {
	changes
	attributes.heard == false
}

# METADATA
# title: The instruction asks for it
# custom:
#   code: asked_for
#   severity: info
#   message: "the user's instruction asks for {tool}"
allow contains reason.because(rego.metadata.rule(), {"tool": attributes.tool}) if {
	changes
	by_instruction
}

# METADATA
# title: The purpose alone permits it
# description: Where no instruction is known. Nothing is taken away, and no account changes hands.
# custom:
#   code: within_purpose
#   severity: info
#   message: "the purpose permits it, and where it goes is looked at"
allow contains reason.because(rego.metadata.rule(), {}) if {
	changes
	by_purpose
}

# METADATA
# title: It goes only where the user, the own lists or a record says
# description: What only a text that others may have written names, or nothing at all, is not where the user's things go.
# custom:
#   code: place_from_elsewhere
#   severity: high
#   message: "{at} comes neither from the user nor from a record"
#   tell_agent: This goes somewhere that neither the user nor their own records name.
deny contains reason.because(rego.metadata.rule(), {"at": place.at}) if {
	changes
	are_known
	not only_the_user_spoke
	some place in places
	not vouched(place)
	not from_named_text(place)
}

# METADATA
# title: It can be seen where it goes
# custom:
#   code: places_unknown
#   severity: high
#   message: "nobody found out where this goes"
#   tell_agent: It could not be found out where this goes.
deny contains reason.because(rego.metadata.rule(), {}) if {
	changes
	not are_known
}

are_known if {
	is_array(attributes.places)
	is_array(attributes.brings)
	is_boolean(attributes.heard)
}

# METADATA
# title: A text that the instruction names says where it goes
# description: The bill that the user wants paid has the account on it; whether it still is the biller's, a person has to see.
# custom:
#   code: place_from_named_text
#   severity: medium
#   proceed: false
#   message: "{at} stands only in a text that the instruction names"
#   tell_agent: A person was asked whether this is where it should go.
flag contains reason.because(rego.metadata.rule(), {"at": place.at}) if {
	changes
	are_known
	not only_the_user_spoke
	some place in places
	not vouched(place)
	from_named_text(place)
}

# METADATA
# title: What is changed or removed is what the instruction means
# custom:
#   code: another_thing
#   severity: medium
#   proceed: false
#   message: "the instruction doesn't name {id}"
#   tell_agent: A person was asked whether this is the one that is meant.
flag contains reason.because(rego.metadata.rule(), {"id": input.request.resource.id}) if {
	changes_a_thing
	not only_the_user_spoke
	not by_purpose
	not is_named
}

changes if {
	is_string(attributes.does)
	attributes.does in {"fetch", "keep", "add", "alter", "destroy", "settings"}
}

only_the_user_spoke if attributes.heard == false

by_instruction if {
	task.instruction in {"known", "hands_on"}
	attributes.tool in input.facts.task.subjects.tool
}

# "Do what is on the list": which of the user's papers that means, the list says.
by_purpose if {
	task.instruction in {"unknown", "hands_on"}
	attributes.does in {"fetch", "keep"}
}

by_purpose if {
	task.instruction == "unknown"
	attributes.does in {"add", "alter"}
	some _ in attributes.places
}

changes_a_thing if {
	is_string(attributes.does)
	attributes.does in {"keep", "alter", "destroy"}
	is_string(input.request.resource.id)
}

is_named if concat("/", [input.request.resource.type, input.request.resource.id]) in input.facts.task.subjects.thing

places := array.concat(attributes.places, attributes.brings)

vouched(place) if place.standing in {"instruction", "record"}

vouched(place) if place.at in input.facts.agent.attributes.places

vouched(place) if {
	some domain in input.facts.agent.attributes.domains
	endswith(place.at, concat("", ["@", domain]))
}

# To follow a link as somebody wrote it tells nobody anything of the user's.
vouched(place) if {
	attributes.does == "fetch"
	place.standing in {"named_text", "crowded_text", "text"}
}

from_named_text(place) if {
	is_string(task.instruction)
	task.instruction in {"known", "hands_on"}
	place.standing == "named_text"
}

attributes := input.request.resource.attributes

task := input.facts.task.attributes
