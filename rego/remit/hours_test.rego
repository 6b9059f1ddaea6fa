package remit.hours_test

import data.remit.hours

minute := 60 * 1000

hour := 60 * minute

day := 24 * hour

# An hour ahead of UTC, and two from Sunday the 11th on; what is known ends with the second bucket. The epoch began on a Thursday.
zones := {"Here/There": {"first": 0, "weeks": [
	[
		[0, monday, monday - (7 * day)],
		[monday, 10 * day, monday],
		[10 * day, next_monday, next_monday - (7 * day)],
		[next_monday, 1000000000, next_monday],
	],
	[
		[1000000000, next_monday + (7 * day), next_monday],
		[next_monday + (7 * day), 2000000000, next_monday + (7 * day)],
	],
]}}

monday := (4 * day) - hour

next_monday := (11 * day) - (2 * hour)

# Open from eight to six on Thursdays and the last two hours of the week.
week := {"zone": "Here/There", "open": [[(3 * day) + (8 * hour), (3 * day) + (18 * hour)], [(7 * day) - (2 * hour), 7 * day]]}

thursday(number) := (number * 7) * day

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
		"before the change, an hour ahead": {"ms": (10 * day) - 1, "at": (6 * day) + hour},
		"at the change, two hours ahead": {"ms": 10 * day, "at": (6 * day) + (2 * hour)},
	}
	open_then := {"zone": "Here/There", "open": [[case.at - 1, case.at + 1]]}
	hours.open(open_then, case.ms) with data.zones as zones
}

test_hours_follow_the_offset[name] if {
	some name, case in {
		"the Thursday before, at seven in UTC": {"ms": thursday(1) + (7 * hour), "open": true},
		"the Thursday before, at six in UTC": {"ms": thursday(1) + (6 * hour), "open": false},
		"the Thursday after, at six in UTC": {"ms": thursday(2) + (6 * hour), "open": true},
		"the Thursday after, at four in the afternoon in UTC": {"ms": thursday(2) + (16 * hour), "open": false},
	}
	got := is_open(case.ms)
	got == case.open
}

test_a_week_goes_on_in_the_next_bucket[name] if {
	some name, case in {
		"the last millisecond of a bucket": {"ms": 999999999, "at": 999999999 - next_monday},
		"the first of the next": {"ms": 1000000000, "at": 1000000000 - next_monday},
	}
	open_then := {"zone": "Here/There", "open": [[case.at, case.at + 1]]}
	hours.open(open_then, case.ms) with data.zones as zones
}

# Open at any hour, so that only what isn't known is outside.
test_a_moment_that_the_data_does_not_cover_is_outside[name] if {
	some name, case in {
		"before the first bucket": {"ms": -1, "open": false},
		"the first moment": {"ms": 0, "open": true},
		"the last moment": {"ms": 1999999999, "open": true},
		"after the last bucket": {"ms": 2000000000, "open": false},
		"in a bucket that begins later": {"ms": 499, "zone": {"first": 0, "weeks": [[[500, 1000, 0]]]}, "open": false},
		"in a bucket that ends before": {"ms": 1000, "zone": {"first": 0, "weeks": [[[500, 1000, 0]]]}, "open": false},
		"far before": {"ms": -20 * day, "open": false},
		"far after": {"ms": 200 * day, "open": false},
	}
	got := is_always_open(object.get(case, "zone", zones["Here/There"]), case.ms)
	got == case.open
}

is_always_open(zone, ms) if {
	hours.open({"zone": "Here/There", "open": [[0, 7 * day]]}, ms) with data.zones as {"Here/There": zone}
} else := false

test_an_unknown_zone_is_outside if {
	not hours.open(object.union(week, {"zone": "Nowhere"}), 7 * hour) with data.zones as zones
}

test_no_span_is_never_open if {
	not hours.open(object.union(week, {"open": []}), 7 * hour) with data.zones as zones
}
