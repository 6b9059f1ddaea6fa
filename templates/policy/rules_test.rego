package rules.it_helpdesk_test

import data.remit.given
import data.rules.it_helpdesk

reset(recovery, notify) := given.request("reset", "account", {"recovery_email": recovery}, {"notify": notify})

test_reset_links_go_to_the_recovery_address[name] if {
	some name, case in {
		"the owner": {"notify": "ada@example.com", "denied": set()},
		"someone else": {"notify": "eve@example.net", "denied": {"reset_to_stranger"}},
		"the owner in other case": {"notify": "Ada@example.com", "denied": {"reset_to_stranger"}},
		"nobody": {"notify": null, "denied": {"reset_to_stranger"}},
	}
	got := given.codes(it_helpdesk.deny) with input as reset("ada@example.com", case.notify)
	got == case.denied
}

test_no_link_is_sent_while_the_address_is_unknown[name] if {
	some name, notify in {"somebody": "ada@example.com", "nobody": null}
	got := given.codes(it_helpdesk.deny) with input as reset(null, notify)
	got == {"reset_to_stranger"}
}

test_only_resets_send_links if {
	got := given.codes(it_helpdesk.deny) with input as given.request("read", "account", {}, {})
	got == set()
}
