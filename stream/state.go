package stream

import (
	"errors"
	"fmt"
	"math"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/mutant"
	"github.com/weirmq/weir/internal/probe"
	"github.com/weirmq/weir/wal"
)

// restoreShadow gives r a shadow at offset at.
func (e *Engine) restoreShadow(sc *host.Scope, r *rangeLog, at int64) error {
	shadow, _, err := e.shadowAt(sc, &cursor{id: r.st.id, free: true}, r.epoch, at)
	if err == nil {
		r.shadow, r.shadowAt = shadow, at
	}
	return err
}

// StateAt returns the owner's state of a stream at exactly offset at, from the newest state at or below it and
// the entries between, by Config.NewShadow: what the owner opens a range of that epoch with.
func (e *Engine) StateAt(sc *host.Scope, id ID, epoch Epoch, at int64) ([]byte, error) {
	from := int64(-1)
	for {
		shadow, base, err := e.shadowAt(sc, &cursor{id: id}, epoch, at)
		if err == nil {
			e.dropHeads(id)
			return shadow.Snapshot(), nil
		}
		if !errors.Is(err, ErrHole) || base <= from {
			return nil, fmt.Errorf("stream: state of stream %d at offset %d: %w", id, at, err)
		}
		probe.Hit(probe.StreamStateMoved)
		// An upload may have moved the checkpoint on, and what lies between is below the log start offset
		// and gone: begin again from the newer one, if there is one.
		from = base
	}
}

// shadowAt makes a shadow at offset at and tells where the state that it began with was. c says whose.
func (e *Engine) shadowAt(sc *host.Scope, c *cursor, epoch Epoch, at int64) (Shadow, int64, error) {
	state, from, err := e.stateAt(sc, c.id, epoch, at)
	if err != nil && !errors.Is(err, ErrNoObject) {
		return nil, 0, err // with ErrNoObject the state is an empty stream's, at offset 0
	}
	if e.cfg.NewShadow == nil {
		return nil, 0, fmt.Errorf("%w: stream %d epoch %d: Config.NewShadow is nil", errState, c.id, epoch)
	}
	shadow, err := e.cfg.NewShadow(c.id, epoch, from, state)
	if err != nil {
		return nil, 0, fmt.Errorf("%w: stream %d epoch %d at offset %d: %w", errState, c.id, epoch, from, err)
	}
	c.pos, c.limit, c.inner = from, at, true
	if by, ok := shadow.(HeadShadow); ok {
		c.pos = e.applyHeads(c.id, by, from, at)
	}
	err = e.replayWith(sc, c, func(base int64, count uint32, data []byte) error {
		shadow.Apply(base, count, data)
		return nil
	})
	return shadow, from, err
}

// Checkpoint returns the newest state known of a stream and its offset: a committed checkpoint or a range's
// opening state in the log. ErrNoObject when there is none: the state is that of an empty stream.
func (e *Engine) Checkpoint(sc *host.Scope, id ID) (state []byte, at int64, err error) {
	return e.stateAt(sc, id, math.MaxInt32, math.MaxInt64)
}

// stateAt returns the newest state at or below offset upTo; of those in the log, one of epoch or below.
func (e *Engine) stateAt(sc *host.Scope, id ID, epoch Epoch, upTo int64) ([]byte, int64, error) {
	loc, lerr := e.cat.Checkpoint(id, upTo)
	if lerr != nil && !errors.Is(lerr, ErrNoObject) {
		return nil, 0, lerr
	}
	r, at, in := e.loggedState(id, epoch, upTo)
	if r != nil && (lerr != nil || at > loc.Start) {
		state := make([]byte, in.Len)
		err := e.readLog(sc, r, at, at, in, state, false)
		if err == nil || lerr != nil && !errors.Is(err, errMoved) {
			return state, at, err
		}
		probe.Hit(probe.StreamStateOlder)
		// Trimmed meanwhile, or damaged: an older state and the entries after it say the same.
	}
	if lerr != nil {
		return nil, 0, lerr
	}
	state, err := e.readCheckpoint(sc, id, loc)
	if lost(err) && e.checkpointMoved(id, upTo, loc) {
		probe.Hit(probe.StreamStateMoved)
		return e.stateAt(sc, id, epoch, upTo)
	}
	if err != nil && mutant.On(mutant.UnreadStateIsEmpty) {
		return nil, loc.Start, nil
	}
	return state, loc.Start, err
}

// checkpointMoved tells that metadata refers to a newer checkpoint than the one at loc by now: it has let go of that
// one's object, and what was read of it says nothing.
func (e *Engine) checkpointMoved(id ID, upTo int64, loc Location) bool {
	now, err := e.cat.Checkpoint(id, upTo)
	return err == nil && (now.Start > loc.Start || now.Epoch > loc.Epoch)
}

// loggedState finds the newest opening state in the log at or below offset upTo.
func (e *Engine) loggedState(id ID, epoch Epoch, upTo int64) (*rangeLog, int64, wal.Extent) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if st := e.streams[id]; st != nil {
		for i := len(st.ranges) - 1; i >= 0; i-- {
			if r := st.ranges[i]; r.start <= upTo && r.epoch <= epoch && r.stated && r.stateDue {
				return r, r.start, r.state
			}
		}
	}
	return nil, 0, wal.Extent{}
}
