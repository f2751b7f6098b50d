package fault_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/fault"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden holds got against a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), got, "%s: run with -update if this is meant; plans of old must still read", file)
}

// TestPlansReadAsTheyAlwaysDid: each line of the input reads to the step that it always was.
func TestPlansReadAsTheyAlwaysDid(t *testing.T) {
	text, err := os.ReadFile("testdata/plan.txt")
	require.NoError(t, err)
	p, err := fault.Parse(string(text))
	require.NoError(t, err)
	golden(t, "plan.printed", p.String())
	var fields strings.Builder
	for _, s := range p {
		fmt.Fprintf(&fields, "At %d Nth %d Target %q Kind %s For %d Arg %d\n", s.At, s.Nth, s.Target, s.Kind, s.For, s.Arg)
	}
	golden(t, "plan.fields", fields.String())
}

// TestIDsOfKindsNeverChange: plans that are kept name kinds by these IDs.
func TestIDsOfKindsNeverChange(t *testing.T) {
	var ids strings.Builder
	for _, k := range fault.Kinds() {
		fmt.Fprintln(&ids, k)
		got, err := fault.ParseKind(k.String())
		require.NoError(t, err)
		require.Equal(t, k, got)
	}
	golden(t, "kinds", ids.String())
}

// TestErrorsSayWhereAndWhatToDo: each line of the input, parsed by itself as line 3 of a plan.
func TestErrorsSayWhereAndWhatToDo(t *testing.T) {
	text, err := os.ReadFile("testdata/wrong.txt")
	require.NoError(t, err)
	var said strings.Builder
	for line := range strings.Lines(string(text)) {
		_, err := fault.Parse("# a plan\n\n" + line)
		var wrong *fault.SyntaxError
		require.ErrorAs(t, err, &wrong, line)
		require.Equal(t, 3, wrong.Line)
		fmt.Fprintf(&said, "%s%*s\n  %v\n", line, wrong.Column, "^", err)
	}
	golden(t, "wrong.said", said.String())
}

func TestAStepThatCannotBeReadBackIsNotMarshalled(t *testing.T) {
	for _, s := range []fault.Step{
		{At: -1, Target: "weir", Kind: fault.Crash},
		{For: -1, Target: "weir", Kind: fault.Pause},
		{Nth: -1, Target: "weir", Kind: fault.Crash},
		{Target: "weir", Kind: 255},
	} {
		_, err := s.MarshalText()
		require.Error(t, err)
	}
	var s fault.Step
	require.Error(t, s.UnmarshalText([]byte("0s weir P1.crash\n1s weir P1.crash")))
	require.Error(t, s.UnmarshalText(nil))
	var k fault.Kind
	require.Error(t, k.UnmarshalText([]byte("D99.none")))
	_, err := fault.Kind(255).MarshalText()
	require.Error(t, err)
}

func FuzzParse(f *testing.F) {
	for _, name := range []string{"plan.txt", "plan.printed", "wrong.txt"} {
		text, err := os.ReadFile(filepath.Join("testdata", name))
		require.NoError(f, err)
		f.Add(string(text))
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := fault.Parse(text)
		if err != nil {
			var wrong *fault.SyntaxError
			require.ErrorAs(t, err, &wrong)
			require.Positive(t, wrong.Line)
			require.Positive(t, wrong.Column)
			return
		}
		again, err := fault.Parse(p.String())
		require.NoError(t, err, "%q prints as %q", text, p.String())
		require.Equal(t, p, again)
		require.Equal(t, p.String(), again.String())
	})
}
