package main

import (
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSimCommandsRefuseWhatTheyCannotRun(t *testing.T) {
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"sweep", "--seeds", "20..1"}, "the last is below the first"},
		{[]string{"sweep", "--seeds", "all"}, "give them as A..B"},
		{[]string{"run", "--seed", "-1"}, "invalid argument"},
		{[]string{"run", "7"}, "unknown command"},
	} {
		cmd := simCommand()
		cmd.SetArgs(c.args)
		cmd.SetOut(io.Discard)
		cmd.SetErr(io.Discard)
		require.ErrorContains(t, cmd.Execute(), c.says, c.args)
	}
}
