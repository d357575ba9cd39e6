// Package rig gives the integration tests real parts: the shmfs binary built from this checkout, mounts of it and of plain
// tmpfs, and checks that nothing is left behind. A missing right or program fails a test; nothing here skips.
package rig
