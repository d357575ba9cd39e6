package mmapcore

import (
	"errors"
	"fmt"
	"reflect"
	"testing"

	"golang.org/x/sys/unix"
)

// storeUse is something that is done with stores. It must clean up after itself whether or not a call in it fails.
type storeUse struct {
	// errs are the system calls whose failing makes it fail, at whichever of its calls; tolerates are those that it does without.
	errs, tolerates []string
	run             func(t *testing.T) error
}

var storeUses = map[string]storeUse{
	"NewTmpfs": {
		errs:      []string{"fsopen", "fsconfigString", "fsconfigFlag", "fsconfigCreate", "fsmount", "openat"},
		tolerates: []string{"nameToHandle", "openByHandle", "close"},
		run:       func(*testing.T) error { return closing(NewTmpfs(defaultOptions)) },
	},
	"MountTmpfs": {
		errs:      []string{"fsopen", "fsconfigString", "fsconfigFlag", "fsconfigCreate", "fsmount"},
		tolerates: []string{"close"},
		run: func(*testing.T) error {
			mount, err := MountTmpfs(defaultOptions)
			if err == nil {
				_ = unix.Close(mount)
			}
			return err
		},
	},
	"OpenDirectory": {
		errs:      []string{"openat", "flock"},
		tolerates: []string{"nameToHandle", "openByHandle", "close"},
		run:       func(t *testing.T) error { return closing(OpenDirectory(t.TempDir())) },
	},
	"Limit": {
		errs:      []string{"fstatfs", "fspick", "fsconfigString", "reconfigure"},
		tolerates: []string{"close"},
		run: func(*testing.T) error {
			return faultedStore.Limit(TmpfsOptions{Size: 8 << 20, Inodes: 50, Huge: "advise"})
		},
	},
	"Identify": {
		errs: []string{"nameToHandle"},
		run: func(*testing.T) error {
			handle, err := faultedStore.Identify(faultedStore.Root())
			if (err == nil) == (handle == "") {
				return fmt.Errorf("handle %q with error %w", handle, err)
			}
			return err
		},
	},
	"Reopen": {
		errs: []string{"openByHandle"},
		run: func(*testing.T) error {
			descriptor, err := faultedStore.Reopen(faultedHandle, unix.O_PATH)
			if err == nil {
				_ = unix.Close(descriptor)
			}
			return err
		},
	},
	"Usage": {
		errs: []string{"fstatfs"},
		run:  func(*testing.T) error { _, err := faultedStore.Usage(); return err },
	},
	"Taken": {
		errs: []string{"fstatfs"},
		run:  func(*testing.T) error { _, err := faultedStore.Taken(); return err },
	},
	"Close": {
		errs: []string{"close"},
		run: func(*testing.T) error {
			mount, err := unix.FcntlInt(uintptr(faultedStore.mount), unix.F_DUPFD_CLOEXEC, 0)
			if err != nil {
				return err
			}
			root, err := unix.FcntlInt(uintptr(faultedStore.root), unix.F_DUPFD_CLOEXEC, 0)
			if err != nil {
				return errors.Join(err, unix.Close(mount))
			}
			return (&Store{root: root, mount: mount}).Close()
		},
	},
}

// The store that Limit and its like are tried on, and the handle of its root.
var (
	faultedStore  *Store
	faultedHandle FileHandle
)

// closing closes a new store by the bare system calls, so that the faults counted are its maker's alone.
func closing(store *Store, err error) error {
	if err != nil {
		return err
	}
	err = unix.Close(store.root)
	if store.mount >= 0 {
		err = errors.Join(err, unix.Close(store.mount))
	}
	return err
}

// failNth makes the nth call of a store's system call fail, counted from 1, and returns the number of calls made so far.
func failNth(name string, nth int, errno unix.Errno) (made *int) {
	made = new(int)
	field := reflect.ValueOf(&storeCalls).Elem().FieldByName(name)
	// The fields are unexported, but this is their package: NewAt gets at them.
	field = reflect.NewAt(field.Type(), field.Addr().UnsafePointer()).Elem()
	real := reflect.ValueOf(field.Interface())
	field.Set(reflect.MakeFunc(field.Type(), func(arguments []reflect.Value) []reflect.Value {
		*made++
		if *made != nth {
			return real.Call(arguments)
		}
		if name == "close" { // which has given the descriptor up even where it fails
			real.Call(arguments)
		}
		results := make([]reflect.Value, field.Type().NumOut())
		for i := range results {
			results[i] = reflect.Zero(field.Type().Out(i))
		}
		if len(results) > 1 && results[0].Kind() == reflect.Int {
			results[0] = reflect.ValueOf(-1)
		}
		results[len(results)-1] = reflect.ValueOf(&errno).Elem().Convert(field.Type().Out(len(results) - 1))
		return results
	}))
	return made
}

// Whichever call fails: the error says so, nothing stays open, and the same thing works afterwards.
func TestEachStoreCallFailing(t *testing.T) {
	faultedStore = newStore(t, defaultOptions)
	handle, err := faultedStore.Identify(faultedStore.Root())
	wantNoError(t, "Identify", err)
	faultedHandle = handle
	covered := make(map[string]bool)
	for name, use := range storeUses {
		for _, call := range use.errs {
			covered[call] = true
			t.Run(name+"/"+call, func(t *testing.T) { failEach(t, use, call, unix.EIO) })
		}
		for _, call := range use.tolerates {
			t.Run(name+"/"+call, func(t *testing.T) { failEach(t, use, call, nil) })
		}
	}
	calls := reflect.TypeOf(storeCalls)
	for i := range calls.NumField() {
		if name := calls.Field(i).Name; !covered[name] {
			t.Errorf("no case in which %s fails", name)
		}
	}
}

// failEach makes the first call fail, then the second, and so on while there are so many. want nil: it must do without.
func failEach(t *testing.T, use storeUse, call string, want error) {
	checkNoDescriptorLeft(t)
	real := storeCalls
	defer func() { storeCalls = real }()
	for nth := 1; ; nth++ {
		before := descriptors(t)
		made := failNth(call, nth, unix.EIO)
		err := use.run(t)
		storeCalls = real
		if *made < nth {
			if nth == 1 {
				t.Errorf("%s is never called", call)
			}
			wantNoError(t, "with nothing failing", err)
			return
		}
		if !errors.Is(err, want) {
			t.Errorf("call %d of %s failed: error is %v, want %v", nth, call, err, want)
		}
		wantDescriptors(t, before)
		wantNoError(t, "the next try", use.run(t))
	}
}

// A constructor that does without handles says so.
func TestStoresWithoutHandles(t *testing.T) {
	for _, call := range []string{"nameToHandle", "openByHandle"} {
		for name, open := range map[string]func() (*Store, error){
			"tmpfs":     func() (*Store, error) { return NewTmpfs(defaultOptions) },
			"directory": func() (*Store, error) { return OpenDirectory(t.TempDir()) },
		} {
			t.Run(name+"/"+call, func(t *testing.T) {
				checkNoDescriptorLeft(t)
				real := storeCalls
				defer func() { storeCalls = real }()
				failNth(call, 1, unix.EPERM)
				store, err := open()
				wantNoError(t, "opening", err)
				defer store.Close()
				if store.HandsOutHandles() {
					t.Errorf("hands out handles although %s does not work", call)
				}
			})
		}
	}
}
