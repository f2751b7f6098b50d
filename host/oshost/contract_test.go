package oshost_test

import (
	"fmt"
	"log/slog"
	"testing"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/host/hosttest"
	"github.com/weirmq/weir/host/oshost"
)

// machine runs incarnations over one data directory.
type machine struct{ data string }

func (m machine) Run(fn func(h host.Host, sc *host.Scope)) error {
	h, err := oshost.New(oshost.Config{Data: m.data, Node: "n1", Log: slog.DiscardHandler})
	if err != nil {
		return err
	}
	sc, cancel := h.Root().Task("test")
	defer cancel()
	result := make(chan error, 1)
	go func() { // not Host.Go, which ends the process when fn panics
		defer func() {
			if v := recover(); v != nil {
				result <- fmt.Errorf("panic: %v", v)
				return
			}
			result <- nil
		}()
		fn(h, sc)
	}()
	err = <-result
	h.Close(nil)
	h.Wait()
	return err
}

func TestRealMachineKeepsTheContract(t *testing.T) {
	hosttest.Run(t, func(t *testing.T) hosttest.Runner { return machine{t.TempDir()} })
}
