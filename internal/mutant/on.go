//go:build mutants

package mutant

import "os"

// Enabled tells whether planted bugs are compiled in.
const Enabled = true

// active is the planted bug of this process.
var active = ID(os.Getenv("WEIR_MUTANT"))

// On tells whether the planted bug id is on.
func On(id ID) bool { return active == id }

// MapOrder returns list in the order of a map, which is another each time.
func MapOrder[T any](list []T) []T {
	m := map[int]T{}
	for i, x := range list {
		m[i] = x
	}
	out := make([]T, 0, len(list))
	for _, x := range m {
		out = append(out, x)
	}
	return out
}

// Active returns the planted bug that is on, "" if none is.
func Active() ID { return active }
