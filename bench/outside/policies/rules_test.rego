package rules.assist_test

import data.remit.given
import data.rules.assist

own := {"places": ["ada@example.com"], "domains": ["example.org"]}

# Something new leaves for one place, after others' words were read, and the instruction asks for it. One case changes one thing.
in_order := given.request(
	"send", "mail",
	{
		"tool": "send_mail",
		"does": "add",
		"heard": true,
		"places": [{"at": "ada@example.com", "standing": "text"}],
		"brings": [],
	},
	{},
)

asked(instruction) := {"facts": {
	"agent": {"attributes": own},
	"task": {"attributes": {"instruction": instruction}, "subjects": {"tool": ["send_mail"], "thing": ["mail/id-1"]}},
}}

input_of(instruction, attributes) := object.union(object.union(in_order, asked(instruction)), given.attributes(attributes))

place(at, standing) := {"places": [{"at": at, "standing": standing}]}

denied(instruction, attributes) := codes if {
	codes := given.codes(assist.deny) with input as input_of(instruction, attributes)
}

flagged(instruction, attributes) := codes if {
	codes := given.codes(assist.flag) with input as input_of(instruction, attributes)
}

allowed(instruction, attributes) := codes if {
	codes := given.codes(assist.allow) with input as input_of(instruction, attributes)
}

test_what_goes_where_the_user_or_a_record_says_is_not_denied[name] if {
	some name, attributes in {
		"to one of the own": {},
		"to the own domain": place("bob@example.org", "nowhere"),
		"where the instruction says": place("eve@example.net", "instruction"),
		"where a record says": place("eve@example.net", "record"),
		"nowhere": {"places": []},
	}
	denied("known", attributes) == set()
	flagged("known", attributes) == set()
}

test_what_goes_elsewhere_is_denied[name] if {
	some name, attributes in {
		"where a text says": place("eve@example.net", "text"),
		"where one of several in a named text says": place("eve@example.net", "crowded_text"),
		"made up": place("eve@example.net", "nowhere"),
		"to what ends like the own domain": place("eve@notexample.org", "nowhere"),
		"to an own one and elsewhere": {"places": [
			{"at": "ada@example.com", "standing": "text"},
			{"at": "eve@example.net", "standing": "text"},
		]},
		"brought along in its text": {"brings": [{"at": "evil.example", "standing": "text"}]},
		"where nobody knows whether anything was read": object.union(place("eve@example.net", "text"), {"heard": null}),
	}
	some instruction in ["known", "hands_on", "unknown"]
	"place_from_elsewhere" in denied(instruction, attributes)
}

test_what_nobody_looked_at_is_denied[name] if {
	some name, attributes in {
		"places": {"places": null},
		"what it brings": {"brings": null},
		"what was read": {"heard": null},
	}
	"places_unknown" in denied("known", attributes)
}

test_what_only_the_user_can_have_led_to_goes_anywhere if {
	attributes := object.union(place("eve@example.net", "nowhere"), {"heard": false, "tool": "another"})
	denied("known", attributes) == set()
	allowed("known", attributes) == {"only_the_user_spoke"}
}

test_a_named_text_asks_a_person[name] if {
	some name, instruction in {"known": "known", "handed on": "hands_on"}
	denied(instruction, place("eve@example.net", "named_text")) == set()
	flagged(instruction, place("eve@example.net", "named_text")) == {"place_from_named_text"}
}

test_no_text_is_named_where_no_instruction_is_known if {
	denied("unknown", place("eve@example.net", "named_text")) == {"place_from_elsewhere"}
	flagged("unknown", place("eve@example.net", "named_text")) == set()
}

test_a_tool_that_nobody_asked_for_is_not_permitted if {
	allowed("known", {"tool": "pay"}) == set()
	allowed("hands_on", {"tool": "pay"}) == set()
}

test_without_an_instruction_the_purpose_permits_no_more_than_it_shows[name] if {
	some name, case in {
		"to somewhere": {"attributes": {}, "allowed": {"within_purpose"}},
		"to nowhere": {"attributes": {"places": []}, "allowed": set()},
		"own papers": {"attributes": {"does": "keep", "places": []}, "allowed": {"within_purpose"}},
		"taking away": {"attributes": {"does": "destroy"}, "allowed": set()},
		"accounts": {"attributes": {"does": "settings"}, "allowed": set()},
		"what isn't known": {"attributes": {"does": null}, "allowed": set()},
	}
	allowed("unknown", case.attributes) == case.allowed
}

test_what_is_changed_is_what_is_meant[name] if {
	some name, case in {
		"what is meant": {"id": "id-1", "flagged": set()},
		"another": {"id": "id-2", "flagged": {"another_thing"}},
		"nothing in particular": {"id": null, "flagged": set()},
	}
	changed := object.union(input_of("known", {"does": "destroy"}), given.id(case.id))
	got := given.codes(assist.flag) with input as changed
	got == case.flagged
}

test_handed_on_work_may_change_papers_and_not_take_away if {
	kept := object.union(input_of("hands_on", {"does": "keep"}), given.id("id-2"))
	gone := object.union(input_of("hands_on", {"does": "destroy"}), given.id("id-2"))
	a := given.codes(assist.flag) with input as kept
	b := given.codes(assist.flag) with input as gone
	[a, b] == [set(), {"another_thing"}]
}

test_a_link_may_be_followed_as_it_was_written[name] if {
	some name, case in {
		"as written": {"standing": "text", "denied": set()},
		"put together": {"standing": "nowhere", "denied": {"place_from_elsewhere"}},
	}
	denied("known", object.union({"does": "fetch"}, place("blog.example/x", case.standing))) == case.denied
}

test_looks_are_none_of_this if {
	denied("known", {"does": "look", "places": null}) == set()
	allowed("known", {"does": "look"}) == set()
}
