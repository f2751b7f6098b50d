package storetest

import (
	"testing"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/objectstore"
)

// Task is the body of a case. The store is empty when it begins and belongs to it alone; sc is live and
// belongs to h.
type Task func(sc *host.Scope, h host.Host, store objectstore.Store) error

// Case is one claim about a Store.
type Case struct {
	Name string
	Task Task
}

// Run runs every case as a subtest. run must give task a fresh, empty store, run it as a task of a host,
// and fail t with the error that it returns.
func Run(t *testing.T, run func(t *testing.T, task Task)) {
	for _, c := range Cases() {
		t.Run(c.Name, func(t *testing.T) { run(t, c.Task) })
	}
}

// Cases returns all cases, for runners that want them one by one.
func Cases() []Case {
	return []Case{
		{"what was put is read back whole", putThenRead},
		{"a put replaces", overwrite},
		{"a missing key is not found and deletes well", missingKey},
		{"put-if-absent decides for the first", putIfAbsent},
		{"a put-if-absent race has one winner", putIfAbsentRace},
		{"concurrent puts leave one whole object", concurrentPut},
		{"neighbours come and go independently", churn},
		{"a range is exact or refused", ranges},
		{"list is ordered, bounded and complete", list},
		{"list sees what happened before it", listAfterChanges},
		{"delete removes only its key", deleteOne},
		{"a deleted directory's name can be an object", directoryBecomesObject},
		{"a body of many chunks arrives whole", largeBody},
		{"every allowed character works in a key", keyCharacters},
		{"a bad key is refused everywhere", badKeys},
		{"a failing body leaves no object", failingBody},
		{"a retry opens the body again", bodyReopened},
		{"a body that misses its size is refused", wrongSizeBody},
		{"an ended scope ends every call", endedScope},
		{"the start-up probe passes and leaves nothing", probe},
	}
}
