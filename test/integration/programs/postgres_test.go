package programs

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"shmfs/test/integration/rig"

	"golang.org/x/sys/unix"
)

// joinQuery joins two tables by a hash that parallel workers build in dynamic shared memory.
const joinQuery = "select count(*), sum(a.value), sum(b.value) from a join b using (key)"

// parallelSettings make the planner choose parallel workers for tables as small as these.
const parallelSettings = "set parallel_setup_cost = 0; set parallel_tuple_cost = 0; set min_parallel_table_scan_size = 0; " +
	"set max_parallel_workers_per_gather = 3; set enable_mergejoin = off; set enable_nestloop = off; "

// postgres is a database server of the test's own: its data, its socket, no network.
type postgres struct {
	programs  string
	directory string
	user      *syscall.Credential
}

// TestPostgreSQL runs a server with its dynamic shared memory in /dev/shm: queries whose workers share a hash table there
// give what a single process gives, and nothing is left after the server's end.
func TestPostgreSQL(t *testing.T) {
	server := newPostgres(t)
	inEach(t, everywhere, func(t *testing.T, place place) {
		directory := place.mount(t)
		server.run(t, directory, func() {
			segments := entries(t, directory)
			if len(segments) == 0 || !strings.HasPrefix(segments[0], "PostgreSQL.") {
				t.Fatalf("the running server shows %q in %s, want its segments", segments, directory)
			}
			server.compareJoins(t, directory)
		})
	})
}

// newPostgres makes a database with two tables, as the user whom the package made: the server refuses to run as root.
func newPostgres(t *testing.T) postgres {
	t.Helper()
	rig.Program(t, "/usr/lib/postgresql")
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if err != nil || len(found) == 0 {
		t.Fatalf("no server below /usr/lib/postgresql (%v): install it with: apt-get install postgresql", err)
	}
	account, err := user.Lookup("postgres")
	if err != nil {
		t.Fatalf("%v: install it with: apt-get install postgresql", err)
	}
	directory, err := os.MkdirTemp("", "shmfs-postgres-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(directory); err != nil {
			t.Error(err)
		}
	})
	server := postgres{
		programs: filepath.Dir(found[len(found)-1]), directory: directory,
		user: &syscall.Credential{Uid: number(t, account.Uid), Gid: number(t, account.Gid)},
	}
	if err := os.Chown(directory, int(server.user.Uid), int(server.user.Gid)); err != nil {
		t.Fatal(err)
	}
	server.initialize(t)
	return server
}

func number(t *testing.T, text string) uint32 {
	t.Helper()
	value, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	return uint32(value)
}

// initialize needs a /dev/shm as well: initdb tries out there which kind of shared memory works.
func (p postgres) initialize(t *testing.T) {
	t.Helper()
	t.Run("initdb on tmpfs", func(t *testing.T) {
		directory := tmpfs.mount(t)
		output := rig.MustRun(t, directory, time.Minute,
			p.command("initdb", "-D", p.data(), "--no-sync", "--auth=trust", "--locale=C", "--encoding=UTF8"))
		if !strings.Contains(output, "posix") {
			t.Fatalf("initdb did not choose POSIX shared memory:\n%s", output)
		}
		p.run(t, directory, func() {
			p.query(t, directory, "create table a as select key, key % 97 as value from generate_series(1, 60000) key; "+
				"create table b as select key * 3 as key, key % 89 as value from generate_series(1, 60000) key; analyze")
		})
	})
}

func (p postgres) data() string {
	return filepath.Join(p.directory, "data")
}

func (p postgres) command(program string, arguments ...string) *exec.Cmd {
	command := exec.Command(filepath.Join(p.programs, program), arguments...)
	command.Dir = p.directory
	command.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C"}
	command.SysProcAttr = &syscall.SysProcAttr{Credential: p.user, Setpgid: true}
	return command
}

// run keeps a server running during the work, and ends it in the orderly way.
func (p postgres) run(t *testing.T, mount string, work func()) {
	t.Helper()
	var log bytes.Buffer
	server := p.command("postgres", "-D", p.data(), "-k", p.directory, "-c", "listen_addresses=", "-c", "fsync=off",
		"-c", "shared_buffers=16MB", "-c", "max_worker_processes=8", "-c", "max_parallel_workers=8",
		"-c", "dynamic_shared_memory_type=posix", "-c", "min_dynamic_shared_memory=4MB")
	server.Stdout, server.Stderr = &log, &log
	server.WaitDelay = 30 * time.Second
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Wait() }()
	defer p.stop(t, server, ended, &log)
	p.awaitReady(t, mount)
	work()
}

// awaitReady asks until the server answers: pg_isready has no way to wait.
func (p postgres) awaitReady(t *testing.T, mount string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		ended := rig.Run(t, mount, time.Minute, p.command("pg_isready", "-q", "-h", p.directory))
		if ended[0].Err == nil {
			return
		}
	}
	t.Fatal("the server is not ready after a minute")
}

// stop asks for a fast shutdown; a server that does not go is killed with its workers.
func (p postgres) stop(t *testing.T, server *exec.Cmd, ended chan error, log *bytes.Buffer) {
	t.Helper()
	_ = server.Process.Signal(unix.SIGINT)
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("the server ended with %v\n%s", err, log)
		}
	case <-time.After(time.Minute):
		_ = unix.Kill(-server.Process.Pid, unix.SIGKILL)
		t.Errorf("the server did not end within a minute and was killed")
	}
}

// query returns what one command line of SQL prints, unaligned.
func (p postgres) query(t *testing.T, mount, text string) string {
	t.Helper()
	return rig.MustRun(t, mount, time.Minute,
		p.command("psql", "-h", p.directory, "-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-d", "postgres", "-c", text))
}

// compareJoins joins with workers, several sessions at once, and alone: all results are equal.
func (p postgres) compareJoins(t *testing.T, mount string) {
	t.Helper()
	plan := p.query(t, mount, parallelSettings+"explain (analyze, costs off, timing off) "+joinQuery)
	if !strings.Contains(plan, "Parallel Hash") || !launched(plan) {
		t.Fatalf("no worker built a hash table in shared memory:\n%s", plan)
	}
	alone := p.query(t, mount, "set max_parallel_workers_per_gather = 0; "+joinQuery)
	if want := expectedJoin(); alone != want {
		t.Fatalf("one process joins to %q, want %q", alone, want)
	}
	var sessions []*exec.Cmd
	for range 3 {
		// A command each: before PostgreSQL 15 psql prints the last result of a command alone.
		arguments := []string{"-h", p.directory, "-X", "-A", "-t", "-q", "-d", "postgres", "-c", parallelSettings}
		for range 5 {
			arguments = append(arguments, "-c", joinQuery)
		}
		sessions = append(sessions, p.command("psql", arguments...))
	}
	for _, ended := range rig.Run(t, mount, 5*time.Minute, sessions...) {
		if ended.Err != nil || ended.Stdout != strings.Repeat(alone, 5) {
			t.Errorf("parallel workers join to %q, %v, want %q each time\n%s", ended.Stdout, ended.Err, alone, ended.Stderr)
		}
	}
}

// launched says whether the plan's workers were really started.
func launched(plan string) bool {
	_, after, found := strings.Cut(plan, "Workers Launched: ")
	return found && after[0] != '0'
}

// expectedJoin computes the query's result for the tables that initialize makes.
func expectedJoin() string {
	var count, left, right int
	for key := 3; key <= 60000; key += 3 {
		count++
		left += key % 97
		right += key / 3 % 89
	}
	return fmt.Sprintf("%d|%d|%d\n", count, left, right)
}
