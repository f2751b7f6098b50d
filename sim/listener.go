package sim

import (
	"fmt"

	"github.com/weirmq/weir/host"
)

// listener is the host.Listener of one incarnation.
type listener struct {
	inc     *incarnation
	addr    string
	backlog []*endpoint
	ready   parker
	closed  bool
}

var _ host.Listener = (*listener)(nil)

// Accept implements host.Listener.
func (l *listener) Accept(sc *host.Scope) (host.Conn, error) {
	if err := l.inc.gate(); err != nil {
		return nil, err
	}
	for len(l.backlog) == 0 {
		if l.closed {
			return nil, fmt.Errorf("accept %s: %w", l.addr, host.ErrClosed)
		}
		if err := l.ready.park(sc, 0, "accept", l.addr); err != nil {
			return nil, err
		}
	}
	e := l.backlog[0]
	l.backlog = append(l.backlog[:0], l.backlog[1:]...)
	return e, nil
}

// Addr implements host.Listener.
func (l *listener) Addr() string { return l.addr }

// Close implements host.Listener. Connections nobody accepted are reset.
func (l *listener) Close() error {
	if err := l.inc.gate(); err != nil {
		return err
	}
	if l.closed {
		return fmt.Errorf("close %s: %w", l.addr, host.ErrClosed)
	}
	l.closed = true
	w := l.inc.w
	delete(w.network.listeners, l.addr)
	for i, x := range l.inc.listeners {
		if x == l {
			l.inc.listeners = append(l.inc.listeners[:i], l.inc.listeners[i+1:]...)
			break
		}
	}
	for _, e := range l.backlog {
		e.reset()
	}
	l.backlog = nil
	l.ready.Unpark()
	return nil
}
