// Package inspectcost tests what looking into a mount costs: the table of mappings against grep over /proc, the figures of very many objects, the table of objects and
// readers of events against the requests of others. What is measured is printed.
//
// Environment: SHMFS_STRICT=1 asks for the full numbers and for the bars of the issue, which hold for a machine that does nothing else;
// otherwise there are fewer of everything, and limits that only what is broken exceeds.
package inspectcost
