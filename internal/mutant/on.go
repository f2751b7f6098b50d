//go:build mutants

package mutant

import "os"

// Enabled tells whether planted bugs are compiled in.
const Enabled = true

// active is the planted bug of this process.
var active = ID(os.Getenv("WEIR_MUTANT"))

// On tells whether the planted bug id is on.
func On(id ID) bool { return active == id }

// Active returns the planted bug that is on, "" if none is.
func Active() ID { return active }
