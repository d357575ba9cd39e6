package fs

import (
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	RunSemaphoreHelper()
	runBadHelper()
	if os.Getenv(senderVariable) != "" {
		sendDevice()
	}
	haveTimer()
	// What has died in a test stays where it is.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("shmfs/fs.stayDead"))
}

// haveTimer has a timer pending from now on, without which the runtime may stand still for a minute (docs/decisions/0016). A mount that is served
// has one by itself, its parts do not.
func haveTimer() { time.AfterFunc(100*time.Millisecond, haveTimer) }
