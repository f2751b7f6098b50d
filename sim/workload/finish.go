package workload

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/weirmq/weir/check"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/sim"
)

// finish heals the world and reads everything back twice: from the node as it is, and after kill -9.
func (r *run) finish() error {
	r.w.SetFaults(sim.Faults{})
	r.crash.stop()
	r.m.CrashAt(0, sim.BeforeEffect, sim.Seeded)
	first, err := r.readBack()
	if err != nil {
		return fmt.Errorf("read back: %w", err)
	}
	r.calm = true
	r.m.KillWith(sim.KeepUnsynced)
	r.restarts++
	r.boot()
	second, err := r.readBack()
	if err != nil {
		return fmt.Errorf("read back after kill -9: %w", err)
	}
	for i := range first {
		// A request that its client gave up may be appended as late as now: the log may have grown.
		n := len(first[i].Values)
		if first[i].Start != second[i].Start || n > len(second[i].Values) ||
			!slices.Equal(first[i].Values, second[i].Values[:n]) {
			return blame(oracleReadBack, "%s reads [%d, %d) before kill -9 and [%d, %d) after it, with other records",
				first[i].Partition, first[i].Start, first[i].End(), second[i].Start, second[i].End())
		}
	}
	r.history.Logs = second
	if err := r.noOrphans(); err != nil {
		return err
	}
	return r.stop()
}

// noOrphans waits until the store holds what metadata refers to and nothing else: the bytes of deleted
// topics, of abandoned uploads and of late puts are gone, and nothing that is referred to is missing.
func (r *run) noOrphans() error {
	until := r.w.Now() + host.Time(time.Minute)
	var leaked, missing []string
	for r.w.Now() < until {
		if err := r.w.RunUntil(r.w.Now() + host.Time(time.Second)); err != nil {
			return err
		}
		if leaked, missing = r.node.Orphans(r.w.Objects()); len(leaked)+len(missing) == 0 {
			return nil
		}
		if len(missing) > 0 {
			break
		}
	}
	return blame(oracleOrphans, "%d objects are missing, %v; %d are in the store for nothing, %v",
		len(missing), missing, len(leaked), leaked)
}

// readBack reads every partition with a fresh client once the node serves.
func (r *run) readBack() ([]check.Log, error) {
	var logs []check.Log
	err := r.w.Do(r.w.Machine(adminMachine), func(h host.Host, sc *host.Scope) error {
		until := h.Now() + host.Time(time.Minute)
		var err error
		for h.Now() < until {
			a := r.newActor(h, 101)
			logs, err = a.readAll(sc)
			a.wire.drop()
			if err == nil {
				return nil
			}
			if e := h.Sleep(sc, 100*time.Millisecond); e != nil {
				return e
			}
		}
		return blame(oracleLiveness, "not readable within a minute after healing: %w", err)
	})
	return logs, err
}

func (a *actor) readAll(sc *host.Scope) ([]check.Log, error) {
	var logs []check.Log
	for p := range a.r.settings.Partitions {
		log, err := a.readLog(sc, p)
		if err != nil {
			return nil, err
		}
		logs = append(logs, log)
	}
	return logs, nil
}

// stop ends the node in order.
func (r *run) stop() error {
	if r.node == nil {
		return errors.New("the node does not serve at the end")
	}
	return r.w.Do(r.m, func(h host.Host, sc *host.Scope) error { return r.node.Stop(sc) })
}
