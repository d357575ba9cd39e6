// Package semcli holds `shmfs sem` to its contract with the real binary on real mounts: what its commands print, the codes
// they end with, how they wait, and what is left of a run that is ended by a signal or by keys at a terminal.
package semcli
