// Package caller does something with the rights of whoever asks, so that the kernel decides what that is, and nothing here repeats its rules:
// above all which other processes' maps and descriptors /proc shows.
//
// The kernel keeps identities by thread, and /proc goes by those for file system access and by effective capabilities. So As takes a thread
// of its own, gives it the user, the groups and the capabilities of the asker, and takes them back before the thread is used for anything
// else. A thread that cannot be brought back ends.
//
// What is not taken over: the user namespace (an asker in another one than this process has no capabilities here, and is otherwise the user
// that the kernel names in the request), PID and mount namespaces, and labels of security modules. What /proc says about this
// process itself is shown to all its threads, whatever their identity; the function must leave it alone, as well as start no goroutine that
// is to have the identity, too.
package caller
