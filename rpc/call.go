package rpc

import (
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/invariant"
)

// stage is how far a call has come. It is the link's, under its lock.
type stage uint8

const (
	queued stage = iota // nothing of it was handed to a connection
	sent                // it was, and no answer has come
	ended               // it has its outcome, or its caller has left with one
)

// call is a request and whoever waits for its answer.
type call struct {
	id     uint64
	method Method
	stage  stage
	done   host.Future[outcome]
}

// outcome is an answer, or why there is none.
type outcome struct {
	answer []byte
	err    error
	// class is ErrUnreachable or ErrUnknown when err is why there is no answer, nil when err is the answer.
	class error
}

// end gives the call its outcome. R1: once.
func (c *call) end(o outcome) {
	if !invariant.Holds(c.stage != ended && (o.class != ErrUnreachable || c.stage == queued), invariant.CallEndsOnce) {
		invariant.Fail(invariant.CallEndsOnce, "call %d of method %d in stage %d ends with %v, %v",
			c.id, c.method, c.stage, o.class, o.err)
	}
	c.stage = ended
	c.done.Complete(o, nil)
}
