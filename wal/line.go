package wal

import "github.com/weirmq/weir/host"

// line is the queue of appends that wait for room, served in the order they came. Only its head looks
// for room; everybody who makes some wakes the head.
type line struct {
	mu   host.Mutex // a leaf: taken under the log's and the pool's lock
	wait []host.Parker
}

// join puts p at the end.
func (ln *line) join(p host.Parker) {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	ln.wait = append(ln.wait, p)
}

// leave takes p out and wakes whoever is the head then.
func (ln *line) leave(p host.Parker) {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	for i, x := range ln.wait {
		if x == p {
			copy(ln.wait[i:], ln.wait[i+1:])
			ln.wait[len(ln.wait)-1] = nil
			ln.wait = ln.wait[:len(ln.wait)-1]
			break
		}
	}
	if len(ln.wait) > 0 {
		ln.wait[0].Unpark()
	}
}

// first reports whether p is the head.
func (ln *line) first(p host.Parker) bool {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	return ln.wait[0] == p
}

// wake wakes the head.
func (ln *line) wake() {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	if len(ln.wait) > 0 {
		ln.wait[0].Unpark()
	}
}

// wakeAll wakes everybody: the log has ended.
func (ln *line) wakeAll() {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	for _, p := range ln.wait {
		p.Unpark()
	}
}

func (ln *line) len() int {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	return len(ln.wait)
}
