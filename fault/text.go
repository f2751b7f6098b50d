package fault

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/weirmq/weir/host"
)

// SyntaxError says where a plan's text is wrong, why, and what to write instead.
type SyntaxError struct {
	Line   int // from 1; 0 when one step was read by itself
	Column int // from 1, in bytes
	Text   string
}

func (e *SyntaxError) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("fault: column %d: %s", e.Column, e.Text)
	}
	return fmt.Sprintf("fault: line %d, column %d: %s", e.Line, e.Column, e.Text)
}

// Parse reads a plan: one step a line, as docs/format/fault-plan.md draws it. Blank lines and lines that begin with
// '#' say nothing. An error is a *SyntaxError.
func Parse(text string) (Plan, error) {
	var p Plan
	number := 0
	for line := range strings.Lines(text) {
		number++
		if trimmed := strings.TrimSpace(line); trimmed == "" || trimmed[0] == '#' {
			continue
		}
		s, err := parseStep(line)
		if err != nil {
			err.Line = number
			return nil, err
		}
		p = append(p, s)
	}
	return p, nil
}

// LineOf returns the number of the first line of a plan's text that says s, from 1; 0 if none does.
func LineOf(text string, s Step) int {
	number := 0
	for line := range strings.Lines(text) {
		number++
		if step, err := parseStep(line); err == nil && step == s {
			return number
		}
	}
	return 0
}

// UnmarshalText reads the step's line. An error is a *SyntaxError without a line.
func (s *Step) UnmarshalText(line []byte) error {
	if at := strings.IndexByte(string(line), '\n'); at >= 0 {
		return &SyntaxError{Column: at + 1, Text: "a step is one line; put the next one into a string of its own"}
	}
	step, err := parseStep(string(line))
	if err != nil {
		return err
	}
	*s = step
	return nil
}

// words cuts one line into its words.
type words struct {
	line string
	next int // byte at which the search for the next word goes on
	at   int // where the last word begins
}

// word returns the next word, "" at the end.
func (w *words) word() string {
	rest := w.line[w.next:]
	w.at = w.next + len(rest) - len(strings.TrimLeftFunc(rest, unicode.IsSpace))
	rest = w.line[w.at:]
	end := strings.IndexFunc(rest, unicode.IsSpace)
	if quoted, err := strconv.QuotedPrefix(rest); err == nil && rest[0] == '"' {
		end = len(quoted)
	}
	if end < 0 {
		end = len(rest)
	}
	w.next = w.at + end
	return rest[:end]
}

func (w *words) wrong(format string, args ...any) *SyntaxError {
	return &SyntaxError{Column: w.at + 1, Text: fmt.Sprintf(format, args...)}
}

func parseStep(line string) (Step, *SyntaxError) {
	var s Step
	w := &words{line: line}
	word := w.word()
	at, err := time.ParseDuration(word)
	if err != nil || at < 0 {
		return s, w.wrong("%q is no time since the start; write one such as 1.5s", word)
	}
	s.At = host.Time(at)
	word = w.word()
	if nth, ok := strings.CutPrefix(word, "#"); ok {
		if s.Nth, err = strconv.Atoi(nth); err != nil || s.Nth < 1 {
			return s, w.wrong("%q is no number of an opportunity; write #1 for the first", word)
		}
		word = w.word()
	}
	if s.Target, err = parseTarget(word); err != nil {
		return s, w.wrong("%s", err)
	}
	if word = w.word(); word == "" {
		return s, w.wrong("the kind of fault is missing; write its ID after the target, such as %s", SyncError)
	}
	if s.Kind, err = ParseKind(word); err != nil {
		return s, w.wrong("%s", strings.TrimPrefix(err.Error(), "fault: "))
	}
	return s, parseOptions(w, &s)
}

// parseOptions reads for= and arg= in any order, each at most once.
func parseOptions(w *words, s *Step) *SyntaxError {
	seen := map[string]bool{}
	for word := w.word(); word != ""; word = w.word() {
		name, value, _ := strings.Cut(word, "=")
		if seen[name] {
			return w.wrong("%s= stands here twice; leave one out", name)
		}
		seen[name] = true
		var err error
		switch name {
		case "for":
			if s.For, err = time.ParseDuration(value); err != nil || s.For < 0 {
				return w.wrong("%q is no duration; write one such as for=250ms", value)
			}
		case "arg":
			if s.Arg, err = strconv.ParseUint(value, 0, 64); err != nil {
				return w.wrong("%q is no number of 64 bits; write one such as arg=0x1f", value)
			}
		default:
			return w.wrong("%q is not understood; after the kind there may be for= and arg=", word)
		}
	}
	return nil
}

// Targets that would not read back as they are stand in quotes; no target at all is a dash.
func parseTarget(word string) (string, error) {
	switch {
	case word == "":
		return "", fmt.Errorf("the target is missing; write one such as weir:wal, store, or %s for any", Any)
	case word == "-":
		return "", nil
	case word[0] != '"':
		return word, nil
	}
	target, err := strconv.Unquote(word)
	if err != nil {
		return "", fmt.Errorf("the target %s is not well quoted; end it with a quote, and escape as Go does", word)
	}
	return target, nil
}

func formatTarget(target string) string {
	odd := func(r rune) bool { return r <= ' ' || r >= unicode.MaxASCII }
	switch {
	case target == "":
		return "-"
	case target == "-" || target[0] == '"' || target[0] == '#' || strings.ContainsFunc(target, odd):
		return strconv.QuoteToASCII(target)
	}
	return target
}

// columns returns the step's words; the second is "" when Nth is 0.
func (s Step) columns() [5]string {
	c := [5]string{time.Duration(s.At).String(), "", formatTarget(s.Target), s.Kind.String()}
	if s.Nth != 0 {
		c[1] = "#" + strconv.Itoa(s.Nth)
	}
	if s.For != 0 {
		c[4] = "for=" + s.For.String()
	}
	if s.Arg != 0 {
		c[4] = strings.TrimLeft(c[4]+" arg=0x"+strconv.FormatUint(s.Arg, 16), " ")
	}
	return c
}

// String returns the step's line.
func (s Step) String() string {
	var b strings.Builder
	for _, c := range s.columns() {
		if c != "" && b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(c)
	}
	return b.String()
}

// String returns the plan's text, in columns.
func (p Plan) String() string {
	var width [5]int
	for _, s := range p {
		for i, c := range s.columns() {
			width[i] = max(width[i], len(c))
		}
	}
	var b strings.Builder
	for _, s := range p {
		line := ""
		for i, c := range s.columns() {
			if width[i] > 0 {
				line += fmt.Sprintf("%-*s  ", width[i], c)
			}
		}
		b.WriteString(strings.TrimRight(line, " "))
		b.WriteByte('\n')
	}
	return b.String()
}

// MarshalText returns the step's line, or says why the step is none.
func (s Step) MarshalText() ([]byte, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	return []byte(s.String()), nil
}

// Validate returns why the step cannot be written down, or nil.
func (s Step) Validate() error {
	switch {
	case s.At < 0 || s.For < 0:
		return fmt.Errorf("fault: step %s: times are not negative", s)
	case s.Nth < 0:
		return fmt.Errorf("fault: step %s: opportunities count from 1", s)
	case s.Kind >= kindCount:
		return fmt.Errorf("fault: step %s: there is no kind %d", s, uint8(s.Kind))
	}
	return nil
}
