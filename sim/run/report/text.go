package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/weirmq/weir/sim/run"
)

// count is a whole number with its thousands apart.
func count[N int | uint64](n N) string {
	digits := strconv.FormatInt(int64(n), 10)
	var b strings.Builder
	for i, r := range digits {
		if left := len(digits) - i; i > 0 && left%3 == 0 && digits[i-1] != '-' {
			b.WriteString(",")
		}
		b.WriteRune(r)
	}
	return b.String()
}

// plural is a noun for n things.
func plural(n int, noun string) string {
	if n == 1 {
		return noun
	}
	return noun + "s"
}

// short is a number with about three digits that count.
func short(v float64) string {
	switch abs := math.Abs(v); {
	case abs >= 1000:
		return count(int(math.Round(v)))
	case abs >= 100 || v == math.Trunc(v):
		return strconv.FormatFloat(v, 'f', 0, 64)
	case abs >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	case abs >= 1:
		return strconv.FormatFloat(v, 'f', 2, 64)
	default:
		return strconv.FormatFloat(v, 'g', 3, 64)
	}
}

// seconds is a span of time for people.
func seconds(s float64) string {
	switch {
	case s >= 7200:
		return short(s/3600) + " h"
	case s >= 120:
		return short(s/60) + " min"
	case s >= 1:
		return short(s) + " s"
	case s >= 0.001:
		return short(s*1000) + " ms"
	default:
		return short(s*1e6) + " µs"
	}
}

// shortCommit is a commit as people write it.
func shortCommit(b run.Build) string {
	c := b.Commit[:min(12, len(b.Commit))]
	if b.Modified {
		c += " with changes that are not in it"
	}
	return c
}

// commits says what else than the sweep's commit the parts come from, "" if nothing else.
func commits(e *Evidence) string {
	if e.Sweep == nil {
		return ""
	}
	var parts []string
	other := func(part string, b run.Build) {
		if b.Commit != e.Sweep.Build.Commit || b.Modified != e.Sweep.Build.Modified {
			parts = append(parts, part+" from "+shortCommit(b))
		}
	}
	if e.Clusters != nil {
		other("worlds of several nodes", e.Clusters.Build)
	}
	if e.Mutants != nil {
		other("planted bugs", e.Mutants.Build)
	}
	if e.Check != nil {
		other("checkers", e.Check.Build)
	}
	if e.Models != nil {
		other("models", e.Models.Build)
	}
	return strings.Join(parts, ", ")
}

// outcome is what a walk through a model found.
func outcome(c run.ModelClaim) string {
	switch {
	case c.Cut:
		return "no verdict: the walk was cut"
	case c.Broken != "":
		return fmt.Sprintf("%s broken after %s steps", c.Broken, count(len(c.Story)))
	}
	return "safe"
}

// claims is how many claims the models make.
func claims(f *run.ModelsFile) int {
	n := 0
	for _, m := range f.Models {
		n += len(m.Claims)
	}
	return n
}

// storyLines is how many lines of a story are read at one look.
const storyLines = 24

// storyEnd is the end of a long story, "" if it is short enough to be read whole.
func storyEnd(story string) string {
	lines := strings.Split(strings.TrimRight(story, "\n"), "\n")
	if len(lines) <= 2*storyLines {
		return ""
	}
	return "…\n" + strings.Join(lines[len(lines)-storyLines:], "\n")
}

// oracles lists what found a planted bug, and how often if not always the same did.
func oracles(row run.MutantRow) string {
	var names []string
	for _, t := range row.Oracles {
		if len(row.Oracles) > 1 {
			names = append(names, fmt.Sprintf("%s (%d)", t.Name, t.Count))
		} else {
			names = append(names, t.Name)
		}
	}
	return strings.Join(names, ", ")
}
