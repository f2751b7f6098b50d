package model

import "fmt"

// Limit is the most states that a walk may see: three times the largest model's, and within 2 GiB.
const Limit = 6_000_000

// Claim is one row of the table of models: what was claimed, and what the walk found.
type Claim struct {
	Case
	Verdict *Verdict
	// Wrong says how the walk contradicts the claim, or is "".
	Wrong string
}

// Claims is a model with its type of state hidden.
type Claims struct {
	Name  string
	About string
	Rules []Rule
	Cases []Case // the first one is "every rule on"
	// Check walks one of Cases.
	Check func(Case) *Claim
}

// All are the models, in the order of the protocol's table.
func All() []*Claims {
	return []*Claims{
		claims(lease()),
		claims(objectwal()),
		claims(ring()),
		claims(move()),
		claims(commit()),
		claims(sweep()),
		claims(holder()),
	}
}

// claims hides the state of m.
func claims[S comparable](m *Model[S]) *Claims {
	all := append([]Case{{Why: "every rule on"}}, m.Cases...)
	return &Claims{Name: m.Name, About: m.About, Rules: m.Rules, Cases: all, Check: func(c Case) *Claim {
		v := Explore(m, c.Off, Limit)
		return &Claim{Case: c, Verdict: v, Wrong: judge(c, v)}
	}}
}

// judge compares a walk with what was claimed of it.
func judge(c Case, v *Verdict) string {
	switch {
	case v.Cut:
		return fmt.Sprintf("the walk saw %d states and was not at its end", v.States)
	case v.Broken != c.Broken && c.Broken == "":
		return fmt.Sprintf("claimed safe, and %s is broken after %d steps", v.Broken, len(v.Story))
	case v.Broken != c.Broken && v.Broken == "":
		return fmt.Sprintf("%s is not broken in %d states", c.Broken, v.States)
	case v.Broken != c.Broken:
		return fmt.Sprintf("%s is broken, not %s", v.Broken, c.Broken)
	case len(v.Story) != c.Steps:
		return fmt.Sprintf("the shortest way takes %d steps, not %d", len(v.Story), c.Steps)
	case len(c.Off) == 0 && len(v.Missed) > 0:
		return fmt.Sprintf("goals never reached: %v", v.Missed)
	case len(c.Off) == 0 && len(v.Idle) > 0:
		return fmt.Sprintf("steps never taken: %v", v.Idle)
	}
	return ""
}
