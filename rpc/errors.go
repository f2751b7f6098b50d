package rpc

import (
	"errors"
	"fmt"
)

// The two ends of a call that has no answer. What is behind them is wrapped beside: host.ErrTimeout when the
// time was over, the scope's error when it ended, the error of the connection, [ErrFull], [ErrClosed].
var (
	// ErrUnreachable is definite: nothing of the request was handed to a connection, so it was not carried
	// out and never will be.
	ErrUnreachable = errors.New("rpc: unreachable")
	// ErrUnknown says that the request left and no answer came: it may have been carried out, may be being
	// carried out, or, if it is still on its way, will be.
	ErrUnknown = errors.New("rpc: outcome unknown")
)

var (
	// ErrFull is why a call is unreachable whose address has too many of them unanswered.
	ErrFull = errors.New("rpc: too many calls to one address")
	// ErrClosed is why a call ends when its Pool is closed.
	ErrClosed = errors.New("rpc: closed")
	// ErrSilent is why a connection ends whose peer sends nothing although it was asked to.
	ErrSilent = errors.New("rpc: peer is silent")
	// ErrTooLarge is why a call is unreachable whose request no connection carries: see [Class.PayloadMax].
	ErrTooLarge = errors.New("rpc: payload is too large")

	// ErrCluster is why a connection ends between nodes of different clusters.
	ErrCluster = errors.New("rpc: wrong cluster")
	// ErrVersion is why a connection ends between nodes that have no version in common.
	ErrVersion = errors.New("rpc: no common version")
	// ErrProtocol is why a connection ends whose peer sends what the format does not have.
	ErrProtocol = errors.New("rpc: protocol error")
)

// Code says what kind of refusal a Status is. Codes below CodeFirst are this package's.
type Code uint16

// The codes. All but CodeFailed say that no handler ran.
const (
	CodeFailed    Code = iota + 1 // the handler returned an error that is no *Status
	CodeNoMethod                  // the node does not serve the method
	CodeTooLarge                  // the request is larger than the method takes
	CodeBusy                      // requests, memory or handlers are all in use: pause, then try again
	CodeStopping                  // the node is about to leave
	CodeStrangers                 // the method is for nodes of the cluster, and the caller has joined none yet

	CodeFirst Code = 64 // from here on codes belong to the methods
)

// Status is an answer that is not a result. A handler returns one to say no in a way that the caller can act on.
type Status struct {
	Code   Code
	Text   string // for people, at most 1 KiB
	Detail []byte // for the caller, opaque
}

// Error implements error.
func (s *Status) Error() string { return fmt.Sprintf("rpc: refused with code %d: %s", s.Code, s.Text) }

// NeverRan reports whether no handler saw the request: it may be sent again, here or elsewhere.
func (s *Status) NeverRan() bool { return s.Code >= CodeNoMethod && s.Code <= CodeStrangers }

// callError is what Call returns when there is no answer.
type callError struct {
	class  error // ErrUnreachable or ErrUnknown
	addr   string
	method Method
	why    error
}

func (e *callError) Error() string {
	return fmt.Sprintf("call method %d of %s: %v: %v", e.method, e.addr, e.class, e.why)
}

func (e *callError) Unwrap() []error { return []error{e.class, e.why} }
