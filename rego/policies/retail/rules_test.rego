package rules.retail_service_test

import data.remit.given
import data.rules.retail_service

# One case changes one thing of a conversation in which Ada has been found and everything is in order.
codes(verb, type, change) := denied if {
	denied := given.codes(retail_service.deny) with input as object.union(in_order(verb, type), change)
}

in_order(verb, type) := object.union(
	given.request(verb, type, attributes, {
		"email": "ada@example.com",
		"items": ["shirt_s", "mug"],
		"new_items": ["shirt_m", "cup"],
	}),
	{
		"request": {"related": {"payment": {
			"type": "payment_method",
			"id": "gift_card_1",
			"attributes": {"customer": "ada", "source": "gift_card", "balance_cents": 5000},
		}}},
		"facts": {"task": {"subjects": {"customer": ["ada"]}}},
	},
)

attributes := {
	"exists": true,
	"customer": "ada",
	"found": null,
	"ordered": ["shirt_s", "mug", "mug"],
	"original_payment": "paypal_1",
	"total_cents": 5000,
	"pairs": [shirt, mug],
	"price_difference_cents": 5000,
}

shirt := {"item": "shirt_s", "new_item": "shirt_m", "product": "shirt", "new_product": "shirt", "available": true}

mug := {"item": "mug", "new_item": "cup", "product": "mug", "new_product": "mug", "available": true}

attribute(name, value) := {"request": {"resource": {"attributes": {name: value}}}}

argument(name, value) := {"request": {"arguments": {name: value}}}

paid_with(name, value) := {"request": {"related": {"payment": {"attributes": {name: value}}}}}

payment_id(id) := {"request": {"related": {"payment": {"id": id}}}}

customers(ids) := {"facts": {"task": {"subjects": {"customer": ids}}}}

test_what_is_in_order_is_not_denied[verb] if {
	some verb in ["read", "cancel", "modify_address", "modify_items", "modify_payment", "return", "exchange"]
	got := codes(verb, "order", argument("email", null))
	got == set()
}

test_nothing_but_finding_the_customer_counting_and_handing_over_comes_before_they_are_found[name] if {
	some name, case in {
		"their profile": {"verb": "read", "type": "customer", "denied": {"not_authenticated"}},
		"an order": {"verb": "read", "type": "order", "denied": {"not_authenticated"}},
		"a product": {"verb": "read", "type": "product", "denied": {"not_authenticated"}},
		"the products": {"verb": "list", "type": "product", "denied": {"not_authenticated"}},
		"cancelling": {"verb": "cancel", "type": "order", "denied": {"not_authenticated"}},
		"moving house": {"verb": "modify_address", "type": "customer", "denied": {"not_authenticated"}},
		"looking for them": {"verb": "search", "type": "customer", "denied": set()},
		"a sum": {"verb": "calculate", "type": "calculation", "denied": set()},
		"a person": {"verb": "transfer", "type": "conversation", "denied": set()},
	}
	got := codes(case.verb, case.type, customers(null))
	got == case.denied
}

test_an_empty_list_of_customers_is_nobody if {
	got := codes("read", "customer", customers([]))
	got == {"not_authenticated"}
}

test_a_search_states_an_email_or_a_name_and_zip_code[name] if {
	some name, case in {
		"an e-mail": {"change": {"email": "ada@example.com"}, "denied": set()},
		"a name and zip code": {"change": {}, "denied": set()},
		"nothing": {"change": {"first_name": null, "last_name": null, "zip": null}, "denied": {"details_missing"}},
		"empty texts": {"change": {"email": "", "first_name": ""}, "denied": {"details_missing"}},
		"no first name": {"change": {"first_name": null}, "denied": {"details_missing"}},
		"no last name": {"change": {"last_name": null}, "denied": {"details_missing"}},
		"no zip code": {"change": {"zip": null}, "denied": {"details_missing"}},
		"an empty zip code": {"change": {"zip": ""}, "denied": {"details_missing"}},
		"an e-mail and no zip code": {"change": {"email": "ada@example.com", "zip": null}, "denied": set()},
	}
	details := object.union({"email": null, "first_name": "Ada", "last_name": "Byron", "zip": "10115"}, case.change)
	got := codes("search", "customer", object.union(customers(null), {"request": {"arguments": details}}))
	got == case.denied
}

