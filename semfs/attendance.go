package semfs

// Share bounds in how many semaphores one user may wait and poll at once, lest one takes all the threads that there are for it.
type Share interface {
	// Take counts one more of a user's. Its error refuses the wait.
	Take(user uint32) error
	// Give counts one less.
	Give(user uint32)
}

// attendance is who waits and polls at one semaphore, by user. However often a user does, that is one of the user's share, whoever the
// thread was started for. Its owner locks it.
type attendance struct {
	share   Share // nil: no bound; immutable
	present map[uint32]int
}

func newAttendance(share Share) *attendance {
	return &attendance{share: share, present: make(map[uint32]int)}
}

// arrive counts one more. Error: the share's.
func (a *attendance) arrive(user uint32) error {
	if a.present[user] == 0 && a.share != nil {
		if err := a.share.Take(user); err != nil {
			return err
		}
	}
	a.present[user]++
	return nil
}

// depart counts one less.
func (a *attendance) depart(user uint32) {
	a.present[user]--
	if a.present[user] > 0 {
		return
	}
	delete(a.present, user)
	if a.share != nil {
		a.share.Give(user)
	}
}
