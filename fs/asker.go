package fs

// asker is who opens a file of the daemon's own tree.
type asker struct {
	uid, gid uint32
	thread   uint32 // as the request says; 0 for the daemon itself
}

// as runs a function with the rights of who asks.
func (f *Filesystem) as(from asker, function func() error) error {
	return function()
}