test_a_search_finds_the_customer_of_the_conversation_or_nobody[name] if {
	some name, case in {
		"them": {"exists": true, "found": "ada", "denied": set()},
		"nobody": {"exists": false, "found": null, "denied": set()},
		"somebody else": {"exists": true, "found": "bob", "denied": {"second_customer"}},
		"who knows": {"exists": null, "found": null, "denied": {"second_customer"}},
		"somebody, who knows whom": {"exists": true, "found": null, "denied": {"second_customer"}},
	}
	got := codes("search", "customer", object.union(attribute("exists", case.exists), attribute("found", case.found)))
	got == case.denied
}

test_a_payment_method_is_the_customers_own[name] if {
	some name, change in {
		"somebody else's": paid_with("customer", "bob"),
		"nobody knows whose": paid_with("customer", null),
		"nobody's, for nobody's order": object.union(paid_with("customer", null), attribute("customer", null)),
		"an order of nobody": attribute("customer", null),
		"other case": paid_with("customer", "Ada"),
		"a list with them in it": paid_with("customer", ["ada"]),
	}
	every verb in ["modify_items", "modify_payment", "return", "exchange"] {
		codes(verb, "order", change) == {"foreign_payment"}
	}
}

test_what_needs_no_payment_method_asks_for_none[verb] if {
	some verb in ["read", "cancel", "modify_address"]
	got := codes(verb, "order", object.union(paid_with("customer", null), payment_id(null)))
	got == set()
}

test_a_refund_goes_back_to_the_original_or_to_a_gift_card[name] if {
	some name, case in {
		"a gift card": {"source": "gift_card", "id": "gift_card_1", "original": "paypal_1", "denied": set()},
		"the original": {"source": "paypal", "id": "paypal_1", "original": "paypal_1", "denied": set()},
		"the original, of unknown kind": {"source": null, "id": "paypal_1", "original": "paypal_1", "denied": set()},
		"a gift card, the original unknown": {"source": "gift_card", "id": null, "original": null, "denied": set()},
		"another": {"source": "paypal", "id": "paypal_2", "original": "paypal_1", "denied": {"refund_elsewhere"}},
		"an unknown kind": {"source": null, "id": "paypal_2", "original": "paypal_1", "denied": {"refund_elsewhere"}},
		"unknown and unknown": {"source": "paypal", "id": null, "original": null, "denied": {"refund_elsewhere"}},
		"the original unknown": {"source": "paypal", "id": "paypal_1", "original": null, "denied": {"refund_elsewhere"}},
	}
	change := object.union(paid_with("source", case.source), payment_id(case.id))
	got := codes("return", "order", object.union(change, attribute("original_payment", case.original)))
	got == case.denied
}

test_a_gift_card_covers_the_order_that_it_takes_over[name] if {
	some name, case in {
		"to the cent": {"balance": 5000, "total": 5000, "denied": set()},
		"a cent short": {"balance": 4999, "total": 5000, "denied": {"payment_insufficient"}},
		"empty": {"balance": 0, "total": 5000, "denied": {"payment_insufficient"}},
		"balance unknown": {"balance": null, "total": 5000, "denied": {"payment_insufficient"}},
		"total unknown": {"balance": 5000, "total": null, "denied": {"payment_insufficient"}},
		"both unknown": {"balance": null, "total": null, "denied": {"payment_insufficient"}},
	}
	change := object.union(paid_with("balance_cents", case.balance), attribute("total_cents", case.total))
	got := codes("modify_payment", "order", change)
	got == case.denied
}

test_a_gift_card_covers_the_difference_in_price[name] if {
	some name, case in {
		"to the cent": {"balance": 5000, "difference": 5000, "denied": set()},
		"a cent short": {"balance": 4999, "difference": 5000, "denied": {"payment_insufficient"}},
		"money back on an empty card": {"balance": 0, "difference": -100, "denied": set()},
		"balance unknown": {"balance": null, "difference": 1, "denied": {"payment_insufficient"}},
		"difference unknown": {"balance": 5000, "difference": null, "denied": {"payment_insufficient"}},
	}
	change := object.union(paid_with("balance_cents", case.balance), attribute("price_difference_cents", case.difference))
	every verb in ["modify_items", "exchange"] {
		codes(verb, "order", change) == case.denied
	}
}

