# The comparison's rules as OPA's documentation would write them: agents, purposes and tasks are data, the rules are the same
# for all, and reasons are objects. The rules in words are in oracle.ts.
package desk

purpose := data.purposes[input.purpose]

task := data.tasks[input.task]

resource := input.resource

registered if input.purpose in data.agents[input.agent].purposes

own_task if task.agent == input.agent

never if input.verb in purpose.never[resource.type]

permitted if {
	input.verb in purpose.permits[resource.type]
	reachable
}

reachable if input.verb == "read"

reachable if not other_customer

other_customer if resource.attributes.customer != task.customer

default reason := null

reason := {"code": "purpose_not_registered", "severity": "high", "params": {"agent": input.agent, "purpose": input.purpose}} if {
	not registered
} else := {"code": "task_of_another_agent", "severity": "high", "params": {"agent": input.agent, "task": input.task}} if {
	not own_task
} else := {"code": "never_permitted", "severity": "high", "params": {"verb": input.verb, "type": resource.type}} if {
	never
} else := {"code": "not_permitted", "severity": "medium", "params": {"verb": input.verb, "type": resource.type}} if {
	not permitted
}

flag contains {"code": "other_customer", "severity": "medium", "params": {"customer": resource.attributes.customer}} if {
	other_customer
}

flag contains {"code": "large_amount", "severity": "medium", "params": {"limit_cents": purpose.limit_cents}} if {
	resource.attributes.amount_cents > purpose.limit_cents
}

answer := {"decision": "deny", "reasons": [reason]} if {
	reason != null
} else := {"decision": "flag", "reasons": flag} if {
	count(flag) > 0
} else := {"decision": "allow", "reasons": []}
