package workload

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/sim"
)

// finish is the second phase: the core is healed, what is frozen stays so, and the system must come to rest. Every
// partition takes a record and serves it, the group's offsets work, everything can be read by a fresh client, and again
// after kill -9; the store holds nothing for nothing, the WAL owes nothing, and the stop is clean.
func (r *run) finish() error {
	if err := r.progress(); err != nil {
		return err
	}
	r.flush()
	first, err := r.readBack()
	if err != nil {
		return fmt.Errorf("read back: %w", err)
	}
	r.manual = true
	r.m.KillWith(sim.KeepUnsynced)
	r.manual = false
	r.restarts++
	r.boot()
	second, err := r.readBack()
	if err != nil {
		return fmt.Errorf("read back after kill -9: %w", err)
	}
	if err := sameLogs(first, second, "kill -9"); err != nil {
		return err
	}
	r.history.Logs = second
	if err := r.atRest(); err != nil {
		return err
	}
	return r.stop()
}

// heal ends all that goes wrong at the core, and lets a drawn trouble of the far clients stay for ever.
func (r *run) heal() {
	r.crash.stop()
	r.calm = true
	r.w.Calm()
	if r.settings.Freeze == "" {
		return
	}
	far := r.w.Machine(farClients)
	switch r.settings.Freeze {
	case FreezePaused:
		far.Pause(24 * time.Hour)
	case FreezeCut:
		r.w.Block(farClients, nodeMachine)
		r.w.Block(nodeMachine, farClients)
	case FreezeDeaf:
		r.w.Block(nodeMachine, farClients)
	case FreezeMute:
		r.w.Block(farClients, nodeMachine)
	}
}

// nodeState is what the node says of itself, for the report of a run that stands still.
func (r *run) nodeState() string {
	if r.node == nil {
		return "  the node is down\n"
	}
	log, engine := r.node.Broker().Log(), r.node.Broker().Engine().Stats()
	return fmt.Sprintf("  WAL trimmed to %d, durable to %d, end %d, %+v\n  streams: %+v\n", log.Trimmed(), log.Durable(),
		log.End(), log.Stats(), engine)
}

// atRest waits until the store holds what metadata refers to and nothing else: the bytes of deleted topics, of
// abandoned uploads and of late puts are gone, and nothing that is referred to is missing; and until the WAL owes
// nothing, so that it could be trimmed to its end.
func (r *run) atRest() error {
	until := r.w.Now() + settleTime
	var leaked, missing []string
	for r.w.Now() < until {
		if err := r.w.RunUntil(r.w.Now() + host.Time(time.Second)); err != nil {
			return err
		}
		if r.node == nil {
			continue
		}
		leaked, missing = r.node.Orphans(r.keys())
		if len(missing) > 0 {
			break
		}
		leaked = slices.DeleteFunc(leaked, r.audits.waits)
		if len(leaked) == 0 && r.node.Broker().Engine().Stats().PendingBytes == 0 {
			return nil
		}
	}
	if len(leaked)+len(missing) > 0 || r.node == nil {
		return blame(oracleOrphans, "%d objects are missing, %v; %d are in the store for nothing, %v\n%s",
			len(missing), missing, len(leaked), leaked, r.audits.say())
	}
	return blame(oracleLiveness, "nothing is produced any more, and %d bytes wait in the WAL for their upload",
		r.node.Broker().Engine().Stats().PendingBytes)
}

// keys are the keys of the store, without those of a start's probe that a crash cut short.
func (r *run) keys() []string {
	return slices.DeleteFunc(r.w.Objects(), func(k string) bool { return strings.HasPrefix(k, "probe/") })
}

// stop ends the node in order.
func (r *run) stop() error {
	if r.node == nil {
		return blame(oracleLiveness, "the node does not serve at the end")
	}
	if err := r.w.Do(r.m, func(_ host.Host, sc *host.Scope) error { return r.node.Stop(sc) }); err != nil {
		return blame(oracleLiveness, "the node does not stop: %w", err)
	}
	r.audits.audit("after the stop", true)
	return r.w.Err()
}
