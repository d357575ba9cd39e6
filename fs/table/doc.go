// Package table writes and reads the tables of the mount's own directory: a line of column names, then lines of words, aligned for
// people and split at spaces by programs. Any bytes may be in a field; none of them breaks a line or reaches a terminal raw.
//
// A table is filled field by field and made into text by a Rendering, some rows at a time, so that a table of 100,000 rows holds
// up nobody:
//
//	t := table.New(table.Column{Name: "NAME"}, table.Column{Name: "SIZE", Align: table.Right})
//	t.Add("frames")
//	t.AddUint(4096)
//	rendering := t.Render()
//	for rendering.Next(1000) {
//		runtime.Gosched()
//	}
//	text := rendering.Text()
//
// Tables and renderings are for one goroutine at a time.
package table
