package check

import (
	"embed"
	"fmt"
	"path"
	"strings"
)

//go:embed testdata/canary/*.jsonl
var canaryFiles embed.FS

// Sick is a history that breaks one promise. A checker that passes it proves nothing
// of any other history either.
type Sick struct {
	Kind    ViolationKind // must be among what is found
	History *History
}

// Canary returns the sick histories. Each file is named by what must be found in it.
func Canary() ([]Sick, error) {
	const dir = "testdata/canary"
	entries, err := canaryFiles.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("list canary histories: %w", err)
	}
	var out []Sick
	for _, e := range entries {
		f, err := canaryFiles.Open(path.Join(dir, e.Name()))
		if err != nil {
			return nil, fmt.Errorf("open canary history: %w", err)
		}
		h, err := Decode(f)
		if err != nil {
			return nil, fmt.Errorf("read canary history %s: %w", e.Name(), err)
		}
		out = append(out, Sick{ViolationKind(strings.TrimSuffix(e.Name(), ".jsonl")), h})
	}
	return out, nil
}

// Found tells whether a verdict of the history names what is wrong with it.
func (s Sick) Found(v *Verdict) bool {
	for _, w := range v.Violations {
		if w.Kind == s.Kind {
			return true
		}
	}
	return false
}
