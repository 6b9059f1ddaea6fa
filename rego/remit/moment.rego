# METADATA
# title: Dates, times and durations as milliseconds
# description: |
#   What a vocabulary calls `date`, `time` and `duration` are texts of one form each, and the door lets no other in. Compare what is made of
#   them with `input.facts.time.ms`. Of an unknown there is no number: both functions are undefined.
package remit.moment

# METADATA
# title: The moment that a date or a time is, in milliseconds since 1970
# description: "`2026-03-01` is the beginning of that day in UTC, `2026-03-01T09:30:00Z` and `2026-03-01T09:30:00.250Z` are times."
ms(text) := (_days(digits) * 86400000) + _of_day(digits) if {
	is_string(text)
	digits := [_digit[character] | some character in split(text, "")]
}

# METADATA
# title: A duration in milliseconds
# description: "`250ms`, `90s`, `15m`, `36h` or `30d`."
duration_ms(text) := amount * _unit[trim_left(text, "0123456789")] if {
	is_string(text)
	digits := split(trim_right(text, "msdh"), "")
	last := count(digits) - 1
	amount := sum([part | some i, digit in digits; part := _digit[digit] * _power[last - i]])
}

_digit := {"0": 0, "1": 1, "2": 2, "3": 3, "4": 4, "5": 5, "6": 6, "7": 7, "8": 8, "9": 9}

_power := [1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000]

_unit := {"ms": 1, "s": 1000, "m": 60000, "h": 3600000, "d": 86400000}

# Days of the months before each, from January on.
_before := [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334]

# Days from 1970-01-01 on. A leap day counts once its February is over.
_days(digits) := ((((365 * year) + leaps) + _before[month - 1]) + _two(digits, 6)) - 719528 if {
	year := (100 * _two(digits, 0)) + _two(digits, 2)
	month := _two(digits, 4)
	over := _ended(year, month)
	leaps := (floor(over / 4) - floor(over / 100)) + floor(over / 400)
}

_ended(year, month) := year if {
	month > 2
} else := year - 1

_of_day(digits) := 0 if {
	count(digits) == 8
} else := (((((_two(digits, 8) * 60) + _two(digits, 10)) * 60) + _two(digits, 12)) * 1000) + _thousandths(digits)

_thousandths(digits) := (_two(digits, 14) * 10) + digits[16] if {
	count(digits) == 17
} else := 0

_two(digits, i) := (digits[i] * 10) + digits[i + 1]
