package fs

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"

	"shmfs/mmapcore/crashpoint"
	"shmfs/objects"

	"bazil.org/fuse"
	"golang.org/x/sys/unix"
)

// quotas are the limits of single users (docs/quotas.md). They stand in the record, a line for each user.
type quotas struct {
	mu sync.Mutex // serialises changes
}

// mostQuotaText is how long the text of all limits may be, in bytes: what an attribute can hold, and the record.
const mostQuotaText = 64 << 10

// takeUpQuotas has the limits in force that the options say, and those of single users that a process before this one has kept.
func (f *Filesystem) takeUpQuotas() error {
	f.tree.SetQuota(f.facts.Options.everybodysQuota())
	text, err := f.state.quotas.Load()
	if err != nil {
		return fmt.Errorf("reading the users' limits: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		uid, own, err := parseQuota(line, f.tree.User)
		if err != nil {
			return fmt.Errorf("reading the users' limits: %w", err)
		}
		f.tree.SetQuotaOf(uid, own)
	}
	return nil
}

// quotasText is a line for each user who has limits of their own.
func (f *Filesystem) quotasText() []byte { return quotasOf(f.tree.Users()) }

func quotasOf(users []objects.User) []byte {
	var text []byte
	for _, user := range users {
		if user.Own != (objects.Quota{Bytes: objects.AsEverybody, Objects: objects.AsEverybody}) {
			text = fmt.Appendf(text, "%d bytes=%s objects=%s\n", user.UID, quotaWord(user.Own.Bytes), quotaWord(user.Own.Objects))
		}
	}
	return text
}

const defaultWord = "default"

func quotaWord(limit int64) string {
	if limit == objects.AsEverybody {
		return defaultWord
	}
	return strconv.FormatInt(limit, 10)
}

// setQuota changes the limits of one user: EINVAL for what is no line of limits, EOPNOTSUPP for a limit of bytes that nobody could hold them
// to, ENOSPC for one user too many.
func (f *Filesystem) setQuota(line string) error {
	f.quotas.mu.Lock()
	defer f.quotas.mu.Unlock()
	uid, own, err := parseQuota(line, f.tree.User)
	if err == nil && own.Bytes > 0 && f.options.Load().Commit == Lazy {
		err = fmt.Errorf("bytes cannot be limited under commit=lazy: %w", unix.EOPNOTSUPP)
	}
	if err == nil {
		err = f.keepQuota(uid, own)
	}
	if err != nil {
		f.log.Warn("limits of a user refused", "limits", line, "reason", err)
		return err
	}
	crashpoint.Here("fs: limits of a user are kept")
	f.tree.SetQuotaOf(uid, own)
	f.log.Info("limits of a user", "uid", uid, "bytes", quotaWord(own.Bytes), "objects", quotaWord(own.Objects))
	return nil
}

// keepQuota writes down the limits of all users, of which one has changed. The caller holds mu.
func (f *Filesystem) keepQuota(uid uint32, own objects.Quota) error {
	users := []objects.User{{UID: uid, Own: own}}
	for _, user := range f.tree.Users() {
		if user.UID != uid {
			users = append(users, user)
		}
	}
	text := quotasOf(users)
	if len(text) > mostQuotaText {
		return fmt.Errorf("limits of %d users: %w", len(users), unix.ENOSPC)
	}
	return f.state.quotas.Store(text)
}

// parseQuota reads "UID bytes=N objects=N". What is not in it stays as it is.
func parseQuota(line string, user func(uid uint32) objects.User) (uid uint32, own objects.Quota, err error) {
	words := strings.Fields(line)
	if len(words) == 0 {
		return 0, own, errors.Join(errors.New("the limits name no user"), unix.EINVAL)
	}
	number, err := strconv.ParseUint(words[0], 10, 32)
	if err != nil || number == 0 || number == math.MaxUint32 {
		return 0, own, fmt.Errorf("limits of user %.20q: %w", words[0], unix.EINVAL)
	}
	own = user(uint32(number)).Own
	for _, word := range words[1:] {
		name, value, _ := strings.Cut(word, "=")
		limit, err := parseQuotaWord(value)
		switch {
		case err != nil:
		case name == "bytes":
			own.Bytes = limit
		case name == "objects":
			own.Objects = limit
		default:
			err = unix.EINVAL
		}
		if err != nil {
			return 0, own, fmt.Errorf("limits of user %d: %.40q: %w", number, word, unix.EINVAL)
		}
	}
	return uint32(number), own, nil
}

func parseQuotaWord(text string) (int64, error) {
	if text == defaultWord {
		return objects.AsEverybody, nil
	}
	limit, err := strconv.ParseUint(text, 10, 63)
	return int64(limit), err
}

// everybodysQuota is the limit of who has none of their own.
func (o *Options) everybodysQuota() objects.Quota {
	return objects.Quota{Bytes: o.QuotaBytes, Objects: o.QuotaObjects}
}

// exempt says whether who asks is held to no quota: root. What the kernel writes back by itself is nobody's.
func exempt(request fuse.Request) bool {
	if write, writes := request.(*fuse.WriteRequest); writes && write.Flags&fuse.WriteCache != 0 {
		return false
	}
	return request.Hdr().Uid == 0
}

// objectFor returns an open object for who asks.
func objectFor(request fuse.Request, file *opened) *objects.Object {
	if exempt(request) {
		return file.object.Exempt()
	}
	return file.object
}
