package programs

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"shmfs/test/integration/rig"
)

// fioReport is what is read of fio's own report: a line a job.
type fioReport struct {
	Jobs []struct {
		Name  string `json:"jobname"`
		Error int    `json:"error"`
		Read  struct {
			Bytes int64 `json:"io_bytes"`
		} `json:"read"`
		Write struct {
			Bytes int64 `json:"io_bytes"`
		} `json:"write"`
	} `json:"jobs"`
}

// TestFioVerify lets fio write and compare with every engine that programs use, all jobs at once.
func TestFioVerify(t *testing.T) {
	program := rig.Program(t, "fio")
	inEach(t, everywhere, func(t *testing.T, place place) {
		directory := place.mount(t)
		report := filepath.Join(t.TempDir(), "report")
		run := command(program, "--output-format=json", "--output="+report, "--directory="+directory, source(t, "verify.fio"))
		run.Dir = filepath.Dir(report)
		rig.MustRun(t, directory, 5*time.Minute, run)
		requireVerified(t, report)
		removeAll(t, directory)
	})
}

// requireVerified fails unless every job of the job file wrote, read back, and found no error.
func requireVerified(t *testing.T, path string) {
	t.Helper()
	const jobs = 11
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	// Notes of fio's may stand before the report.
	var report fioReport
	if err := json.Unmarshal(text[max(bytes.IndexByte(text, '{'), 0):], &report); err != nil {
		t.Fatalf("reading fio's report: %v\n%s", err, text)
	}
	if len(report.Jobs) != jobs {
		t.Errorf("fio ran %d jobs, want %d", len(report.Jobs), jobs)
	}
	for _, job := range report.Jobs {
		if job.Error != 0 || job.Write.Bytes == 0 || job.Read.Bytes < job.Write.Bytes {
			t.Errorf("job %s: error %d, %d bytes written, %d read", job.Name, job.Error, job.Write.Bytes, job.Read.Bytes)
		}
	}
}

func removeAll(t *testing.T, directory string) {
	t.Helper()
	for _, name := range entries(t, directory) {
		if err := os.RemoveAll(filepath.Join(directory, name)); err != nil {
			t.Error(err)
		}
	}
}
