# METADATA
# title: What a purpose file can't say about the shop
# description: >-
#   Who has to be known first, every item of a list, and one of two ways to pay. Each rule states the good case and negates
#   it, so that what nobody knows is denied.
# schemas:
#   - input: schema.input
package rules.retail_service

import data.remit.reason

# METADATA
# title: The customer is found before anything else
# description: By e-mail, or by name and zip code; that somebody states a customer's id isn't enough.
# custom:
#   code: not_authenticated
#   severity: high
#   message: "the customer of this conversation has not been found yet"
#   tell_agent: Find the customer by e-mail, or by name and zip code, before anything else.
deny contains reason.because(rego.metadata.rule(), {}) if {
	not authenticated
	not open_to_anyone
}

authenticated if {
	is_array(input.facts.task.subjects.customer)
	some _ in input.facts.task.subjects.customer
}

open_to_anyone if input.request.verb in {"search", "calculate", "transfer"}

# METADATA
# title: A customer is found by e-mail, or by name and zip code
# description: Less than that could be anybody's.
# custom:
#   code: details_missing
#   severity: medium
#   message: "a customer is looked for with less than an e-mail address, or a name and zip code"
#   tell_agent: Ask for the e-mail address, or for first name, last name and zip code.
deny contains reason.because(rego.metadata.rule(), {}) if {
	input.request.verb == "search"
	not by_email
	not by_name_and_zip
}

by_email if stated("email")

by_name_and_zip if every detail in ["first_name", "last_name", "zip"] {
	stated(detail)
}

stated(detail) if {
	is_string(input.request.arguments[detail])
	input.request.arguments[detail] != ""
}

# METADATA
# title: One customer a conversation
# description: Once the customer is known, a search may find them again, or nobody.
# custom:
#   code: second_customer
#   severity: high
#   message: "the search may find somebody else than the customer of this conversation"
#   tell_agent: You can only help the customer of this conversation.
deny contains reason.because(rego.metadata.rule(), {}) if {
	input.request.verb == "search"
	authenticated
	not finds_nobody
	not finds_the_customer
}

finds_nobody if attributes.exists == false

finds_the_customer if attributes.found in input.facts.task.subjects.customer

# METADATA
# title: Money comes from, and goes back to, the customer's own profile
# custom:
#   code: foreign_payment
#   severity: high
#   message: "the payment method {payment} isn't known to be that of the order's customer"
#   tell_agent: The payment method must be in the customer's own profile.
deny contains reason.because(rego.metadata.rule(), {"payment": payment_id}) if {
	input.request.verb in {"modify_payment", "modify_items", "return", "exchange"}
	not in_their_profile
}

in_their_profile if {
	is_string(payment.customer) # nobody's payment method doesn't suit nobody's order
	payment.customer == attributes.customer
}

# METADATA
# title: A refund goes back where the money came from, or to a gift card
# custom:
#   code: refund_elsewhere
#   severity: high
#   message: "{payment} is neither a gift card nor what order {id} was paid with"
#   tell_agent: A refund can only go to the original payment method or to a gift card of the customer.
deny contains reason.because(rego.metadata.rule(), {"payment": payment_id}) if {
	input.request.verb == "return"
	not back_to_the_original
	not to_a_gift_card
}

back_to_the_original if {
	is_string(payment_id)
	payment_id == attributes.original_payment
}

to_a_gift_card if payment.source == "gift_card"

# METADATA
# title: A gift card covers what is due
# description: The whole order where it takes over the payment, the price difference where items change.
# custom:
#   code: payment_insufficient
#   severity: medium
#   message: "the payment method {payment} isn't known to cover what is due"
#   tell_agent: The gift card does not cover the amount; choose another payment method.
deny contains reason.because(rego.metadata.rule(), {"payment": payment_id}) if {
	input.request.verb in {"modify_payment", "modify_items", "exchange"}
	not covered
}

covered if payment.source in {"credit_card", "paypal"}

covered if {
	payment.source == "gift_card"
	is_number(due) # null <= 5 is true, 5 <= null isn't
	due <= payment.balance_cents
}

due := attributes.total_cents if input.request.verb == "modify_payment"

due := attributes.price_difference_cents if input.request.verb in {"modify_items", "exchange"}

# METADATA
# title: Something is named
# description: An empty list would pass every rule about each of its items.
# custom:
#   code: no_items
#   severity: low
#   message: "no item of order {id} is named"
#   tell_agent: Name the items that the customer has confirmed.
deny contains reason.because(rego.metadata.rule(), {}) if {
	names_items
	not names_one
}

names_items if input.request.verb in {"modify_items", "return", "exchange"}

names_one if some _ in named

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

payment := input.request.related.payment.attributes

payment_id := object.get(input.request.related, ["payment", "id"], null)
