package faults

import "slices"

// way is how a daemon comes to a crash point to which what clients do does not lead by itself.
type way struct {
	after string          // the point at which it dies first: whoever goes on comes to this one
	deed  func(*crashing) // something done again and again until it has died; nil: nothing
}

// ways are the ways to points, by the points' names. Not every death leads on: it is tried again then.
var ways = map[string]way{
	"fs: what a dead process has made is adopted":                            {after: "objects: a name is made"},
	"objects: a dead process's change of links is settled":                   {after: "objects: a link is made"},
	"objects: a dead process's charge is settled":                            {after: "objects: growth is charged"},
	"objects: what a dead process had kept is let go":                        {after: "objects: a node is in no table any more"},
	"objects: a node of a dead process that has a name is noted as not kept": {after: "objects: an inode is recorded as kept"},
	"fs: an attempt that was answered counts no more":                        {after: "fs: a reply is sent"},
	"fs: an event is about to be told":                                       {deed: (*crashing).listen},
	"fs: an event is told":                                                   {deed: (*crashing).listen},
	"fs: a command's event is told":                                          {deed: (*crashing).listen},
	"objects: a creator is recorded":                                         {deed: (*crashing).comeAndGo},
	"objects: a creator's record is gone":                                    {deed: (*crashing).comeAndGo},
	"fs: a text is kept":                                                     {deed: (*crashing).readText},
	"fs: what was read of the events is recorded":                            {deed: (*crashing).readEvents},
	"fs: limits of a user are kept":                                          {deed: (*crashing).setQuota},
	"objects: what is to be given away is charged to who gets it":            {deed: (*crashing).giveAway},
	"objects: what is to be given away is marked":                            {deed: (*crashing).giveAway},
	"objects: what was given away is recorded as whose it is":                {deed: (*crashing).giveAway},
	"objects: a whiteout is made":                                            {deed: (*crashing).leaveWhiteout},

	"shmfs: a worker is about to be told to hand over": {deed: (*crashing).replaceWorker},
	"shmfs: a worker is told to hand over":             {deed: (*crashing).replaceWorker},
	"shmfs: a worker serves no more":                   {deed: (*crashing).replaceWorker},
	"shmfs: a worker has handed over":                  {deed: (*crashing).replaceWorker},
	"shmfs: a worker is told whom it follows":          {deed: (*crashing).replaceWorker},
	"shmfs: the baton is about to be taken":            {deed: (*crashing).replaceWorker},
	"shmfs: the baton is taken":                        {deed: (*crashing).replaceWorker},
	"shmfs: a worker is about to serve":                {deed: (*crashing).replaceWorker},
	"shmfs: a reload has come to its end":              {deed: (*crashing).replaceWorker},
	"shmfs: a mount is about to be taken over":         {deed: (*crashing).replaceWorker, after: "shmfs: a worker is told to hand over"},
	"shmfs: a mount is taken over":                     {deed: (*crashing).replaceWorker, after: "shmfs: a worker has handed over"},
}

// requireWays checks that the ways lead from and to points that there are.
func (c *crashing) requireWays() {
	c.t.Helper()
	for name, how := range ways {
		if !slices.Contains(c.names, name) || how.after != "" && !slices.Contains(c.names, how.after) {
			c.t.Errorf("a way leads from %q to %q: one of them is no crash point", how.after, name)
		}
	}
}
