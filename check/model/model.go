package model

import "fmt"

// Rules is a set of a model's rules, by their index in Model.Rules.
type Rules uint32

// Has tells whether the rule of that index is in the set.
func (r Rules) Has(rule int) bool { return r&(1<<rule) != 0 }

// Rule is one switch of a model.
type Rule struct {
	// Number is the protocol's number of the rule: "2", or "11, 12" where a switch belongs to several.
	Number string
	// Name is short and unique in its model: "quorum-round".
	Name string
	// Says is the rule as one sentence: what holds while it is on.
	Says string
	// Assumed marks what the world does and not the code: that clocks do not freeze, that a disk does
	// not rot. Off, the world may do it.
	Assumed bool
}

// Step is one transition: which kind, and the numbers that tell it from its siblings.
type Step struct {
	Act     uint8 // index in Model.Acts
	A, B, C int8
}

// Goal is a state that must be reachable while every rule is on.
type Goal[S comparable] struct {
	Name    string
	Reached func(S) bool
}

// Case is one claim about a model: with these rules off it is safe, or it is not.
// That it is safe with all of them on is claimed of every model, without a Case.
type Case struct {
	Off []string // names of rules
	// Broken is the invariant that is broken, and Steps the length of the shortest way
	// there. Empty and zero: safe even so.
	Broken string
	Steps  int
	// Why is one sentence for a reader: what goes wrong, or why nothing does.
	Why string
}

// Model is a protocol, small enough to be walked through whole.
type Model[S comparable] struct {
	Name  string
	About string // what is modelled, within which bounds, and what is left out: a few sentences
	Rules []Rule
	Acts  []string // the kinds of steps, each of which must be taken
	Start S
	// Next emits each successor of s with the rules of off switched off; in the same order for
	// the same s and off. It never emits s itself.
	Next func(s S, off Rules, emit func(Step, S))
	// Broken is the name of the invariant that s breaks, or "".
	Broken func(s S) string
	// Say is one line of a story; nil: the name of the act and its numbers.
	Say   func(Step) string
	Goals []Goal[S]
	Cases []Case
}

// set is the set of the named rules. A name that the model does not know is a bug of ours.
func (m *Model[S]) set(names []string) Rules {
	var r Rules
	for _, name := range names {
		at := m.rule(name)
		if at < 0 {
			panic(fmt.Sprintf("model %s has no rule %q", m.Name, name))
		}
		r |= 1 << at
	}
	return r
}

func (m *Model[S]) rule(name string) int {
	for i, rule := range m.Rules {
		if rule.Name == name {
			return i
		}
	}
	return -1
}

func (m *Model[S]) say(step Step) string {
	if m.Say != nil {
		return m.Say(step)
	}
	return fmt.Sprintf("%s %d %d %d", m.Acts[step.Act], step.A, step.B, step.C)
}
