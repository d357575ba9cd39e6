package fs

import (
	"errors"
	"math"
	"os"
	"reflect"
	"strings"
	"testing"
)

func TestParseOptions(t *testing.T) {
	share := func(percent uint64) int64 { return int64(physicalMemory() * percent / 100) }
	cases := []struct {
		text string
		want func(*Options)
	}{
		{"", func(*Options) {}},
		{",,defaults,,", func(*Options) {}},
		{"size=0", func(o *Options) { o.Size = 0 }},
		{"size=4097", func(o *Options) { o.Size = 4097 }},
		{"size=3k", func(o *Options) { o.Size = 3 << 10 }},
		{"size=3K", func(o *Options) { o.Size = 3 << 10 }},
		{"size=64M", func(o *Options) { o.Size = 64 << 20 }},
		{"size=1g", func(o *Options) { o.Size = 1 << 30 }},
		{"size=2T", func(o *Options) { o.Size = 2 << 40 }},
		{"size=8388607T", func(o *Options) { o.Size = 8388607 << 40 }},
		{"size=9223372036854775807", func(o *Options) { o.Size = math.MaxInt64 }},
		{"size=10%", func(o *Options) { o.Size = share(10) }},
		{"size=250%", func(o *Options) { o.Size = share(250) }},
		{"size=1G,size=2G", func(o *Options) { o.Size = 2 << 30 }},
		{"nr_inodes=0", func(o *Options) { o.Inodes = 0 }},
		{"nr_inodes=7", func(o *Options) { o.Inodes = 7 }},
		{"nr_inodes=1k", func(o *Options) { o.Inodes = 1 << 10 }},
		{"nr_inodes=2G", func(o *Options) { o.Inodes = 2 << 30 }},
		{"quota-uid=0,quota-objects=0", func(*Options) {}},
		{"quota-uid=64M,quota-objects=10k", func(o *Options) { o.QuotaBytes, o.QuotaObjects = 64<<20, 10<<10 }},
		{"quota-uid=10%", func(o *Options) { o.QuotaBytes = share(10) }},
		{"quota-uid=0,commit=lazy,quota-objects=5", func(o *Options) { o.Commit, o.QuotaObjects = Lazy, 5 }},
		{"mode=700", func(o *Options) { o.Mode = 0o700 }},
		{"mode=07777", func(o *Options) { o.Mode = 0o7777 }},
		{"mode=0", func(o *Options) { o.Mode = 0 }},
		{"uid=12,gid=34", func(o *Options) { o.UID, o.GID = 12, 34 }},
		{"uid=4294967294", func(o *Options) { o.UID = math.MaxUint32 - 1 }},
		{"uid=root,gid=root", func(o *Options) { o.UID, o.GID = 0, 0 }},
		{"huge=within_size", func(o *Options) { o.Huge = "within_size" }},
		{"ro,noexec", func(o *Options) { o.ReadOnly, o.NoExec = true, true }},
		{"ro,rw,noexec,exec", func(*Options) {}},
		{"commit=lazy", func(o *Options) { o.Commit = Lazy }},
		{"commit=lazy,commit=strict", func(*Options) {}},
		{"store=tmpfs", func(*Options) {}},
		{"store=/var/lib/x", inDirectory("/var/lib/x", 0)},
		{"size=5M,store=/var/lib/x", inDirectory("/var/lib/x", 5<<20)},
		{`store=/a\,b\\c\d`, inDirectory(`/a,b\c\d`, 0)},
		{"require-passthrough", func(o *Options) { o.RequirePassthrough = true }},
		{"passthrough=off", func(o *Options) { o.Passthrough = false }},
		{"passthrough=off,passthrough=auto", func(*Options) {}},
		{"allow_other", func(o *Options) { o.AllowOther = true }},
		{"allow_other,noallow_other", func(o *Options) { o.AllowOther = false }},
		{"fsname=jobs of=day", func(o *Options) { o.FSName = "jobs of=day" }},
		{"limit-handles=0,limit-waiters=0", func(o *Options) { o.LimitHandles, o.LimitWaiters = 0, 0 }},
		{"limit-readers=7,limit-requests=1k", func(o *Options) { o.LimitReaders, o.LimitRequests = 7, 1<<10 }},
		{"store=/var/lib/x,limit-handles=5", func(o *Options) { inDirectory("/var/lib/x", 0)(o); o.LimitHandles = 5 }},
		{"rw,exec,nosuid,nodev,defaults,auto,noauto,nofail,nouser,_netdev", func(*Options) {}},
		{"atime,noatime,relatime,norelatime,strictatime,lazytime,diratime,nodiratime", func(*Options) {}},
		{"x-systemd.requires=/data,X-mount.mkdir,comment=mine", func(*Options) {}},
	}
	for _, c := range cases {
		want := DefaultOptions()
		c.want(&want)
		got, err := ParseOptions(c.text)
		if err != nil {
			t.Errorf("ParseOptions(%q): %v", c.text, err)
			continue
		}
		if got != want {
			t.Errorf("ParseOptions(%q)\n got %v\nwant %v", c.text, got, want)
		}
		requireRoundTrip(t, got)
	}
}

