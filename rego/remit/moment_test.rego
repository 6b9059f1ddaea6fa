package remit.moment_test

import data.remit.moment

test_a_date_or_a_time_is_a_moment[text] if {
	some text, ms in {
		"1970-01-01": 0,
		"1970-01-01T00:00:01.250Z": 1250,
		"2024-02-29T12:34:56Z": 1709210096000,
		"2000-03-01": 951868800000,
		"1900-02-28": -2203977600000,
		"1900-03-01": -2203891200000,
		"9999-12-31T23:59:59.999Z": 253402300799999,
		"0001-01-01": -62135596800000,
	}
	moment.ms(text) == ms
}

test_a_duration_has_a_length[text] if {
	some text, ms in {
		"0s": 0,
		"15ms": 15,
		"15m": 900000,
		"36h": 129600000,
		"999999999d": 86399999913600000,
	}
	moment.duration_ms(text) == ms
}

test_of_an_unknown_there_is_no_number if {
	not moment.ms(null)
	not moment.duration_ms(null)
}
