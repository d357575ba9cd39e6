package fs

import (
	"errors"
	"strings"
	"testing"
)

// FuzzParseOptions holds the parser to three promises for any text: it says no in one line, what it accepts survives
// String and is the same mount to ParseRemount, and no numbers out of range get through.
func FuzzParseOptions(f *testing.F) {
	for _, seed := range []string{
		"", ",", "size=1G,commit=lazy", "size=50%,nr_inodes=1M,mode=0755,uid=0,gid=root", "size=-1", "size=1.5G", "size=",
		"size=9223372036854775808", "quota-uid=1%,quota-objects=2K", "commit=lazy,quota-uid=1", "quota-uid=1,commit=lazy,commit=strict", "size=18446744073709551615%", "nr_inodes=9007199254740992", "mode=7777,mode=99",
		"huge=within_size,ro,noexec,nosuid,nodev", "huge=sometimes", "store=/a\\,b\\\\c,fsname=\\,", "store=relative/../path",
		"store=\x00", "fsname=\xff\xfe", "passthrough=off,require-passthrough", "passthrough=auto,require-passthrough",
		"allow_other,noallow_other", "remount,size=1", "x-a=b,comment=c", "sise=1", "uid=4294967295", "=", "a=b=c", "\\", "\\,\\",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		options, err := ParseOptions(text)
		if err != nil {
			var told *OptionError
			if !errors.As(err, &told) || strings.Contains(err.Error(), "\n") || err.Error() == "" {
				t.Fatalf("%q: %v is no one-line *OptionError", text, err)
			}
			return
		}
		if options.Size < 0 || options.Inodes < 0 || options.QuotaBytes < 0 || options.QuotaObjects < 0 || options.Mode > 0o7777 || options.Store == "" || options.FSName == "" {
			t.Fatalf("%q: out of range: %+v", text, options)
		}
		requireRoundTrip(t, options)
		if again, err := ParseRemount(options.String(), options); err != nil || again != options {
			t.Fatalf("%q: the mount refuses its own options: %v, %v", text, again, err)
		}
		if _, err := ParseRemount(text, options); err != nil {
			t.Fatalf("%q: the mount refuses the list that made it: %v", text, err)
		}
	})
}
