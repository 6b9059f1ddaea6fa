package rules.retail_service_test

import data.remit.given
import data.rules.retail_service

# One case changes one thing of an order in which everything is in order.
codes(verb, type, change) := denied if {
	denied := given.codes(retail_service.deny) with input as object.union(in_order(verb, type), change)
}

in_order(verb, type) := given.request(verb, type, attributes, {
	"items": ["shirt_s", "mug"],
	"new_items": ["shirt_m", "cup"],
})

attributes := {
	"ordered": ["shirt_s", "mug", "mug"],
	"pairs": [shirt, mug],
}

shirt := {"item": "shirt_s", "new_item": "shirt_m", "product": "shirt", "new_product": "shirt", "available": true}

mug := {"item": "mug", "new_item": "cup", "product": "mug", "new_product": "mug", "available": true}

attribute(name, value) := {"request": {"resource": {"attributes": {name: value}}}}

argument(name, value) := {"request": {"arguments": {name: value}}}

test_what_is_in_order_is_not_denied[verb] if {
	some verb in ["read", "cancel", "modify_address", "modify_items", "modify_payment", "return", "exchange"]
	got := codes(verb, "order", {})
	got == set()
}

test_what_names_no_items_needs_none[verb] if {
	some verb in ["read", "cancel", "modify_address", "modify_payment"]
	got := codes(verb, "order", object.union(argument("items", null), argument("new_items", null)))
	got == set()
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
