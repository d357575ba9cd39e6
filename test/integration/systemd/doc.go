// Package systemd tests packaging/systemd/shmfs@.service under systemd itself: it is process 1 of a container that the tests make, has the
// unit installed as an administrator would, and clients whose files are open, mapped and locked while services are killed and restarted.
package systemd
