package differential

import (
	"strconv"

	"pgregory.net/rapid"
)

// operation is one kind of call: how often and with which arguments it is drawn, how a worker does it, how it is shown.
type operation struct {
	name   string
	weight int // relative frequency
	draw   func(d drawer, c *Call)
	run    func(w *worker, c Call) Outcome
	show   func(c Call) string

	watches watched // what a worker looks at before and after
}

// watched is a set of the objects a call concerns.
type watched uint

const (
	watchesFile watched = 1 << iota
	watchesOther
	watchesPath
	watchesPath2
)

// Outcome is what a call gave: a value where it succeeded, the errno where not, and further facts.
type Outcome struct {
	Value int64  `json:",omitempty"`
	Errno string `json:",omitempty"` // such as "ENOENT"; empty for success
	Facts []Fact `json:",omitempty"`
}

// inode is the inode number that stat gave, or 0.
func (o Outcome) inode() uint64 {
	for _, fact := range o.Facts {
		if fact.Key == identityFact {
			inode, err := strconv.ParseUint(fact.Value, 10, 64)
			if err == nil {
				return inode
			}
		}
	}
	return 0
}

// Fact is one thing observed, to be compared with the other side's fact of the same key.
type Fact struct {
	Key, Value string
}

// operations are all that are drawn, the simplest subjects first.
var operations = concatenate(
	descriptorOperations, ioOperations, sizeOperations, nameOperations, linkOperations, attributeOperations,
	extendedAttributeOperations, lookOperations, mappingOperations, mappedOperations, transferOperations, lockOperations,
	surroundingOperations,
)

var operationNamed = byName(operations)

var weightedNames = weighted(operations)

func concatenate(groups ...[]operation) []operation {
	var all []operation
	for _, group := range groups {
		all = append(all, group...)
	}
	return all
}

func byName(all []operation) map[string]operation {
	index := make(map[string]operation, len(all))
	for _, each := range all {
		if _, twice := index[each.name]; twice {
			panic("two operations are named " + each.name)
		}
		index[each.name] = each
	}
	return index
}

func weighted(all []operation) []string {
	var names []string
	for _, each := range all {
		for range each.weight {
			names = append(names, each.name)
		}
	}
	return names
}

// drawCall draws one call.
func drawCall(t *rapid.T, known *knowledge) Call {
	d := drawer{t: t, known: known}
	call := Call{Operation: pick(d, "operation", weightedNames), At: workingDirectory}
	call.Worker = pick(d, "worker", workerPool)
	d.worker = call.Worker
	call.Watch = pick(d, "watch", watchPool)
	operationNamed[call.Operation].draw(d, &call)
	return call
}

var (
	workerPool = []int{0, 0, 0, 1, 1, 1, 2, 2, 3}
	watchPool  = []Watch{watchAround, watchAround, watchAround, watchAfter, watchNothing, watchNothing}
)
