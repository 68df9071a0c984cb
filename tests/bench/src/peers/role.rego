# The role question as a Rego policy is written for speed: data as nested objects, so that every step is a lookup.
package firewarden

default allow := false

allow if {
	some role in input.roles
	data.grants[role][input.method][input.path[0]][form]
}

# What follows the type, with the instance's own words left out.
form := "" if {
	count(input.path) == 1
} else := input.path[1] if {
	count(input.path) == 2
	startswith(input.path[1], "_")
} else := "{id}" if {
	count(input.path) == 2
} else := "{id}/_history" if {
	count(input.path) == 3
	input.path[2] == "_history"
} else := "{id}/_history/{vid}" if {
	count(input.path) == 4
	input.path[2] == "_history"
}
