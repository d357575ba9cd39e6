package top

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"shmfs/fs/table"
)

// order is a way to sort rows.
type order[Row any] struct {
	name    string
	largest bool // the largest first, unless reversed
	compare func(a, b *Row) int
}

// list is the rows of one view, sorted and filtered, with one selected. The selection stays in the first row until somebody chooses
// another, and then with that one's name.
type list[Row any] struct {
	orders   []order[Row]
	nameOf   func(*Row) string
	order    int // in orders
	reverse  bool
	rows     []Row  // that pass the filter, sorted
	all      int    // rows before filtering
	chosen   bool   // somebody chose the row
	selected string // name; empty while there are no rows
	index    int    // of what is selected, in rows
	offset   int    // of the first row that is shown
}

// set replaces the rows, which are left as they are.
func (l *list[Row]) set(rows []Row, filter string) {
	l.all = len(rows)
	wanted := strings.ToLower(filter)
	l.rows = l.rows[:0]
	for i := range rows {
		if name := l.nameOf(&rows[i]); wanted == "" || has(name, wanted) || has(table.Escape(name), wanted) {
			l.rows = append(l.rows, rows[i])
		}
	}
	l.sort()
}

// has says whether a text has another, which is in small letters, in it, in letters of any size.
func has(text, wanted string) bool {
	return strings.Contains(strings.ToLower(text), wanted)
}

// sort sorts the rows. Those that are alike stay sorted by name.
func (l *list[Row]) sort() {
	order := l.orders[l.order]
	slices.SortFunc(l.rows, func(a, b Row) int {
		result := order.compare(&a, &b)
		if order.largest != l.reverse {
			result = -result
		}
		return cmp.Or(result, strings.Compare(l.nameOf(&a), l.nameOf(&b)))
	})
	if !l.chosen {
		l.index = 0
	} else if at := slices.IndexFunc(l.rows, func(row Row) bool { return l.nameOf(&row) == l.selected }); at >= 0 {
		l.index = at
	}
	l.settle()
}

// nextOrder sorts by what comes next.
func (l *list[Row]) nextOrder() {
	l.order, l.reverse = (l.order+1)%len(l.orders), false
	l.sort()
}

func (l *list[Row]) turnAround() {
	l.reverse = !l.reverse
	l.sort()
}

// choose selects a row, the nearest there is.
func (l *list[Row]) choose(index int) {
	l.index, l.chosen = index, true
	l.settle()
}

// settle keeps the selection within the rows and notes its name.
func (l *list[Row]) settle() {
	l.index = max(0, min(l.index, len(l.rows)-1))
	l.selected = ""
	if len(l.rows) > 0 {
		l.selected = l.nameOf(&l.rows[l.index])
	}
}

// top selects the first row, whichever that will be.
func (l *list[Row]) top() {
	l.index, l.chosen = 0, false
	l.settle()
}

func (l *list[Row]) at() int    { return l.index }
func (l *list[Row]) count() int { return len(l.rows) }

// current returns the selected row, nil if there are none.
func (l *list[Row]) current() *Row {
	if l.index >= len(l.rows) {
		return nil
	}
	return &l.rows[l.index]
}

// window returns the rows that are shown where there is room for as many, from its first on: the selected one is among them.
func (l *list[Row]) window(room int) (first int, rows []Row) {
	room = max(room, 1)
	l.offset = min(l.offset, l.index)
	l.offset = max(l.offset, l.index-room+1)
	l.offset = max(0, min(l.offset, len(l.rows)-room))
	return l.offset, l.rows[l.offset:min(l.offset+room, len(l.rows))]
}

// orderText says how the rows are sorted.
func (l *list[Row]) orderText() string {
	order := l.orders[l.order]
	if order.largest != l.reverse {
		return order.name + " descending"
	}
	return order.name + " ascending"
}

// objectRow is an object in its list.
type objectRow struct {
	Object
	change change
}

func newObjectList() list[objectRow] {
	by := func(value func(*objectRow) int64) func(a, b *objectRow) int {
		return func(a, b *objectRow) int { return cmp.Compare(value(a), value(b)) }
	}
	return list[objectRow]{
		nameOf: func(row *objectRow) string { return row.Name },
		orders: []order[objectRow]{
			{name: "resident", largest: true, compare: by(func(row *objectRow) int64 { return row.Resident })},
			{name: "size", largest: true, compare: by(func(row *objectRow) int64 { return row.Size })},
			{name: "mappers", largest: true, compare: by(func(row *objectRow) int64 { return int64(row.Mappers) })},
			{name: "opens", largest: true, compare: by(func(row *objectRow) int64 { return row.Opens })},
			{name: "change", largest: true, compare: compareChanges},
			{name: "name", compare: func(a, b *objectRow) int { return strings.Compare(a.Name, b.Name) }},
		},
	}
}

// compareChanges puts what grows or shrinks more quickly above, and then what was written.
func compareChanges(a, b *objectRow) int {
	written := func(row *objectRow) int {
		if row.change.written {
			return 1
		}
		return 0
	}
	return cmp.Or(cmp.Compare(math.Abs(a.change.rate), math.Abs(b.change.rate)), cmp.Compare(written(a), written(b)))
}

func newSemaphoreList() list[Semaphore] {
	by := func(value func(*Semaphore) string) func(a, b *Semaphore) int {
		return func(a, b *Semaphore) int { return cmp.Compare(number(value(a)), number(value(b))) }
	}
	return list[Semaphore]{
		nameOf: func(row *Semaphore) string { return row.Name },
		orders: []order[Semaphore]{
			{name: "name", compare: func(a, b *Semaphore) int { return strings.Compare(a.Name, b.Name) }},
			{name: "value", largest: true, compare: by(func(row *Semaphore) string { return row.Value })},
			{name: "waiters", largest: true, compare: by(func(row *Semaphore) string { return row.Waiters })},
			{name: "held", largest: true, compare: by(func(row *Semaphore) string { return row.Held })},
			{name: "state", compare: func(a, b *Semaphore) int { return strings.Compare(a.State, b.State) }},
		},
	}
}
