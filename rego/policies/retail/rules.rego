# METADATA
# title: What a purpose file can't say about the shop
# description: >-
#   Every item of a list against another list. Each rule states the good case and negates it, so that what nobody knows is denied.
# schemas:
#   - input: schema.input
package rules.retail_service

import data.remit.reason

# METADATA
# title: Only what was ordered, and no more of it
# custom:
#   code: items_not_ordered
#   severity: medium
#   message: "order {id} doesn't hold every item named, or not as often"
#   tell_agent: An item can be named only as often as the order holds it.
deny contains reason.because(rego.metadata.rule(), {}) if {
	names_items
	not all_ordered
}

names_items if input.request.verb in {"modify_items", "return", "exchange"}

all_ordered if every item in named {
	times(item, named) <= times(item, attributes.ordered)
}

times(item, items) := count([i | some i in items; i == item])

# METADATA
# title: An item is changed for one of the same product
# description: A shirt for a shirt, never for a shoe.
# custom:
#   code: other_product
#   severity: medium
#   message: "an item of order {id} would become another product"
#   tell_agent: An item can only be changed for another option of the same product.
deny contains reason.because(rego.metadata.rule(), {}) if {
	changes_items
	not same_products
}

changes_items if input.request.verb in {"modify_items", "exchange"}

same_products if every pair in pairs {
	is_string(pair.product)
	pair.product == pair.new_product
}

# METADATA
# title: What an item is changed for is available
# custom:
#   code: item_unavailable
#   severity: low
#   message: "a new item for order {id} isn't known to be available"
#   tell_agent: Every new item must be available.
deny contains reason.because(rego.metadata.rule(), {}) if {
	changes_items
	not all_available
}

all_available if every pair in pairs {
	pair.available == true
}

# METADATA
# title: An item is changed for another option
# custom:
#   code: same_item
#   severity: low
#   message: "an item of order {id} would be changed for itself"
#   tell_agent: The new item must be another option than the one it replaces.
deny contains reason.because(rego.metadata.rule(), {}) if {
	changes_items
	not all_new
}

all_new if every pair in pairs {
	is_string(pair.item)
	is_string(pair.new_item)
	pair.item != pair.new_item
}

# The pairs that the host resolved, if they are those of the arguments: no fewer, no others, in the same order.
pairs := attributes.pairs if {
	[pair.item | some pair in attributes.pairs] == named
	[pair.new_item | some pair in attributes.pairs] == input.request.arguments.new_items
}

named := input.request.arguments.items

attributes := input.request.resource.attributes
