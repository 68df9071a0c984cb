# The role question once somebody else has found the operation: three lookups.
package firewarden

default allow := false

allow if {
	some role in input.roles
	data.operations[role][input.operation]
}
