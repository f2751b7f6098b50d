package workload

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/weirmq/weir/check"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/sim"
)

const (
	// settleTime is how long the healed core has for each thing that must come right: a stalled disk call may
	// take half of it, a store call that hangs another sixth.
	settleTime = host.Time(time.Minute)
	progressID = 102
	// patientTimeout is how long a client of the second phase waits: a read of a whole request may take many objects.
	patientTimeout = host.Time(30 * time.Second)
	livenessTeam   = "liveness"
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

// flush ends the history: what clients have under way may be answered while the logs are read, or never.
func (r *run) flush() {
	defer func() { r.sealed = true }()
	for _, a := range r.actors {
		for i := range a.batches {
			if s := &a.batches[i]; !s.ended {
				a.end(s, check.Unknown)
			}
		}
		if a.open != nil {
			a.record(*a.open, check.Unknown)
			a.open = nil
		}
	}
}

// eventually runs fn as a fresh client, again and again until it succeeds or the settle time is over.
func (r *run) eventually(what string, fn func(a *actor, sc *host.Scope) error) error {
	return r.w.Do(r.w.Machine(adminMachine), func(h host.Host, sc *host.Scope) error {
		until := h.Now() + settleTime
		var err error
		for h.Now() < until {
			a := r.newActor(h, progressID)
			a.wire.timeout = patientTimeout
			a.seq = r.progressSeq
			err = fn(a, sc)
			r.progressSeq = a.seq
			a.wire.drop()
			if err == nil {
				return nil
			}
			if e := h.Sleep(sc, 100*time.Millisecond); e != nil {
				return e
			}
		}
		return blame(oracleLiveness, "%s: not within %v after healing: %w\n%s%s", what, settleTime.Sub(0), err,
			r.state(), r.w.Tasks())
	})
}

// state is what the node says of itself, for the report of a run that stands still.
func (r *run) state() string {
	if r.node == nil {
		return "  the node is down\n"
	}
	log, engine := r.node.Broker().Log(), r.node.Broker().Engine().Stats()
	return fmt.Sprintf("  WAL trimmed to %d, durable to %d, end %d, %+v\n  streams: %+v\n", log.Trimmed(), log.Durable(),
		log.End(), log.Stats(), engine)
}

// progress demands that every partition takes a record and serves it, and that offsets can be committed and read.
func (r *run) progress() error {
	for p := range r.settings.Partitions {
		err := r.eventually(fmt.Sprintf("produce to %s/%d and read it", topicName, p),
			func(a *actor, sc *host.Scope) error { return a.roundTrip(sc, p) })
		if err != nil {
			return err
		}
	}
	return r.eventually("commit an offset and read it", func(a *actor, sc *host.Scope) error {
		if !a.findCoordinator(sc) {
			return errors.New("no coordinator")
		}
		a.seq++
		op := check.Op{Partition: check.Partition{Topic: topicName}, Group: livenessTeam, Offset: int64(a.seq)}
		if code, err := a.sendCommit(sc, &op); err != nil || code != 0 {
			return fmt.Errorf("commit: code %d, %w", code, err)
		}
		got, err := a.sendFetchCommitted(sc, livenessTeam, op.Partition)
		if err == nil && got != op.Offset {
			err = fmt.Errorf("offset %d is committed, not %d", got, op.Offset)
		}
		return err
	})
}

// roundTrip produces a record and reads it.
func (a *actor) roundTrip(sc *host.Scope, p int32) error {
	o := Op{Kind: OpProduce, Partition: p, Patience: patientTimeout, Batches: []Batch{{Partition: p, Records: []int{20}}}}
	a.produce(sc, &o)
	made := &a.batches[0]
	if made.Outcome != check.OK {
		return fmt.Errorf("produce: %s", made.Outcome)
	}
	part, err := a.sendFetch(sc, topicName, p, made.Offset, 1<<16, 100)
	if err != nil {
		return err
	}
	records, _, err := parseRecords(part.RecordBatches, made.Offset)
	if err == nil && (len(records) == 0 || records[0].Value != made.Values[0]) {
		err = fmt.Errorf("read at offset %d: code %d, %v", made.Offset, part.ErrorCode, records)
	}
	return err
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

// readBack reads every partition with a fresh client once the node serves.
func (r *run) readBack() ([]check.Log, error) {
	var logs []check.Log
	err := r.eventually("read everything back", func(a *actor, sc *host.Scope) (err error) {
		logs, err = a.readAll(sc)
		return err
	})
	return logs, err
}

func (a *actor) readAll(sc *host.Scope) ([]check.Log, error) {
	var logs []check.Log
	var read []reading
	for p := range a.r.settings.Partitions {
		log, err := a.readLog(sc, p)
		if err != nil {
			return nil, err
		}
		logs, read = append(logs, log.Log), append(read, log)
	}
	return logs, a.question(sc, read)
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
