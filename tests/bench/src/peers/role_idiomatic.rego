# The role question as people write it: roles are lists of operations, and one of them has to fit.
package firewarden

default allow := false

allow if {
	some role in input.roles
	some operation in data.roles[role]
	operation.method == input.method
	fits(operation.path, input.path)
}

fits(template, path) if {
	count(template) == count(path)
	not differs(template, path)
}

# With `every` it would read better, but the machine of regorus 0.14.1 then permits what its own interpreter denies: it
# passes over a last element that does not hold.
differs(template, path) if {
	some index, segment in template
	not stands_for(segment, path[index])
}

stands_for(segment, given) if segment == given

# A parameter never stands for `_search` or `_history`.
stands_for(segment, given) if {
	startswith(segment, "{")
	not startswith(given, "_")
}
