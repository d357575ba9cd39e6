package top

// change is what happened to an object between two samples.
type change struct {
	rate    float64 // by which what is in memory grew or shrank, bytes a second
	written bool    // the time of its last change moved
	known   bool    // there was a sample before, with this object in it
}

// changes compares the objects of two samples, the first of which may be nil. An object that got its name from another is a new one.
func changes(before, after *Sample) map[string]change {
	if before == nil {
		return nil
	}
	seconds := after.At.Sub(before.At).Seconds()
	if seconds <= 0 {
		return nil
	}
	earlier := make(map[string]*Object, len(before.Objects))
	for i := range before.Objects {
		earlier[before.Objects[i].Name] = &before.Objects[i]
	}
	found := make(map[string]change, len(after.Objects))
	for i := range after.Objects {
		now := &after.Objects[i]
		if was := earlier[now.Name]; was != nil && was.Inode == now.Inode {
			found[now.Name] = change{float64(now.Resident-was.Resident) / seconds, !now.Modified.Equal(was.Modified), true}
		}
	}
	return found
}

// text is a change in eight cells at most: "w" where something was written, and the rate.
func (c change) text() string {
	rate := unknown
	switch {
	case c.rate >= 1:
		rate = "+" + sizeText(int64(c.rate))
	case c.rate <= -1:
		rate = sizeText(int64(c.rate))
	}
	switch {
	case !c.known:
		return unknown
	case c.written:
		return "w " + rate
	}
	return rate
}
