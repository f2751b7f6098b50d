package report_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/sim/run/report"
)

var update = flag.Bool("update", false, "write the golden report again")

func render(t *testing.T, dir, docs string) string {
	t.Helper()
	e, err := report.Load(dir, docs)
	require.NoError(t, err)
	var out bytes.Buffer
	require.NoError(t, report.Write(&out, e))
	return out.String()
}

func TestASmallReport(t *testing.T) {
	got := render(t, "testdata/evidence", "testdata/docs")
	golden := filepath.Join("testdata", "report.html")
	if *update {
		require.NoError(t, os.WriteFile(golden, []byte(got), 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.True(t, string(want) == got, "the report differs; if this is meant: go test ./sim/run/report -update")
	require.True(t, got == render(t, "testdata/evidence", "testdata/docs"), "equal evidence, equal bytes")
}

func TestWithoutEvidenceTheReportSaysHowToGetIt(t *testing.T) {
	got := render(t, t.TempDir(), t.TempDir())
	require.Contains(t, got, "No sweep was recorded: nothing below is evidence.")
	for _, file := range []string{"sweep.json", "mutants.json", "worked.json", "fuzz.jsonl", "check.json", "models.json",
		"jepsen.json", "clusters/sweep.json"} {
		require.Contains(t, got, "No "+file+":", file)
	}
	require.Contains(t, got, "make evidence")
	require.Contains(t, got, "docs/guarantees.md was not found")
	require.Equal(t, 18, strings.Count(got, "<section id="), "no section is left out")
}

// A number in the report is read, never written into its text.
func TestTheTemplateHasNoNumberOfItsOwn(t *testing.T) {
	for _, file := range []string{"report.html.tmpl", "jepsen.html.tmpl"} {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		plain := regexp.MustCompile(`(?s)\{\{.*?\}\}|<[^>]*>`).ReplaceAllString(string(text), " ")
		require.False(t, strings.ContainsFunc(plain, unicode.IsDigit), "a digit stands in the text of %s", file)
	}
}

func TestTheReportAsksTheNetworkForNothing(t *testing.T) {
	got := render(t, "testdata/evidence", "testdata/docs")
	for _, outside := range []string{"http://", "https://", "src=\"", "@import", "url("} {
		require.NotContains(t, got, outside)
	}
}

func TestWhatClientsWroteCannotBreakThePage(t *testing.T) {
	got := render(t, "testdata/evidence", "testdata/docs")
	require.NotContains(t, got, "<script>alert")
	require.Contains(t, got, "&lt;script&gt;alert")
}

func TestBrokenEvidenceIsAnErrorThatNamesTheFile(t *testing.T) {
	for _, file := range []string{"sweep.json", "mutants.json", "fuzz.jsonl"} {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, file), []byte("{\"seeds\": ["), 0o644))
		_, err := report.Load(dir, "testdata/docs")
		require.ErrorContains(t, err, file)
	}
}
