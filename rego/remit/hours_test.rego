package remit.hours_test

import data.remit.hours

# An hour ahead of UTC until the 100th day, two hours from then on, with buckets of 64 days.
zones := {"Here/There": {
	"from_ms": 0,
	"bucket_ms": 64 * day,
	"buckets": [[[0, 60]], [[64 * day, 60], [100 * day, 120]], [[128 * day, 120]]],
}}

minute := 60 * 1000

day := (24 * 60) * minute

# The epoch began on a Thursday; open from eight to six on Thursdays and the last two hours of the week.
week := {"zone": "Here/There", "open": [[4800, 5400], [9960, 10080]]}

thursday(number) := (number * 7) * day

hour := 60 * minute

is_open(ms) if {
	hours.open(week, ms) with data.zones as zones
} else := false

test_spans_are_half_open_and_local[name] if {
	some name, case in {
		"before eight": {"ms": (7 * hour) - 1, "open": false},
		"eight": {"ms": 7 * hour, "open": true},
		"before six": {"ms": (17 * hour) - 1, "open": true},
		"six": {"ms": 17 * hour, "open": false},
		"another day at noon": {"ms": day + (11 * hour), "open": false},
		"a week later": {"ms": thursday(1) + (7 * hour), "open": true},
		"Sunday before ten": {"ms": ((3 * day) + (21 * hour)) - 1, "open": false},
		"Sunday at ten": {"ms": (3 * day) + (21 * hour), "open": true},
		"Sunday before midnight": {"ms": ((3 * day) + (23 * hour)) - 1, "open": true},
		"Monday at midnight": {"ms": (3 * day) + (23 * hour), "open": false},
	}
	got := is_open(case.ms)
	got == case.open
}

test_an_offset_holds_from_its_millisecond_on[name] if {
	some name, case in {
		"the first": {"ms": 0, "offset": 60},
		"the end of a bucket": {"ms": (64 * day) - 1, "offset": 60},
		"the next bucket": {"ms": 64 * day, "offset": 60},
		"before the change": {"ms": (100 * day) - 1, "offset": 60},
		"the change": {"ms": 100 * day, "offset": 120},
		"after the change": {"ms": 101 * day, "offset": 120},
		"a bucket without a change": {"ms": 128 * day, "offset": 120},
		"the last": {"ms": (192 * day) - 1, "offset": 120},
	}
	got := hours.offset_minutes("Here/There", case.ms) with data.zones as zones
	got == case.offset
}

test_hours_follow_the_offset[name] if {
	some name, case in {
		"the Thursday before, at seven in UTC": {"ms": thursday(14) + (7 * hour), "open": true},
		"the Thursday before, at six in UTC": {"ms": thursday(14) + (6 * hour), "open": false},
		"the Thursday after, at six in UTC": {"ms": thursday(15) + (6 * hour), "open": true},
		"the Thursday after, at four in the afternoon in UTC": {"ms": thursday(15) + (16 * hour), "open": false},
	}
	got := is_open(case.ms)
	got == case.open
}

test_a_moment_that_the_data_does_not_cover_is_outside[name] if {
	some name, ms in {
		"before the first bucket": thursday(-1) + (7 * hour),
		"after the last bucket": thursday(28) + (7 * hour),
	}
	got := is_open(ms)
	got == false
}

test_an_unknown_zone_is_outside if {
	not hours.open(object.union(week, {"zone": "Nowhere"}), 7 * hour) with data.zones as zones
}

test_no_span_is_never_open if {
	not hours.open(object.union(week, {"open": []}), 7 * hour) with data.zones as zones
}