// inDirectory is what a directory store leaves of the options.
func inDirectory(path string, size int64) func(*Options) {
	return func(o *Options) {
		o.Store, o.Size = path, size
		o.Inodes, o.Huge, o.Mode, o.UID, o.GID = 0, "", 0, 0, 0
	}
}

func TestParseOptionsErrors(t *testing.T) {
	cases := []struct{ text, want string }{
		{"sise=1G", `unknown option "sise": did you mean "size"?`},
		{"szie=1G", `unknown option "szie": did you mean "size"?`},
		{"nr_inode=4", `unknown option "nr_inode": did you mean "nr_inodes"?`},
		{"require_passthrough", `unknown option "require_passthrough": did you mean "require-passthrough"?`},
		{"comit=lazy", `unknown option "comit": did you mean "commit"?`},
		{"SIZE=1G", `unknown option "SIZE": did you mean "size"?`},
		{"allow-other", `unknown option "allow-other": did you mean "allow_other"?`},
		{"=1", `unknown option "": did you mean "ro"?`},
		{"a\nb", `unknown option "a\nb": did you mean`},
		{"size", `option "size": it needs a value, such as size=1G`},
		{"size=", `option "size": it needs a value, such as size=1G`},
		{"size=-1", `option "size=-1": it cannot be negative`},
		{"size=-5%", `option "size=-5%": it cannot be negative`},
		{"size=1.5G", `option "size=1.5G": fractions are not taken`},
		{"size=0.5%", `option "size=0.5%": fractions are not taken`},
		{"size=1GB", `option "size=1GB": it must be a whole number`},
		{"size=1 G", `option "size=1 G": it must be a whole number`},
		{"size=+1", `option "size=+1": it must be a whole number`},
		{"size=0x10", `option "size=0x10": it must be a whole number`},
		{"size=K", `option "size=K": it must be a whole number`},
		{"size=%", `option "size=%": it must be a whole number`},
		{"size=1G%", `option "size=1G%": it must be a whole number`},
		{"size=9223372036854775808", `option "size=9223372036854775808": it is beyond the largest number`},
		{"size=8388608T", `option "size=8388608T": it is beyond the largest number`},
		{"size=99999999999999999999999999", `it is beyond the largest number`},
		{"size=99999999999999999%", `it is beyond the largest number`},
		{"size=18446744073709551615%", `it is beyond the largest number`},
		{"nr_inodes=-1", `option "nr_inodes=-1": it cannot be negative`},
		{"nr_inodes=50%", `option "nr_inodes=50%": it must be a whole number`},
		{"nr_inodes=9007199254740992", `it is beyond the largest number`},
		{"quota-uid=-1", `option "quota-uid=-1": it cannot be negative`},
		{"quota-uid=1GB", `option "quota-uid=1GB": it must be a whole number`},
		{"quota-uid", `option "quota-uid": it needs a value, such as quota-uid=1G`},
		{"quota-uuid=1", `unknown option "quota-uuid": did you mean "quota-uid"?`},
		{"quota-objects=10%", `option "quota-objects=10%": it must be a whole number`},
		{"quota-objects=9007199254740992", `it is beyond the largest number`},
		{"quota-uid=1G,commit=lazy", `option "quota-uid": under commit=lazy objects grow without the daemon`},
		{"commit=lazy,store=/x,quota-uid=1", `option "quota-uid": under commit=lazy objects grow without the daemon`},
		{"mode=8", `option "mode=8": it must be permission bits in octal`},
		{"mode=10000", `option "mode=10000": it must be permission bits in octal`},
		{"mode=-1", `it must be permission bits in octal`},
		{"mode=rwx", `it must be permission bits in octal`},
		{"uid=-1", `option "uid=-1": it cannot be negative`},
		{"uid=4294967295", `option "uid=4294967295": it must be at most 4294967294`},
		{"gid=99999999999", `option "gid=99999999999": it must be at most 4294967294`},
		{"uid=no such user", `option "uid=no such user": there is no such user`},
		{"gid=no such group", `option "gid=no such group": there is no such group`},
		{"huge=always2", `it must be one of never, always, within_size, advise: did you mean "always"?`},
		{"commit=strickt", `it must be one of strict, lazy: did you mean "strict"?`},
		{"passthrough=on", `it must be one of auto, off: did you mean "off"?`},
		{"passthrough", `option "passthrough": it needs a value, such as passthrough=auto`},
		{"store=", `option "store": it needs a value`},
		{"store=/a\x00b", `a path holds no zero byte`},
		{"fsname=", `option "fsname": it needs a value`},
		{"limit-handles", `option "limit-handles": it needs a value, such as limit-handles=10K`},
		{"limit-waiters=-1", `option "limit-waiters=-1": it cannot be negative`},
		{"limit-readers=5%", `option "limit-readers=5%": it must be a whole number`},
		{"limit-requests=many", `option "limit-requests=many": it must be a whole number`},
		{"limit-request=1", `unknown option "limit-request": did you mean "limit-requests"?`},
		{"fsname=a\tb", `control characters`},
		{"ro=1", `option "ro=1": it takes no value`},
		{"ro=", `option "ro": it takes no value`},
		{"suid", `option "suid": set-user-ID programs never gain rights`},
		{"dev", `option "dev": device nodes are never usable`},
		{"nr_blocks=5", `option "nr_blocks=5": give the limit in bytes with size=`},
		{"require-passthrough,passthrough=off", `option "require-passthrough": it contradicts passthrough=off`},
		{"store=/x,nr_inodes=5", `option "nr_inodes": a directory store has its own`},
		{"huge=always,store=/x", `option "huge": a directory store has its own`},
		{"store=/x,mode=700", `option "mode": a directory store has its own`},
		{"store=/x,commit=lazy,size=1G", `option "size": only commit=strict can limit a directory store`},
		{"remount,size=1G", `option "remount": it changes a mount that exists`},
		{"size=1G," + strings.Repeat("x", 1<<16), `unknown option "` + strings.Repeat("x", 80) + `"...: did you mean`},
	}
	for _, c := range cases {
		got, err := ParseOptions(c.text)
		requireOptionError(t, c.text, err, c.want)
		if got != (Options{}) {
			t.Errorf("ParseOptions(%.60q) failed and returned %v as well", c.text, got)
		}
	}
}

