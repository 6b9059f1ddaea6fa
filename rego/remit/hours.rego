# METADATA
# title: Local hours, by arithmetic
# description: |
#   A zone's offsets are in the bundle's data, so no clock and no zone database is asked and a decision can be made again
#   years later. A moment the data doesn't cover counts as outside hours.
package remit.hours

_week_minutes := 10080

# The epoch began on a Thursday: three days into a week that begins on Monday.
_epoch_minute := 4320

# METADATA
# title: The moment lies within the purpose's hours
open(hours, ms) if {
	minute := ((floor(ms / 60000) + offset_minutes(hours.zone, ms)) + _epoch_minute) % _week_minutes
	some span in hours.open
	minute >= span[0]
	minute < span[1]
}

# METADATA
# title: The zone's offset from UTC at this moment, in minutes
offset_minutes(name, ms) := offset if {
	zone := data.zones[name]
	bucket := zone.buckets[floor((ms - zone.from_ms) / zone.bucket_ms)]
	since := [entry[1] | some entry in bucket; entry[0] <= ms]
	offset := since[count(since) - 1]
}
