# METADATA
# title: Local hours, by comparing
# description: |
#   When each week begins in a zone is in the bundle's data, so no clock and no zone database is asked and a decision can be
#   made again years later. Arithmetic is dear in the engine, so there is little of it.
package remit.hours

# METADATA
# title: The moment lies within the purpose's hours
# description: A moment that the data doesn't cover lies outside.
open(hours, ms) if {
	zone := data.zones[hours.zone]
	some [since, until, began] in zone.weeks[floor(ms / 1000000000) - zone.first]
	since <= ms
	ms < until
	at := ms - began
	some [from, to] in hours.open
	at >= from
	at < to
}