func TestParseRemount(t *testing.T) {
	current := must(t, "size=1G,nr_inodes=1000,commit=lazy,passthrough=off,uid=7")
	cases := []struct {
		text string
		want func(*Options)
	}{
		{"", func(*Options) {}},
		{"remount", func(*Options) {}},
		{"remount,size=2G", func(o *Options) { o.Size = 2 << 30 }},
		{"size=2G,remount,nr_inodes=5,huge=never", func(o *Options) { o.Size, o.Inodes, o.Huge = 2<<30, 5, "never" }},
		{"quota-objects=9,quota-uid=0", func(o *Options) { o.QuotaObjects = 9 }},
		{"ro,noexec", func(o *Options) { o.ReadOnly, o.NoExec = true, true }},
		{"limit-handles=1,limit-waiters=2,limit-readers=3,limit-requests=4", func(o *Options) {
			o.LimitHandles, o.LimitWaiters, o.LimitReaders, o.LimitRequests = 1, 2, 3, 4
		}},
		{"rw,exec,noatime,defaults,x-note=1", func(*Options) {}},
		{"commit=strict,commit=lazy", func(*Options) {}},
		{"commit=lazy,store=tmpfs,uid=7,size=5M", func(o *Options) { o.Size = 5 << 20 }},
		{current.String(), func(*Options) {}},
	}
	for _, c := range cases {
		want := current
		c.want(&want)
		got, err := ParseRemount(c.text, current)
		if err != nil || got != want {
			t.Errorf("ParseRemount(%q)\n got %v, %v\nwant %v", c.text, got, err, want)
		}
	}
}

// What users may hold changes while mounted.
func TestParseRemountOfQuotas(t *testing.T) {
	current := must(t, "quota-uid=1M,quota-objects=5")
	want := current
	want.QuotaBytes, want.QuotaObjects = 2<<20, 0
	got, err := ParseRemount("remount,quota-objects=0,quota-uid=2M", current)
	if err != nil || got != want {
		t.Errorf("got %v, %v\nwant %v", got, err, want)
	}
}

