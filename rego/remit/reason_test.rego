package remit.reason_test

import data.remit.reason

metadata(custom) := {"title": "A title", "custom": custom}

test_a_reason_is_what_its_metadata_says if {
	custom := {"code": "a_code", "severity": "low", "message": "{x}", "tell_agent": "No."}
	wanted := {"code": "a_code", "severity": "low", "params": {"x": 1}}
	reason.because(metadata(custom), {"x": 1}) == wanted
	reason.of(metadata(custom), {"x": 1}) == wanted
}

test_only_because_says_whether_the_action_goes_on[name] if {
	some name, proceed in {"goes on": true, "waits": false}
	described := metadata({"code": "a_code", "severity": "low", "proceed": proceed})
	reason.because(described, {}) == {"code": "a_code", "severity": "low", "params": {}, "proceed": proceed}
	reason.of(described, {}) == {"code": "a_code", "severity": "low", "params": {}}
}

# A rule that forbids must not vanish with its METADATA; one that permits must.
test_what_forbids_without_metadata_still_fires[name] if {
	some name, described in incomplete
	got := reason.because(described, {"x": 1})
	got == {"code": "rule_without_metadata", "severity": "high", "params": {}}
}

test_what_permits_without_metadata_vanishes[name] if {
	some name, described in incomplete
	not reason.of(described, {"x": 1})
}

incomplete := {
	"no METADATA": {},
	"only a title": {"title": "A title"},
	"nothing custom": metadata({}),
	"no code": metadata({"severity": "low"}),
	"no severity": metadata({"code": "a_code"}),
}

# METADATA
# title: A rule that describes itself
# custom:
#   code: described
#   severity: low
described := reason.because(rego.metadata.rule(), {"x": 1})

undescribed := reason.because(rego.metadata.rule(), {"x": 1})

test_a_rule_describes_itself if described == {"code": "described", "severity": "low", "params": {"x": 1}}

test_a_rule_that_does_not_describe_itself_says_so if undescribed.code == "rule_without_metadata"
