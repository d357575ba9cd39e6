package fs

import (
	"bytes"
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

const dashboardPath = "../packaging/grafana/shmfs.json"

// dashboard is what the tests look at of a dashboard of Grafana's.
type dashboard struct {
	UID        string
	Panels     []dashboardPanel
	Templating struct {
		List []struct{ Name, Definition string }
	}
}

type dashboardPanel struct {
	ID      int
	Type    string
	Title   string
	GridPos struct{ X, Y, W, H int }
	Panels  []dashboardPanel // of a row that is collapsed
	Targets []struct{ Expr, RefID string }
}

func readDashboard(t *testing.T) dashboard {
	t.Helper()
	text, err := os.ReadFile(dashboardPath)
	if err != nil {
		t.Fatal(err)
	}
	var read dashboard
	if err := json.Unmarshal(text, &read); err != nil {
		t.Fatalf("the dashboard is no JSON: %v", err)
	}
	if read.UID == "" || len(read.Panels) == 0 {
		t.Fatalf("the dashboard is empty: %+v", read)
	}
	return read
}

// all returns the panels, those in rows too.
func (d *dashboard) all() []dashboardPanel {
	var all []dashboardPanel
	for _, panel := range d.Panels {
		all = append(append(all, panel), panel.Panels...)
	}
	return all
}

// queries returns everything that is asked of Prometheus.
func (d *dashboard) queries() []string {
	var all []string
	for _, variable := range d.Templating.List {
		if variable.Definition != "" {
			all = append(all, variable.Definition)
		}
	}
	for _, panel := range d.all() {
		for _, target := range panel.Targets {
			all = append(all, target.Expr)
		}
	}
	return all
}

// servedMetrics returns the labels of each metric that a mount serves, by the names that queries have for it.
func servedMetrics(t *testing.T) map[string][]string {
	t.Helper()
	kernel := newFakeKernel(t)
	kernel.create("a")
	kernel.wantErrno("LOOKUP", message{opcode: opLookup, node: 1, body: []byte("b\x00")}, 0) // a negative entry
	kernel.wantErrno("GETATTR", message{opcode: opGetattr, node: 1 << 50, body: make([]byte, 16)}, unix.ESTALE)
	families, err := kernel.f.Metrics().Gather()
	if err != nil {
		t.Fatal(err)
	}
	served := make(map[string][]string)
	for _, family := range families {
		var labels []string
		for _, pair := range family.Metric[0].Label {
			labels = append(labels, pair.GetName())
		}
		if family.Metric[0].Histogram != nil {
			for _, suffix := range []string{"_bucket", "_sum", "_count"} {
				served[family.GetName()+suffix] = append(slices.Clone(labels), "le")
			}
			continue
		}
		served[family.GetName()] = labels
	}
	return served
}

var (
	metricName   = regexp.MustCompile(`\b(?:shmfs|process|go)_[a-z0-9_]+\b`)
	labelMatcher = regexp.MustCompile(`([a-zA-Z_]\w*)\s*(?:=~|!~|!=|=)\s*"`)
	labelList    = regexp.MustCompile(`\b(?:by|without|on|ignoring)\s*\(([^)]*)\)`)
)

// labelsIn returns the labels that a query names.
func labelsIn(query string) []string {
	var labels []string
	for _, found := range labelMatcher.FindAllStringSubmatch(query, -1) {
		labels = append(labels, found[1])
	}
	for _, list := range labelList.FindAllStringSubmatch(query, -1) {
		for label := range strings.SplitSeq(list[1], ",") {
			labels = append(labels, strings.TrimSpace(label))
		}
	}
	return labels
}

// A query for what no mount serves would show an empty panel, and nobody would know why.
func TestDashboardAsksForWhatIsServed(t *testing.T) {
	served, read := servedMetrics(t), readDashboard(t)
	asked := make(map[string]bool)
	for _, query := range read.queries() {
		labels := []string{"job", "instance"} // Prometheus's own
		names := metricName.FindAllString(query, -1)
		if len(names) == 0 {
			t.Errorf("%s asks for no metric", query)
		}
		for _, name := range names {
			asked[name] = true
			known, found := served[name]
			if !found {
				t.Errorf("%s: there is no metric %s", query, name)
			}
			labels = append(labels, known...)
		}
		for _, label := range labelsIn(query) {
			if !slices.Contains(labels, label) {
				t.Errorf("%s: there is no label %s", query, label)
			}
		}
	}
	for name := range served {
		if strings.HasPrefix(name, "shmfs_") && !asked[name] {
			t.Errorf("no panel shows %s", name)
		}
	}
}

func TestDashboardIsWellFormed(t *testing.T) {
	read := readDashboard(t)
	ids, cells := make(map[int]string), make(map[[2]int]string)
	for _, panel := range read.all() {
		if other, taken := ids[panel.ID]; taken || panel.ID <= 0 {
			t.Errorf("panel %q has the id %d, as %q has", panel.Title, panel.ID, other)
		}
		ids[panel.ID] = panel.Title
		if panel.Title == "" || panel.Type != "row" && len(panel.Targets) == 0 {
			t.Errorf("panel %d has no title or shows nothing", panel.ID)
		}
		refs := make(map[string]bool)
		for _, target := range panel.Targets {
			if refs[target.RefID] || target.RefID == "" {
				t.Errorf("panel %q has two queries %q", panel.Title, target.RefID)
			}
			refs[target.RefID] = true
			if strings.Count(target.Expr, "(") != strings.Count(target.Expr, ")") {
				t.Errorf("panel %q: unbalanced: %s", panel.Title, target.Expr)
			}
		}
		place := panel.GridPos
		if place.X < 0 || place.W <= 0 || place.H <= 0 || place.X+place.W > 24 {
			t.Errorf("panel %q is at %+v", panel.Title, place)
		}
		for x := place.X; x < place.X+place.W; x++ {
			for y := place.Y; y < place.Y+place.H; y++ {
				if other, taken := cells[[2]int{x, y}]; taken {
					t.Fatalf("panel %q lies over %q", panel.Title, other)
				}
				cells[[2]int{x, y}] = panel.Title
			}
		}
	}
}

// The file says each key of an object once: JSON would silently take the last.
func TestDashboardHasNoKeyTwice(t *testing.T) {
	text, err := os.ReadFile(dashboardPath)
	if err != nil {
		t.Fatal(err)
	}
	var value any
	if err := json.Unmarshal(text, &value); err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, text); err != nil {
		t.Fatal(err)
	}
	if unescaped := unescapeHTML(again); len(unescaped) != compact.Len() {
		t.Errorf("%d bytes are %d once they were read: a key stands twice", compact.Len(), len(unescaped))
	}
}

// unescapeHTML takes back what encoding/json does to some characters.
func unescapeHTML(text []byte) []byte {
	for escaped, plain := range map[string]string{`\u003c`: "<", `\u003e`: ">", `\u0026`: "&"} {
		text = bytes.ReplaceAll(text, []byte(escaped), []byte(plain))
	}
	return text
}
