package stream

import (
	"fmt"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/internal/probe"
)

// Judge marks which keys metadata judges garbage: unreferenced, and of a fenced epoch or below the low
// sequence of theirs, all read at one index. It must not block.
type Judge func(keys []string, garbage []bool)

// Swept counts what a sweep did.
type Swept struct {
	Listed, Deleted int
}

// sweepPage is how many keys are judged at one metadata index.
const sweepPage = 1000

// Sweep lists the objects below prefix and deletes those that judge calls garbage, and no others. A key once
// garbage stays garbage, so a sweep may stop anywhere, run twice, or race with puts that land late.
func (e *Engine) Sweep(sc *host.Scope, prefix string, judge Judge) (Swept, error) {
	var s Swept
	after := ""
	for {
		infos, err := e.store.List(sc, prefix, after, sweepPage)
		if err != nil {
			return s, fmt.Errorf("stream: sweep: list %q after %q: %w", prefix, after, err)
		}
		keys, garbage := make([]string, len(infos)), make([]bool, len(infos))
		for i, info := range infos {
			keys[i] = info.Key
		}
		n := 0
		judge(keys, garbage)
		for i, key := range keys {
			if !garbage[i] {
				continue
			}
			if err := e.store.Delete(sc, key); err != nil {
				return s, fmt.Errorf("stream: sweep: delete %s: %w", key, err)
			}
			probe.Hit(probe.StreamGarbageSwept)
			s.Deleted++
			n++
		}
		s.Listed += len(keys)
		e.mu.Lock()
		e.stats.Swept += uint64(n)
		e.mu.Unlock()
		if len(infos) < sweepPage {
			return s, nil
		}
		after = keys[len(keys)-1]
	}
}
