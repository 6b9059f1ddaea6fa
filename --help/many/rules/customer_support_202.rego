# METADATA
# title: What a purpose file can't say about support
# description: >-
#   Comparing what the model wrote with what the host found. Each rule states the good case and negates it, so that what
#   nobody knows doesn't pass.
# schemas:
#   - input: schema.input
package rules.customer_support_202

import data.remit.reason

# METADATA
# title: Replies go to the customer on the ticket
# description: The address is the model's to write, so it is compared with the one that the host found on the ticket.
# custom:
#   code: reply_to_stranger
#   severity: high
#   message: "reply addressed to {to}, the ticket's customer is {customer}"
#   tell_agent: Replies can only go to the customer who opened the ticket.
deny contains reason.because(rego.metadata.rule(), {"to": to, "customer": customer}) if {
	is_reply
	not to_the_customer
}

is_reply if {
	input.request.verb == "create"
	input.request.resource.type == "reply"
}

to_the_customer if {
	is_string(to) # an unknown address isn't that of an unknown customer
	to == customer
}

to := object.get(input.request.arguments, "to", null)

customer := object.get(input.request.resource.attributes, "customer_email", null)

# METADATA
# title: No more goes back than was paid
# custom:
#   code: refund_exceeds_payment
#   severity: high
#   message: "refund of {cents} cents on a payment of {paid} cents"
#   tell_agent: A refund can't be larger than the payment.
deny contains reason.because(rego.metadata.rule(), {"cents": cents, "paid": paid}) if {
	is_refund
	not within_the_payment
}

is_refund if {
	input.request.verb == "refund"
	input.request.resource.type == "payment"
}

within_the_payment if {
	is_number(cents) # null <= 5000 is true
	is_number(paid)
	cents > 0
	cents <= paid
}

# METADATA
# title: A large refund
# description: Waits for a person. An unknown amount counts as large.
# custom:
#   code: large_refund
#   severity: medium
#   proceed: false
#   message: "refund of {cents} cents, more than 5000 need a person"
#   tell_agent: A refund of this size needs a person, who has been asked.
flag contains reason.because(rego.metadata.rule(), {"cents": cents}) if {
	is_refund
	not is_small
}

is_small if {
	is_number(cents)
	cents <= 5000
}

cents := object.get(input.request.arguments, "refund_cents", null)

paid := object.get(input.request.resource.attributes, "amount_cents", null)
