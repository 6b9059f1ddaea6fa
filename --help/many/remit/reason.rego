# METADATA
# title: Reasons from a rule's own METADATA
package remit.reason

# METADATA
# title: The reason that a rule's METADATA describes, or one that says it has none
# description: For `deny`, `flag` and `log`. A rule that forgot its METADATA still fires.
default because(_, _) := {"code": "rule_without_metadata", "severity": "high", "params": {}}

because(metadata, params) := object.union(of(metadata, params), object.filter(metadata.custom, ["proceed"]))

# METADATA
# title: The reason that a rule's METADATA describes
# description: For `allow`. Undefined without METADATA, so that the rule permits nothing.
of(metadata, params) := {
	"code": metadata.custom.code,
	"severity": metadata.custom.severity,
	"params": params,
}
