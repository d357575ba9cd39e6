package lifecycle_test

import (
	"os/exec"
	"testing"
)

// An ordinary user's tmpfs belongs to a user namespace, so its own limits are fixed; the ledger's is the daemon's.
func TestUserRemounts(t *testing.T) {
	t.Parallel()
	directory := userMountpoint(t)
	requireSuccess(t, userShmfs(t, "mount", "-o", "size=8M", directory))
	fill := func(size string) result {
		return run(t, asUser(exec.Command("truncate", "-s", size, directory+"/object")))
	}
	if got := fill("9M"); got.code == 0 {
		t.Error("an object larger than the mount was made")
	}
	requireSuccess(t, userShmfs(t, "mount", "-o", "remount,size=16M", directory))
	requireSuccess(t, fill("9M"))
	requireFailure(t, userShmfs(t, "mount", "-o", "remount,size=8M", directory), 1, "size")
	requireFailure(t, userShmfs(t, "mount", "-o", "remount,nr_inodes=5000", directory), 5)
	requireSuccess(t, userShmfs(t, "umount", directory))
}

// The daemon of an ordinary user has no more rights on its store than that user, and must open what the mode allows.
func TestUserFilesOfEveryMode(t *testing.T) {
	t.Parallel()
	directory := userMountpoint(t)
	requireSuccess(t, userShmfs(t, "mount", "-o", "size=8M", directory))
	script := `cd ` + directory + ` && set -e
		echo one > w && chmod 200 w && echo two >> w && chmod 400 w && cat w
		! (echo three >> w) 2>/dev/null
		chmod 0 w && ! cat w 2>/dev/null
		exec 3<>w2 && chmod 0 w2 && echo four >&3 && chmod 600 w2 && cat w2
		exec 3>&- && mkdir d && echo five > d/f && ln d/f g && rm -r d && cat g && rm g w w2
		echo six > r && chmod 444 r && cp r r2 && cat r2 && stat -c %a r2 && rm -f r r2`
	got := run(t, asUser(exec.Command("/bin/sh", "-c", script)))
	if got.code != 0 || got.stdout != "one\ntwo\nfour\nfive\nsix\n444\n" {
		t.Errorf("exit code %d, %q %s", got.code, got.stdout, got.stderr)
	}
	requireSuccess(t, userShmfs(t, "umount", directory))
}
