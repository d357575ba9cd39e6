package rights

import (
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Confine gives up, in all threads and in whatever they start, the system calls that a process which serves a mount does not make (see
// denied), and getting new privileges. From then on they fail with EPERM. Errors: EINVAL or ENOSYS where the kernel has no filters; then
// nothing is given up. By anybody but root it does nothing.
func Confine() error {
	if !isRoot() {
		return nil
	}
	runtime.LockOSThread() // what the filter is set by must be what has forgone privileges, and others take that over from it
	defer runtime.UnlockOSThread()
	program := filter()
	if _, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, 0); errno != unix.EFAULT {
		return fmt.Errorf("filtering system calls: %w", errno)
	}
	if err := forbidNewPrivileges(); err != nil {
		return err
	}
	all := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	// Kernels before 5.16 would else slow the process down, as one that runs programs of strangers.
	const flags = unix.SECCOMP_FILTER_FLAG_TSYNC | unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW
	thread, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&all)))
	runtime.KeepAlive(program)
	if errno != 0 {
		return fmt.Errorf("filtering system calls: %w", errno)
	}
	if thread != 0 {
		return fmt.Errorf("filtering system calls: thread %d has a filter of its own: %w", thread, unix.EBUSY)
	}
	return nil
}

// denied are the system calls that are given up, besides those of one architecture (deniedHere): what looks into other processes or changes
// them, what extends or replaces the kernel, what mounts, what changes the machine, and large parts of the kernel that are not used.
// Unmounting is not among them: the process that takes the mount away is started by one that is confined.
var denied = append([]uintptr{
	unix.SYS_PTRACE, unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV, unix.SYS_PROCESS_MADVISE, unix.SYS_KCMP, unix.SYS_PIDFD_GETFD,
	unix.SYS_MOVE_PAGES, unix.SYS_MIGRATE_PAGES,
	unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE, unix.SYS_DELETE_MODULE, unix.SYS_KEXEC_LOAD, unix.SYS_KEXEC_FILE_LOAD, unix.SYS_BPF,
	unix.SYS_PERF_EVENT_OPEN,
	unix.SYS_MOUNT, unix.SYS_FSOPEN, unix.SYS_FSMOUNT, unix.SYS_OPEN_TREE, unix.SYS_OPEN_TREE_ATTR, unix.SYS_MOVE_MOUNT,
	unix.SYS_MOUNT_SETATTR, unix.SYS_PIVOT_ROOT, unix.SYS_CHROOT, unix.SYS_UNSHARE, unix.SYS_SETNS,
	unix.SYS_REBOOT, unix.SYS_SWAPON, unix.SYS_SWAPOFF, unix.SYS_ACCT, unix.SYS_QUOTACTL, unix.SYS_QUOTACTL_FD, unix.SYS_SYSLOG,
	unix.SYS_SETTIMEOFDAY, unix.SYS_CLOCK_SETTIME, unix.SYS_CLOCK_ADJTIME, unix.SYS_ADJTIMEX, unix.SYS_SETHOSTNAME, unix.SYS_SETDOMAINNAME,
	unix.SYS_VHANGUP,
	unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY, unix.SYS_KEYCTL, unix.SYS_USERFAULTFD, unix.SYS_IO_URING_SETUP, unix.SYS_IO_URING_ENTER,
	unix.SYS_IO_URING_REGISTER, unix.SYS_FANOTIFY_INIT, unix.SYS_LOOKUP_DCOOKIE, unix.SYS_NFSSERVCTL,
}, deniedHere...)

const (
	// namespaces are the flags of clone(2) that make new ones, each with much of the kernel behind it.
	namespaces = unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWUSER | unix.CLONE_NEWPID |
		unix.CLONE_NEWNET

	// firstForeign is where the numbers of x32's calls begin, which x86-64 kernels may take beside their own.
	firstForeign = 0x40000000

	// Offsets in struct seccomp_data.
	numberAt       = 0
	architectureAt = 4
	argumentAt     = 16 // the lower half of the first, as all machines here are little-endian
)

// filter is the program that the kernel runs before each system call (docs/decisions/0017).
func filter() []unix.SockFilter {
	const load, equal, notLess, any = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K,
		unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K, unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K
	give := func(action uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: action}
	}
	refuse := func(errno unix.Errno) unix.SockFilter { return give(unix.SECCOMP_RET_ERRNO | uint32(errno)) }
	program := []unix.SockFilter{
		{Code: load, K: architectureAt},
		{Code: equal, K: architecture, Jt: 1}, // calls of 32-bit programs have other numbers
		refuse(unix.EPERM),
		{Code: load, K: numberAt},
		{Code: notLess, K: firstForeign, Jf: 1},
		refuse(unix.EPERM),
	}
	for _, call := range denied {
		program = append(program, unix.SockFilter{Code: equal, K: uint32(call), Jf: 1}, refuse(unix.EPERM))
	}
	return append(program,
		// Its flags lie in memory, where a filter cannot look. Whoever is told that there is no such call makes the older one.
		unix.SockFilter{Code: equal, K: unix.SYS_CLONE3, Jf: 1}, refuse(unix.ENOSYS),
		unix.SockFilter{Code: equal, K: unix.SYS_CLONE, Jf: 3},
		unix.SockFilter{Code: load, K: argumentAt},
		unix.SockFilter{Code: any, K: namespaces, Jf: 1}, refuse(unix.EPERM),
		give(unix.SECCOMP_RET_ALLOW))
}
