// Package top drives `shmfs top` in a real terminal (tmux), on real mounts: what its screens show, its keys, sizes, and what it does when
// the mount hangs or goes.
package top
