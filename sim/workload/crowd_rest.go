package workload

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/weirmq/weir/check"
	"github.com/weirmq/weir/host"
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

// flush ends the history: what clients have under way may be answered while the logs are read, or never.
func (c *Crowd) flush() {
	defer func() { c.sealed = true }()
	for _, a := range c.actors {
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
func (c *Crowd) eventually(what string, fn func(a *actor, sc *host.Scope) error) error {
	return c.w.Do(c.w.Machine(adminMachine), func(h host.Host, sc *host.Scope) error {
		until, patience := h.Now()+settleTime, patientTimeout
		if c.lead != nil { // some nodes may never answer
			until, patience = until+settleTime, patience/6
		}
		var err error
		for h.Now() < until {
			a := c.newActor(h, progressID)
			a.wire.timeout = patience
			a.seq = c.progressSeq
			err = fn(a, sc)
			c.progressSeq = a.seq
			a.wire.drop()
			if err == nil {
				return nil
			}
			if e := h.Sleep(sc, 100*time.Millisecond); e != nil {
				return e
			}
		}
		return blame(oracleLiveness, "%s: not in time after healing: %w\n%s%s", what, err,
			c.state(), c.w.Tasks())
	})
}

// progress demands that every partition takes a record and serves it, and that offsets can be committed and read.
func (c *Crowd) progress() error {
	for p := range c.settings.Partitions {
		err := c.eventually(fmt.Sprintf("produce to %s/%d and read it", topicName, p),
			func(a *actor, sc *host.Scope) error { return a.roundTrip(sc, p) })
		if err != nil {
			return err
		}
	}
	return c.eventually("commit an offset and read it", func(a *actor, sc *host.Scope) error {
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

// readBack reads every partition with a fresh client once the node serves.
func (c *Crowd) readBack() ([]check.Log, error) {
	var logs []check.Log
	err := c.eventually("read everything back", func(a *actor, sc *host.Scope) (err error) {
		logs, err = a.readAll(sc)
		return err
	})
	return logs, err
}

func (a *actor) readAll(sc *host.Scope) ([]check.Log, error) {
	var logs []check.Log
	var read []reading
	for p := range a.c.settings.Partitions {
		log, err := a.readLog(sc, p)
		if err != nil {
			return nil, err
		}
		logs, read = append(logs, log.Log), append(read, log)
	}
	return logs, a.question(sc, read)
}

// sameLogs demands that what was read first is there still.
func sameLogs(first, second []check.Log, between string) error {
	for i := range first {
		// A request that its client gave up may be appended as late as now: the log may have grown.
		n := len(first[i].Values)
		if first[i].Start != second[i].Start || n > len(second[i].Values) ||
			!slices.Equal(first[i].Values, second[i].Values[:n]) {
			return blame(oracleReadBack, "%s reads [%d, %d) before %s and [%d, %d) after it, with other records",
				first[i].Partition, first[i].Start, first[i].End(), between, second[i].Start, second[i].End())
		}
	}
	return nil
}
