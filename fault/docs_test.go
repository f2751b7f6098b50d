package fault_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/fault"
)

const drawing = "../docs/format/fault-plan.md"

// kindComments returns what kind.go says of each constant, in order.
func kindComments(t *testing.T) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "kind.go", nil, parser.ParseComments)
	require.NoError(t, err)
	var said []string
	for _, d := range file.Decls {
		block, ok := d.(*ast.GenDecl)
		if !ok || block.Tok != token.CONST || block.Specs[0].(*ast.ValueSpec).Names[0].Name != "TornWrite" {
			continue
		}
		for _, s := range block.Specs {
			said = append(said, strings.TrimSpace(s.(*ast.ValueSpec).Comment.Text()))
		}
	}
	return said[:len(fault.Kinds())]
}

// kindTable is the table of all kinds as the drawing has it.
func kindTable(t *testing.T) string {
	targets := map[fault.Target]string{
		fault.OnMachine: "machine", fault.OnVolume: "volume", fault.OnLink: "link", fault.OnStore: "store",
		fault.OnSite: "site", fault.OnClient: "client",
	}
	said := kindComments(t)
	var b strings.Builder
	b.WriteString("| kind | what it does | target | opportunity | length | promise | carried out by |\n")
	b.WriteString("| --- | --- | --- | --- | --- | --- | --- |\n")
	for i, k := range fault.Kinds() {
		info := k.Info()
		length, promise, where := "", "within", "simulator"
		if info.Longest > 0 {
			length = short(info.Shortest) + " – " + short(info.Longest)
		}
		if info.Window {
			length = "window, " + length
		}
		if info.Promise == fault.Beyond {
			promise = "**beyond**"
		}
		if info.Real {
			where += ", server"
		}
		require.NotEmpty(t, said[i], k)
		require.NotEmpty(t, info.When, k)
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s | %s |\n",
			info.ID, said[i], targets[info.On], info.When, length, promise, where)
	}
	return b.String()
}

// short prints a duration without its zeroes.
func short(d time.Duration) string {
	s := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(s, zero) {
			s = s[:len(s)-2]
		}
	}
	return s
}

// TestTheDrawingListsEveryKind: the table is made from kind.go; -update writes it.
func TestTheDrawingListsEveryKind(t *testing.T) {
	const begin, end = "<!-- kinds: written by go test ./fault -update -->\n", "<!-- end of kinds -->"
	text, err := os.ReadFile(drawing)
	require.NoError(t, err)
	head, rest, ok := strings.Cut(string(text), begin)
	require.True(t, ok)
	table, tail, ok := strings.Cut(rest, end)
	require.True(t, ok)
	if *update {
		require.NoError(t, os.WriteFile(drawing, []byte(head+begin+kindTable(t)+end+tail), 0o644))
		return
	}
	require.Equal(t, kindTable(t), table, "run go test ./fault -update")
}

// TestThePlansInDocumentsParse: every example is a plan, and one for the server is one that it carries out.
func TestThePlansInDocumentsParse(t *testing.T) {
	for _, file := range []string{drawing, "../docs/operations.md"} {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		seen := 0
		for i, block := range strings.Split(string(text), "```") {
			plan, ok := strings.CutPrefix(block, "plan\n")
			if i%2 == 0 || !ok {
				continue
			}
			seen++
			p, err := fault.Parse(plan)
			require.NoError(t, err)
			require.NotEmpty(t, p)
			if strings.Contains(plan, "weir server") {
				require.NoError(t, fault.CheckReal(p, "weir"))
			}
		}
		require.Positive(t, seen, file)
	}
}