test_what_has_no_balance_covers_anything[name] if {
	some name, case in {
		"a credit card": {"source": "credit_card", "balance": null, "denied": set()},
		"paypal": {"source": "paypal", "balance": null, "denied": set()},
		"an unknown kind": {"source": null, "balance": null, "denied": {"payment_insufficient"}},
		"an unknown kind with a balance": {"source": null, "balance": 5000, "denied": {"payment_insufficient"}},
	}
	change := object.union(paid_with("source", case.source), paid_with("balance_cents", case.balance))
	every verb in ["modify_items", "modify_payment", "exchange"] {
		codes(verb, "order", change) == case.denied
	}
}

test_what_names_no_items_needs_none[verb] if {
	some verb in ["read", "cancel", "modify_address", "modify_payment"]
	got := codes(verb, "order", object.union(argument("items", null), argument("new_items", null)))
	got == set()
}

test_something_is_named[name] if {
	some name, case in {
		"nothing": {"items": [], "denied": {"no_items"}},
		"no list": {"items": null, "denied": {"no_items", "items_not_ordered"}},
	}
	got := codes("return", "order", argument("items", case.items))
	got == case.denied
}

test_an_exchange_of_nothing_is_denied[verb] if {
	some verb in ["modify_items", "exchange"]
	empty := {"request": {"resource": {"attributes": {"pairs": []}}, "arguments": {"items": [], "new_items": []}}}
	got := codes(verb, "order", empty)
	got == {"no_items"}
}

test_items_are_named_as_often_as_they_were_ordered_at_most[name] if {
	some name, case in {
		"all of them": {"items": ["mug", "shirt_s", "mug"], "denied": set()},
		"one of two": {"items": ["mug"], "denied": set()},
		"two of one": {"items": ["shirt_s", "shirt_s"], "denied": {"items_not_ordered"}},
		"three of two": {"items": ["mug", "mug", "mug"], "denied": {"items_not_ordered"}},
		"one that wasn't ordered, last": {"items": ["mug", "shoe"], "denied": {"items_not_ordered"}},
		"one that wasn't ordered, first": {"items": ["shoe", "mug"], "denied": {"items_not_ordered"}},
	}
	got := codes("return", "order", argument("items", case.items))
	got == case.denied
}

test_nothing_is_returned_from_an_order_of_unknown_content[name] if {
	some name, ordered in {"unknown": null, "empty": []}
	got := codes("return", "order", attribute("ordered", ordered))
	got == {"items_not_ordered"}
}

test_each_item_becomes_another_available_option_of_its_product[name] if {
	some name, case in {
		"another product": {"change": {"new_product": "shoe"}, "denied": {"other_product"}},
		"an unknown new product": {"change": {"new_product": null}, "denied": {"other_product"}},
		"an unknown old product": {"change": {"product": null}, "denied": {"other_product"}},
		"unknown for unknown": {"change": {"product": null, "new_product": null}, "denied": {"other_product"}},
		"not available": {"change": {"available": false}, "denied": {"item_unavailable"}},
		"perhaps available": {"change": {"available": null}, "denied": {"item_unavailable"}},
	}
	every pairs in [[object.union(shirt, case.change), mug], [shirt, object.union(mug, case.change)]] {
		every verb in ["modify_items", "exchange"] {
			codes(verb, "order", attribute("pairs", pairs)) == case.denied
		}
	}
}

test_an_item_is_not_changed_for_itself[verb] if {
	some verb in ["modify_items", "exchange"]
	pairs := [shirt, object.union(mug, {"new_item": "mug"})]
	change := object.union(attribute("pairs", pairs), argument("new_items", ["shirt_m", "mug"]))
	got := codes(verb, "order", change)
	got == {"same_item"}
}

test_pairs_that_are_not_those_of_the_arguments_count_for_nothing[name] if {
	some name, change in {
		"unknown": attribute("pairs", null),
		"none": attribute("pairs", []),
		"one missing": attribute("pairs", [shirt]),
		"one too many": attribute("pairs", [shirt, mug, mug]),
		"another order": attribute("pairs", [mug, shirt]),
		"another item": attribute("pairs", [object.union(shirt, {"item": "shirt_l"}), mug]),
		"another new item": argument("new_items", ["shirt_m", "jug"]),
		"fewer new items": argument("new_items", ["shirt_m"]),
		"no new items": argument("new_items", null),
	}
	every verb in ["modify_items", "exchange"] {
		codes(verb, "order", change) == {"other_product", "item_unavailable", "same_item"}
	}
}

test_a_return_needs_no_pairs if {
	codes("return", "order", object.union(attribute("pairs", null), argument("new_items", null))) == set()
}
