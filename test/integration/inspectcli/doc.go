// Package inspectcli holds the commands that look into a mount, and work on what is in it, to their contract with the real binary on
// real mounts: what they print, the codes they end with, what they do at a terminal, and that names of any bytes do no harm.
package inspectcli
