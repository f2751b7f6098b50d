package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/fault"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/host/oshost"
	"github.com/weirmq/weir/objectstore"
)

func TestAFaultPlanNeedsTheWordThatItIsMeant(t *testing.T) {
	_, err := settings(t, "", "--fault-plan", "plan.txt")
	require.ErrorContains(t, err, "--allow-faults")
	require.NotContains(t, err.Error(), "\n")
	_, err = settings(t, "", "--fault-plan", "plan.txt", "--allow-faults")
	require.NoError(t, err)
	_, err = settings(t, "fault-plan: plan.txt\n", "--allow-faults")
	require.NoError(t, err, "the plan may come from the file")

	t.Setenv("WEIR_ALLOW_FAULTS", "true")
	_, err = settings(t, "", "--fault-plan", "plan.txt")
	require.ErrorContains(t, err, "--allow-faults", "the word does not come from the environment")
	_, err = settings(t, "fault-plan: plan.txt\nallow-faults: true\n")
	require.ErrorContains(t, err, `there is no setting "allow-faults"`, "nor from the file")
}

// planned returns what the server reads of a plan.
func planned(t *testing.T, text string) (fault.Plan, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "plan.txt")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	c := serverConfig{FaultPlan: file}
	return c.readPlan()
}

func TestABadFaultPlanIsRefusedInOneLineThatSaysWhere(t *testing.T) {
	for text, want := range map[string][]string{
		"0s weir:wal D7.sync-error\n\n0s weir:wal D7.sync": {"plan.txt line 3, column 13", `"D7.sync"`, "D7.sync-error"},
		"0s weir P1.crash\n0s weir:wal D1.torn-write": {
			"plan.txt line 1: a real process cannot", "P1.crash, D1.torn-write",
		},
		"0s store D6.read-error":     {"plan.txt line 1: D6.read-error strikes a volume", "not store"},
		"0s weir:wall D6.read-error": {"plan.txt line 1", "no volume weir:wall", "weir:wal"},
		"# nothing yet\n":            {"plan.txt has no step"},
	} {
		_, err := planned(t, text)
		require.Error(t, err, text)
		require.NotContains(t, err.Error(), "\n")
		for _, w := range want {
			require.ErrorContains(t, err, w)
		}
	}
	c := serverConfig{FaultPlan: "/no/such.txt"}
	_, err := c.readPlan()
	require.ErrorContains(t, err, "/no/such.txt")
	none, err := (&serverConfig{}).readPlan()
	require.NoError(t, err)
	require.Nil(t, none)
}

func TestAServerUnderAPlanSaysSoAndWhatStruck(t *testing.T) {
	h, err := oshost.New(oshost.Config{Data: t.TempDir()})
	require.NoError(t, err)
	defer h.Close(nil)
	p, err := planned(t, "0s #2 store O1.throttle\n1h store O7.outage for=1m\n")
	require.NoError(t, err)
	var said bytes.Buffer
	c := serverConfig{FaultPlan: "plan.txt", Data: t.TempDir()}
	i, err := c.underPlan(h, p, &said)
	require.NoError(t, err)
	require.Contains(t, said.String(), "WARNING")
	require.Contains(t, said.String(), "plan.txt, steps: 2 (O1.throttle, O7.outage)")

	store, err := c.openStoreUnder(i.Host(), i)
	require.NoError(t, err)
	put := func() error {
		_, err := onHost(h, func(sc *host.Scope) (struct{}, error) {
			return struct{}{}, store.Put(sc, "k", objectstore.BytesBody([]byte("x")))
		})
		return err
	}
	require.NoError(t, put())
	require.ErrorIs(t, put(), fault.ErrUnavailable)
	said.Reset()
	tellFaults(i, &said)
	require.Contains(t, said.String(), "struck: O1.throttle 1\n")
	require.Contains(t, said.String(), "steps that have not struck:\n1h0m0s  store  O7.outage  for=1m0s\n")
	said.Reset()
	tellFaults(nil, &said)
	require.Empty(t, said.String())
}

// TestTheStoreUnderAPlanIsTheOneWithoutIt: what was put under a plan is there when the node opens the store itself.
func TestTheStoreUnderAPlanIsTheOneWithoutIt(t *testing.T) {
	data := t.TempDir()
	h, err := oshost.New(oshost.Config{Data: data})
	require.NoError(t, err)
	defer h.Close(nil)
	c := serverConfig{Data: data}
	_, err = onHost(h, func(sc *host.Scope) (struct{}, error) {
		store, err := c.openEmbedded(sc, h)
		require.NoError(t, err)
		return struct{}{}, store.Put(sc, "k", objectstore.BytesBody([]byte("x")))
	})
	require.NoError(t, err)
	_, err = os.Stat(filepath.Join(data, "store", "objects", "objects", "k"))
	require.NoError(t, err)
}
