package table

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func example() *Table {
	t := New(Column{Name: "NAME"}, Column{Name: "SIZE", Align: Right}, Column{Name: "MODIFIED"}, Column{Name: "OWNER"})
	t.Add("a b")
	t.AddUint(1 << 40)
	t.AddTime(time.Date(2026, 3, 4, 5, 6, 7, 80, time.FixedZone("", 3600)))
	t.Add("root")
	t.Add("日本")
	t.AddInt(-1)
	t.AddTime(time.Time{})
	t.Add("")
	return t
}

func TestText(t *testing.T) {
	const want = "" +
		"NAME            SIZE MODIFIED                       OWNER\n" +
		"a\\040b 1099511627776 2026-03-04T04:06:07.000000080Z root\n" +
		"日本              -1 -                              -\n"
	if got := string(example().Text()); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestOneColumn(t *testing.T) {
	table := New(Column{Name: "N", Align: Right})
	table.Append("1", "200")
	if got, want := string(table.Text()), "  N\n  1\n200\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestModeAndRange(t *testing.T) {
	table := New(Column{Name: "MODE"}, Column{Name: "START-END"})
	table.AddMode(0o1644)
	table.AddRange(0x7f0000001000, 0x7f0000003000)
	if got, want := string(table.Text()), "MODE START-END\n1644 7f0000001000-7f0000003000\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestRowsComeInSlices(t *testing.T) {
	table := example()
	whole := string(table.Text())
	rendering := table.Render()
	if got := string(rendering.Text()); got != whole[:strings.Index(whole, "\n")+1] {
		t.Errorf("a rendering begins with %q", got)
	}
	for lines := 2; rendering.Next(1); lines++ {
		if got := strings.Count(string(rendering.Text()), "\n"); got != lines {
			t.Errorf("%d lines, want %d", got, lines)
		}
	}
	if got := string(rendering.Text()); got != whole {
		t.Errorf("in slices it is %q, want %q", got, whole)
	}
}

func TestARowWithoutItsLastFieldsIsLeftOut(t *testing.T) {
	table := example()
	whole := string(table.Text())
	table.Append("half", "a row")
	if table.Rows() != 2 {
		t.Errorf("%d rows", table.Rows())
	}
	if got := string(table.Text()); got != whole {
		t.Errorf("got %q", got)
	}
}

// One user's long names must not make everybody's table huge.
func TestLongFieldsWidenNoOtherLine(t *testing.T) {
	table := New(Column{Name: "NAME"}, Column{Name: "SIZE"})
	table.Append(strings.Repeat("x", 4000), "1", "short", "2")
	lines := strings.Split(string(table.Text()), "\n")
	if len(lines[0]) > 100 || len(lines[2]) > 100 || len(lines[1]) != 4002 {
		t.Errorf("lines of %d, %d and %d bytes", len(lines[0]), len(lines[1]), len(lines[2]))
	}
}

func TestParse(t *testing.T) {
	parsed, err := Parse(example().Text())
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"NAME", "SIZE", "MODIFIED", "OWNER"}; !slices.Equal(parsed.Header, want) {
		t.Errorf("header %q", parsed.Header)
	}
	want := [][]string{{"a b", "1099511627776", "2026-03-04T04:06:07.000000080Z", "root"}, {"日本", "-1", "", ""}}
	if !slices.EqualFunc(parsed.Rows, want, slices.Equal) {
		t.Errorf("rows %q", parsed.Rows)
	}
	if parsed.Column("SIZE") != 1 || parsed.Column("NONE") != -1 {
		t.Errorf("columns at %d, %d", parsed.Column("SIZE"), parsed.Column("NONE"))
	}
}

func TestParseRefuses(t *testing.T) {
	for _, text := range []string{"", "\n", "  \n", "A", "A B\n1 2", "A B\n1\n", "A\n1 2\n", "A\n\n", "A\n\\9\n", "A\n\x1b\n", "A\n\xff\n", "A\r\n"} {
		if parsed, err := Parse([]byte(text)); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("Parse(%q) = %v, %v", text, parsed, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("NAME SIZE\na 1\n")
	f.Add(string(example().Text()))
	f.Add("A\n\\055\n-\n")
	f.Add("A B\n\\000 日本\n")
	f.Fuzz(func(t *testing.T, text string) {
		parsed, err := Parse([]byte(text))
		if err != nil {
			return
		}
		columns := make([]Column, len(parsed.Header))
		for i, name := range parsed.Header {
			columns[i] = Column{Name: Escape(name), Align: Alignment(i % 2)}
		}
		table := New(columns...)
		for _, row := range parsed.Rows {
			table.Append(row...)
		}
		written := table.Text()
		again, err := Parse(written)
		if err != nil || !slices.Equal(again.Header, parsed.Header) || !slices.EqualFunc(again.Rows, parsed.Rows, slices.Equal) {
			t.Fatalf("%q was written as %q and read as %v, %v", text, written, again, err)
		}
		for word := range strings.FieldsSeq(string(written)) {
			requireTame(t, word)
		}
	})
}

func many(rows int) *Table {
	table := New(Column{Name: "NAME"}, Column{Name: "TYPE"}, Column{Name: "SIZE", Align: Right}, Column{Name: "CHARGED", Align: Right},
		Column{Name: "RESIDENT", Align: Right}, Column{Name: "MODE"}, Column{Name: "UID", Align: Right}, Column{Name: "GID", Align: Right},
		Column{Name: "LINKS", Align: Right}, Column{Name: "OPENS", Align: Right}, Column{Name: "INODE", Align: Right}, Column{Name: "MODIFIED"})
	when := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	name := []byte("directory/object-")
	for i := range uint64(rows) {
		table.Add(string(fmt.Appendf(name[:17], "%d", i)))
		table.Add("file")
		for range 3 {
			table.AddUint(i * 4096)
		}
		table.AddMode(0o644)
		for range 4 {
			table.AddUint(1000)
		}
		table.AddUint(i)
		table.AddTime(when)
	}
	return table
}

func TestManyRowsTakeFewAllocations(t *testing.T) {
	const rows = 10_000
	table := many(rows)
	if allocations := testing.AllocsPerRun(3, func() { table.Text() }); allocations > 5 {
		t.Errorf("the text of %d rows takes %v allocations", rows, allocations)
	}
	rendering := table.Render()
	room := cap(rendering.Text())
	rendering.Next(rows)
	if used := len(rendering.Text()); room < used || cap(rendering.Text()) != room || room > used*11/10 {
		t.Errorf("room for %d bytes was made for %d", room, used)
	}
}

func BenchmarkFill100000(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		many(100_000)
	}
}

func BenchmarkText100000(b *testing.B) {
	table := many(100_000)
	b.ReportAllocs()
	for b.Loop() {
		table.Text()
	}
}

func BenchmarkParse100000(b *testing.B) {
	text := many(100_000).Text()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(text); err != nil {
			b.Fatal(err)
		}
	}
}
