# METADATA
# title: What a purpose file can't say
# schemas:
#   - input: schema.input
package rules.it_helpdesk

import data.remit.reason

# METADATA
# title: Reset links go to the account's own recovery address
# description: The address is the model's to choose, so it is compared with the one the host found on the account.
# custom:
#   code: reset_to_stranger
#   severity: high
#   message: "reset link addressed to {notify}, the account's recovery address is {recovery}"
#   tell_agent: Reset links only go to the account's own recovery address.
deny contains reason.because(rego.metadata.rule(), {"notify": notify, "recovery": recovery}) if {
	is_reset
	not to_the_owner
}

is_reset if {
	input.request.resource.type == "account"
	input.request.verb == "reset"
}

# Said positively, and with a type test: null equals null, and an unknown address is nobody's.
to_the_owner if {
	is_string(notify)
	notify == recovery
}

notify := object.get(input.request.arguments, "notify", null)

recovery := object.get(input.request.resource.attributes, "recovery_email", null)
