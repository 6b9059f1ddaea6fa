package rules.customer_support_test

import data.remit.given
import data.rules.customer_support

reply(customer, to) := given.request("create", "reply", {"customer_email": customer}, {"to": to})

refund(paid, cents) := given.request("refund", "payment", {"amount_cents": paid}, {"refund_cents": cents})

test_replies_go_to_the_customer_on_the_ticket[name] if {
	some name, case in {
		"the customer": {"to": "ada@example.com", "denied": set()},
		"someone else": {"to": "eve@example.net", "denied": {"reply_to_stranger"}},
		"the customer in other case": {"to": "Ada@example.com", "denied": {"reply_to_stranger"}},
		"the customer among others": {"to": ["ada@example.com"], "denied": {"reply_to_stranger"}},
		"an empty address": {"to": "", "denied": {"reply_to_stranger"}},
		"no address": {"to": null, "denied": {"reply_to_stranger"}},
	}
	got := given.codes(customer_support.deny) with input as reply("ada@example.com", case.to)
	got == case.denied
}

test_nobody_gets_a_reply_while_the_customer_is_unknown[name] if {
	some name, to in {"somebody": "ada@example.com", "an empty address": "", "no address": null}
	got := given.codes(customer_support.deny) with input as reply(null, to)
	got == {"reply_to_stranger"}
}

test_a_reply_without_its_fields_is_denied if {
	got := given.codes(customer_support.deny) with input as given.request("create", "reply", {}, {})
	got == {"reply_to_stranger"}
}

test_no_more_goes_back_than_was_paid[name] if {
	some name, case in {
		"all of it": {"paid": 4900, "cents": 4900, "denied": set()},
		"one cent": {"paid": 4900, "cents": 1, "denied": set()},
		"a cent too much": {"paid": 4900, "cents": 4901, "denied": {"refund_exceeds_payment"}},
		"nothing": {"paid": 4900, "cents": 0, "denied": {"refund_exceeds_payment"}},
		"less than nothing": {"paid": 4900, "cents": -1, "denied": {"refund_exceeds_payment"}},
		"no amount": {"paid": 4900, "cents": null, "denied": {"refund_exceeds_payment"}},
		"an amount in words": {"paid": 4900, "cents": "4900", "denied": {"refund_exceeds_payment"}},
		"of an unknown payment": {"paid": null, "cents": 1, "denied": {"refund_exceeds_payment"}},
		"of a payment in words": {"paid": "4900", "cents": 1, "denied": {"refund_exceeds_payment"}},
		"unknown and unknown": {"paid": null, "cents": null, "denied": {"refund_exceeds_payment"}},
	}
	got := given.codes(customer_support.deny) with input as refund(case.paid, case.cents)
	got == case.denied
}

test_a_large_refund_waits_for_a_person[name] if {
	some name, case in {
		"small": {"cents": 5000, "flagged": set()},
		"a cent more": {"cents": 5001, "flagged": {"large_refund"}},
		"unknown": {"cents": null, "flagged": {"large_refund"}},
		"in words": {"cents": "1", "flagged": {"large_refund"}},
	}
	got := given.codes(customer_support.flag) with input as refund(90000, case.cents)
	got == case.flagged
}

test_a_large_refund_does_not_go_on if {
	got := {reason.proceed | some reason in customer_support.flag} with input as refund(90000, 5001)
	got == {false}
}

test_a_refund_without_its_fields_is_denied_and_counts_as_large if {
	asked := given.request("refund", "payment", {}, {})
	given.codes(customer_support.deny) == {"refund_exceeds_payment"} with input as asked
	given.codes(customer_support.flag) == {"large_refund"} with input as asked
}

test_only_replies_and_refunds_are_looked_at[name] if {
	some name, case in {
		"reading a reply": {"verb": "read", "type": "reply"},
		"making a ticket": {"verb": "create", "type": "ticket"},
		"reading a payment": {"verb": "read", "type": "payment"},
		"refunding an invoice": {"verb": "refund", "type": "invoice"},
	}
	asked := given.request(case.verb, case.type, {}, {})
	customer_support.deny == set() with input as asked
	customer_support.flag == set() with input as asked
}
