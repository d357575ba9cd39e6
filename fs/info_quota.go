package fs

import (
	"strings"

	"shmfs/fs/table"
	"shmfs/objects"
)

// quotaTable is the table of who holds how much and may hold how much. Like the table of users it tells no names of objects.
func (f *Filesystem) quotaTable(asker) ([]byte, error) {
	strict := f.options.Load().Commit == Strict
	text := table.New(table.Column{Name: "UID", Align: table.Right}, table.Column{Name: "USER"},
		table.Column{Name: "BYTES", Align: table.Right}, table.Column{Name: "BYTES-LIMIT", Align: table.Right},
		table.Column{Name: "OBJECTS", Align: table.Right}, table.Column{Name: "OBJECTS-LIMIT", Align: table.Right},
		table.Column{Name: "OWN"})
	for _, user := range f.tree.Users() {
		text.AddUint(uint64(user.UID))
		text.Add(userName(user.UID))
		if strict {
			text.AddInt(user.Held.Bytes)
		} else {
			text.Add("")
		}
		addLimit(text, user.Limit.Bytes)
		text.AddInt(user.Held.Objects)
		addLimit(text, user.Limit.Objects)
		text.Add(ownWords(user.Own))
	}
	return text.Text(), nil
}

// addLimit appends a limit, an empty field if there is none.
func addLimit(text *table.Table, limit int64) {
	if limit == 0 {
		text.Add("")
		return
	}
	text.AddInt(limit)
}

// ownWords says which limits are a user's own.
func ownWords(own objects.Quota) string {
	var words []string
	if own.Bytes != objects.AsEverybody {
		words = append(words, "bytes")
	}
	if own.Objects != objects.AsEverybody {
		words = append(words, "objects")
	}
	return strings.Join(words, ",")
}
