package differential

import (
	"fmt"
	"strconv"
)

// Sizes of what a worker holds, and what is drawn from.
const (
	fileSlots = 4
	areaSlots = 3
	areaPages = 16
	areaSize  = areaPages * pageSize
	pageSize  = 4096

	// workingDirectory as Call.At means that a relative path starts at the worker's working directory.
	workingDirectory = -1
)

// Watch says which objects a worker looks at around a call. Looking refreshes what the kernel has cached, so that a
// fault in the caching shows only where nobody looked.
type Watch int

const (
	watchAround Watch = iota // before and after: only then can it be said which times the call changed
	watchAfter
	watchNothing
)

// Name is a path or an attribute's name: any bytes but NUL. As text it is quoted, so that it survives JSON.
type Name string

// MarshalText quotes the name.
func (n Name) MarshalText() ([]byte, error) {
	return strconv.AppendQuoteToASCII(nil, string(n)), nil
}

// UnmarshalText undoes MarshalText.
func (n *Name) UnmarshalText(text []byte) error {
	plain, err := strconv.Unquote(string(text))
	if err != nil {
		return fmt.Errorf("unquoting the name %s: %w", text, err)
	}
	*n = Name(plain)
	return nil
}

// String shortens long names, for reports.
func (n Name) String() string {
	if len(n) > 60 {
		return fmt.Sprintf("%q…(%d bytes)", string(n[:8]), len(n))
	}
	return strconv.QuoteToASCII(string(n))
}

// Call is one system call of a sequence. It says everything: no call's meaning depends on how another was drawn, which
// is what makes a sequence shrinkable. Which fields count depends on the operation.
type Call struct {
	Operation string
	Worker    int   `json:",omitempty"`
	Watch     Watch `json:",omitempty"`

	File  int `json:",omitempty"` // descriptor slot, 0 to fileSlots-1
	Other int `json:",omitempty"` // second descriptor slot
	At    int `json:",omitempty"` // descriptor slot that paths start from, or workingDirectory
	Area  int `json:",omitempty"` // mapping slot, 0 to areaSlots-1

	Path      Name `json:",omitempty"`
	Path2     Name `json:",omitempty"`
	Attribute Name `json:",omitempty"`

	Flags      int    `json:",omitempty"`
	Protection int    `json:",omitempty"`
	Mode       uint32 `json:",omitempty"`
	User       int    `json:",omitempty"`
	Group      int    `json:",omitempty"`

	Offset  int64 `json:",omitempty"` // bytes
	Offset2 int64 `json:",omitempty"` // bytes
	Length  int64 `json:",omitempty"` // bytes
	Fill    byte  `json:",omitempty"` // first byte of the data written

	Access stamp `json:",omitempty,omitzero"`
	Modify stamp `json:",omitempty,omitzero"`
}

// stamp is a time given to utimensat(2): seconds since 1970 and nanoseconds, or unix.UTIME_NOW, unix.UTIME_OMIT there.
type stamp struct {
	Seconds, Nanoseconds int64
}

// String is the call as a readable system call.
func (c Call) String() string {
	operation, known := operationNamed[c.Operation]
	if !known {
		return c.Operation + "(?)"
	}
	return operation.show(c)
}

// start is the prefix of a path shown: the descriptor it is relative to.
func (c Call) start() string {
	if c.At == workingDirectory {
		return "AT_FDCWD"
	}
	return slot(c.At)
}

func slot(n int) string { return fmt.Sprintf("fd%d", n) }
func area(n int) string { return fmt.Sprintf("area%d", n) }
