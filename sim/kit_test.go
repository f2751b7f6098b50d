package sim_test

import (
	"testing"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/sim"
)

// newWorld returns a world that is closed at the end of the test.
func newWorld(t testing.TB, cfg sim.Config) *sim.World {
	t.Helper()
	w := sim.New(cfg)
	t.Cleanup(func() { w.Close() })
	return w
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// volume attaches the volume "data".
func volume(h host.Host, sc *host.Scope) host.Volume {
	v, err := h.Disk().Volume(sc, "data")
	if err != nil {
		panic(err)
	}
	return v
}

// create opens the file at path, with its name and its directory's durable.
func create(h host.Host, sc *host.Scope, path string) host.File {
	v := volume(h, sc)
	f, err := v.Open(path, host.Create)
	if err != nil {
		panic(err)
	}
	if err := v.SyncDir(""); err != nil {
		panic(err)
	}
	return f
}
