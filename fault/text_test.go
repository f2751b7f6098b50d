package fault_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/weirmq/weir/fault"
	"github.com/weirmq/weir/host"
)

// steps draws steps of every shape that can be written down.
func steps() *rapid.Generator[fault.Step] {
	return rapid.Custom(func(t *rapid.T) fault.Step {
		return fault.Step{
			At:  host.Time(rapid.Int64Range(0, math.MaxInt64).Draw(t, "at")),
			Nth: rapid.IntRange(0, 1<<40).Draw(t, "nth"),
			Target: rapid.OneOf(
				rapid.SampledFrom([]string{"weir", "weir:wal", "clients>weir", "store", fault.Any, "-", "", `"`, "#1", "a b"}),
				rapid.String(),
				rapid.Map(rapid.SliceOf(rapid.Byte()), func(p []byte) string { return string(p) }),
			).Draw(t, "target"),
			Kind: rapid.SampledFrom(fault.Kinds()).Draw(t, "kind"),
			For:  time.Duration(rapid.Int64Range(0, math.MaxInt64).Draw(t, "for")),
			Arg:  rapid.Uint64().Draw(t, "arg"),
		}
	})
}

func TestWhatIsPrintedParsesToTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := fault.Plan(rapid.SliceOfN(steps(), 1, 20).Draw(t, "plan"))
		got, err := fault.Parse(p.String())
		require.NoError(t, err, p.String())
		require.Equal(t, p, got)

		raw, err := json.Marshal(p)
		require.NoError(t, err)
		var back fault.Plan
		require.NoError(t, json.Unmarshal(raw, &back))
		require.Equal(t, p, back)
	})
}

func TestAPlanInJSONIsTheListOfItsLines(t *testing.T) {
	p, err := fault.Parse("1.5s #3 weir:wal D7.sync-error arg=0x1f\n\n# later\n10s clients>weir N3.clog for=2s\n")
	require.NoError(t, err)
	raw, err := json.Marshal(p)
	require.NoError(t, err)
	plain := strings.ReplaceAll(string(raw), `\u003e`, ">")
	require.Equal(t, `["1.5s #3 weir:wal D7.sync-error arg=0x1f","10s clients>weir N3.clog for=2s"]`, plain)
}

func TestALineIsFoundByItsStep(t *testing.T) {
	const text = "# two\n\n0s n1 D6.read-error\n 0s  n1  P1.crash\n"
	p, err := fault.Parse(text)
	require.NoError(t, err)
	require.Equal(t, 3, fault.LineOf(text, p[0]))
	require.Equal(t, 4, fault.LineOf(text, p[1]))
	require.Zero(t, fault.LineOf(text, fault.Step{}))
}
