package invariant_test

import (
	"strings"
	"testing"

	"github.com/weirmq/weir/internal/invariant"
)

func TestEveryNameIsDistinctAndOneWord(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range invariant.Counts() {
		s := c.Name.String()
		if s == "" || s == "Unnamed" || strings.ContainsAny(s, " \t") {
			t.Errorf("invariant %d is called %q", c.Name, s)
		}
		if seen[s] {
			t.Errorf("two invariants are called %s", s)
		}
		seen[s] = true
	}
	if got := invariant.Name(255).String(); got != "Unnamed" {
		t.Errorf("a number without a name prints %q", got)
	}
}

func TestFailedCheckPanicsWithItsName(t *testing.T) {
	defer func() {
		want := "invariant AckedDurable: offset 7 answered, durable end 6"
		if got := recover(); got != want {
			t.Fatalf("panic %q, want %q", got, want)
		}
	}()
	invariant.Check(false, invariant.AckedDurable, "offset %d answered, durable end %d", 7, 6)
}

func TestChecksAreCountedWhetherOrNotTheyHold(t *testing.T) {
	before := invariant.Counts()[invariant.LogOrder].Count
	invariant.Check(true, invariant.LogOrder, "unused")
	if !invariant.Holds(true, invariant.LogOrder) || invariant.Holds(false, invariant.LogOrder) {
		t.Fatal("Holds does not return its argument")
	}
	if got := invariant.Counts()[invariant.LogOrder].Count - before; got != 3 {
		t.Fatalf("counted %d evaluations, want 3", got)
	}
}

func TestHoldsAllocatesNothing(t *testing.T) {
	offset := int64(1 << 40)
	n := testing.AllocsPerRun(100, func() {
		if !invariant.Holds(offset > 0, invariant.LogOrder) {
			invariant.Fail(invariant.LogOrder, "offset %d", offset)
		}
	})
	if n != 0 {
		t.Fatalf("%v allocations a check", n)
	}
}
