package differential

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

var attributeNames = []Name{
	"user.a", "user.a", "user.a", "user.a", "user.a", "user.a", "user.a", "user.a", "user.a", "user.a", "user.a", "user.b", "user.b", "trusted.a", "trusted.a",
	"security.a", "security.a", "absent.a", "user.", "user.\xff\n", "", "a",
	Name("user." + strings.Repeat("n", 250)), Name("user." + strings.Repeat("n", 251)),
}

var (
	attributeLengths = []int64{1, 10, 10, 10, 10, 10, 0, 100, 100, 100, 4000, 65536, 65537}
	bufferLengths    = []int64{70000, 70000, 0, 1, 10}
	attributeFlags   = []int{0, 0, 0, 0, 0, unix.XATTR_CREATE, unix.XATTR_REPLACE, unix.XATTR_CREATE | unix.XATTR_REPLACE}
)

var extendedAttributeOperations = []operation{
	{
		name: "setxattr", weight: 18, watches: watchesPath,
		draw: func(d drawer, c *Call) {
			c.Path, c.Attribute, c.Length, c.Fill = d.path(), pick(d, "name", attributeNames), pick(d, "length", attributeLengths), d.fill()
			c.Flags = pick(d, "flags", attributeFlags)
		},
		run: func(_ *worker, c Call) Outcome {
			return result(0, unix.Setxattr(string(c.Path), string(c.Attribute), pattern(c), c.Flags))
		},
		show: func(c Call) string {
			return fmt.Sprintf("setxattr(%v, %v, %s, %s)", c.Path, c.Attribute, showData(c), flagText(c.Flags, xattrFlagNames))
		},
	},
	{
		name: "lsetxattr", weight: 4, watches: watchesPath,
		draw: func(d drawer, c *Call) {
			c.Path, c.Attribute, c.Length, c.Fill = d.path(), pick(d, "name", attributeNames), pick(d, "length", attributeLengths), d.fill()
		},
		run: func(_ *worker, c Call) Outcome {
			return result(0, unix.Lsetxattr(string(c.Path), string(c.Attribute), pattern(c), 0))
		},
		show: func(c Call) string {
			return fmt.Sprintf("lsetxattr(%v, %v, %s, 0)", c.Path, c.Attribute, showData(c))
		},
	},
	{
		name: "fsetxattr", weight: 14, watches: watchesFile,
		draw: func(d drawer, c *Call) {
			c.File, c.Attribute, c.Length, c.Fill = d.file(), pick(d, "name", attributeNames), pick(d, "length", attributeLengths), d.fill()
			c.Flags = pick(d, "flags", attributeFlags)
		},
		run: func(w *worker, c Call) Outcome {
			return result(0, unix.Fsetxattr(w.files[c.File], string(c.Attribute), pattern(c), c.Flags))
		},
		show: func(c Call) string {
			return fmt.Sprintf("fsetxattr(%s, %v, %s, %s)", slot(c.File), c.Attribute, showData(c), flagText(c.Flags, xattrFlagNames))
		},
	},
	{
		name: "getxattr", weight: 6, watches: watchesPath,
		draw: func(d drawer, c *Call) {
			c.Path, c.Attribute, c.Length = d.path(), pick(d, "name", attributeNames), pick(d, "length", bufferLengths)
		},
		run: func(_ *worker, c Call) Outcome {
			buffer := make([]byte, c.Length)
			n, err := unix.Getxattr(string(c.Path), string(c.Attribute), buffer)
			return bytesGot(buffer, n, err)
		},
		show: func(c Call) string { return fmt.Sprintf("getxattr(%v, %v, %d)", c.Path, c.Attribute, c.Length) },
	},
	{
		name: "fgetxattr", weight: 6, watches: watchesFile,
		draw: func(d drawer, c *Call) {
			c.File, c.Attribute, c.Length = d.file(), pick(d, "name", attributeNames), pick(d, "length", bufferLengths)
		},
		run: func(w *worker, c Call) Outcome {
			buffer := make([]byte, c.Length)
			n, err := unix.Fgetxattr(w.files[c.File], string(c.Attribute), buffer)
			return bytesGot(buffer, n, err)
		},
		show: func(c Call) string { return fmt.Sprintf("fgetxattr(%s, %v, %d)", slot(c.File), c.Attribute, c.Length) },
	},
	{
		name: "llistxattr", weight: 5, watches: watchesPath,
		draw: func(d drawer, c *Call) { c.Path, c.Length = d.path(), pick(d, "length", bufferLengths) },
		run: func(_ *worker, c Call) Outcome {
			buffer := make([]byte, c.Length)
			n, err := unix.Llistxattr(string(c.Path), buffer)
			if err != nil {
				return failure(err)
			}
			return Outcome{Value: int64(n), Facts: []Fact{{"names", strings.Join(attributeList(buffer, n), " ")}}}
		},
		show: func(c Call) string { return fmt.Sprintf("llistxattr(%v, %d)", c.Path, c.Length) },
	},
	{
		name: "lremovexattr", weight: 6, watches: watchesPath,
		draw: func(d drawer, c *Call) { c.Path, c.Attribute = d.path(), pick(d, "name", attributeNames) },
		run: func(_ *worker, c Call) Outcome {
			return result(0, unix.Lremovexattr(string(c.Path), string(c.Attribute)))
		},
		show: func(c Call) string { return fmt.Sprintf("lremovexattr(%v, %v)", c.Path, c.Attribute) },
	},
	{
		name: "fremovexattr", weight: 5, watches: watchesFile,
		draw: func(d drawer, c *Call) { c.File, c.Attribute = d.file(), pick(d, "name", attributeNames) },
		run: func(w *worker, c Call) Outcome {
			return result(0, unix.Fremovexattr(w.files[c.File], string(c.Attribute)))
		},
		show: func(c Call) string { return fmt.Sprintf("fremovexattr(%s, %v)", slot(c.File), c.Attribute) },
	},
}

// bytesGot is bytesRead for calls that tell the length alone when the buffer has none.
func bytesGot(buffer []byte, n int, err error) Outcome {
	if err != nil || len(buffer) == 0 {
		return result(int64(n), err)
	}
	return bytesRead(buffer, n, err)
}