func TestParseRemountErrors(t *testing.T) {
	current := must(t, "size=1G,commit=lazy")
	const fixed = "it cannot change while mounted and needs a new mount"
	cases := []struct{ text, want string }{
		{"commit=strict", `option "commit=strict": ` + fixed},
		{"mode=700", `option "mode=700": ` + fixed},
		{"uid=12345", fixed},
		{"gid=12345", fixed},
		{"store=/elsewhere", `option "store=/elsewhere": ` + fixed},
		{"passthrough=off", fixed},
		{"require-passthrough", `option "require-passthrough": ` + fixed},
		{"fsname=other", fixed},
		{"size=1M,commit=strict,huge=never", `option "commit=strict": ` + fixed},
		{"sise=1G", `unknown option "sise": did you mean "size"?`},
		{"size=-1", `option "size=-1": it cannot be negative`},
		{"suid", `option "suid": set-user-ID programs`},
		{"quota-uid=1G", `option "quota-uid": under commit=lazy objects grow without the daemon`},
		{"quota-uid=1G,commit=strict", `option "commit=strict": ` + fixed},
	}
	inDirectory := must(t, "store=/srv/objects")
	for _, name := range []string{"nr_inodes=5", "huge=never", "mode=700"} {
		_, err := ParseRemount(name, inDirectory)
		requireOptionError(t, name, err, "a directory store has its own")
	}
	for _, c := range cases {
		_, err := ParseRemount(c.text, current)
		requireOptionError(t, c.text, err, c.want)
	}
}

func TestIsRemount(t *testing.T) {
	for text, want := range map[string]bool{
		"": false, "remount": true, "size=1G,remount": true, "remount,size=1G": true, `fsname=a\,remount`: false, "remounted": false,
	} {
		if got := IsRemount(text); got != want {
			t.Errorf("IsRemount(%q) = %v", text, got)
		}
	}
}

func TestRelativeStoreStartsFromWorkingDirectory(t *testing.T) {
	directory, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	got := must(t, "store=link/../objects")
	if want := directory + "/link/../objects"; got.Store != want {
		t.Errorf("Store = %q, want %q", got.Store, want)
	}
	requireRoundTrip(t, got)
}

func TestDefaultOptionsAreTheCallersOwn(t *testing.T) {
	got := DefaultOptions()
	if got.UID != uint32(os.Getuid()) || got.GID != uint32(os.Getgid()) || got.AllowOther != (os.Geteuid() == 0) {
		t.Errorf("uid %d, gid %d, allow other %v are not this process's", got.UID, got.GID, got.AllowOther)
	}
	if got.Size <= 0 || got.Size%int64(os.Getpagesize()) != 0 || got.Inodes != got.Size/int64(os.Getpagesize()) {
		t.Errorf("%d bytes and %d inodes are not half of memory and an inode a page of it", got.Size, got.Inodes)
	}
	requireRoundTrip(t, got)
}

// Every field has to survive String and ParseOptions, also one that is added later.
func TestStringNamesEveryField(t *testing.T) {
	changes := must(t, "size=77,nr_inodes=78,mode=123,uid=79,gid=80,huge=never,ro,noexec,commit=lazy,passthrough=off,fsname=f,quota-objects=81,"+
		"limit-handles=81,limit-waiters=82,limit-readers=83,limit-requests=84")
	changes.AllowOther = !DefaultOptions().AllowOther
	before, after := reflect.ValueOf(DefaultOptions()), reflect.ValueOf(changes)
	for i := range before.NumField() {
		name := before.Type().Field(i).Name
		if name == "RequirePassthrough" || name == "Store" || name == "QuotaBytes" { // contradict others, and have their own cases
			continue
		}
		if before.Field(i).Equal(after.Field(i)) {
			t.Errorf("the test changes no %s", name)
		}
	}
	requireRoundTrip(t, changes)
	requireRoundTrip(t, must(t, "require-passthrough"))
	requireRoundTrip(t, must(t, "store=/s,size=77"))
	requireRoundTrip(t, must(t, "quota-uid=77"))
	requireRoundTrip(t, must(t, "store=/s,quota-uid=77,quota-objects=78"))
	requireRoundTrip(t, must(t, "store=/s,commit=lazy"))
}

func must(t *testing.T, text string) Options {
	t.Helper()
	options, err := ParseOptions(text)
	if err != nil {
		t.Fatalf("ParseOptions(%q): %v", text, err)
	}
	return options
}

func requireRoundTrip(t *testing.T, options Options) {
	t.Helper()
	again, err := ParseOptions(options.String())
	if err != nil || again != options {
		t.Errorf("%v\nparsed again is %v, %v", options, again, err)
	}
}

func requireOptionError(t *testing.T, text string, err error, want string) {
	t.Helper()
	var told *OptionError
	if !errors.As(err, &told) {
		t.Errorf("%.60q: got %v, want an *OptionError", text, err)
		return
	}
	if message := told.Error(); !strings.Contains(message, want) || strings.Contains(message, "\n") {
		t.Errorf("%.60q: the message is\n%s\nwant in one line\n%s", text, message, want)
	}
}
