package fsck

import "fmt"

// decoded is what an entry's bytes say.
type decoded struct {
	batches []batchInfo // of a partition; nil in the group log
	records uint32      // of the group log
	state   *partState
	groups  int
	err     error
}

// decodeEntryData reads what e says of a stream and lets go of its bytes if nobody needs them.
func (c *checker) decodeEntryData(s *streamCheck, e *entry) {
	if s.internal {
		e.say.records, e.say.err = decodeGroupEntry(e.data)
		if e.say.err == nil && e.say.records != e.count {
			e.say.err = fmt.Errorf("it has %d group records, its entry says %d", e.say.records, e.count)
		}
	} else {
		e.say.batches, e.say.err = decodeEntry(e)
	}
	if !c.retain() {
		e.data = nil
	}
}

// decodeEntryState reads a state or checkpoint of a stream.
func (c *checker) decodeEntryState(s *streamCheck, e *entry) {
	if s.internal {
		e.say.groups, e.say.err = decodeGroupState(e.data)
	} else {
		e.say.state, e.say.err = decodeState(e.data)
		if e.say.err == nil && e.say.state.end != e.base {
			e.say.err = fmt.Errorf("it is of offset %d", e.say.state.end)
		}
	}
	e.data = nil
}
