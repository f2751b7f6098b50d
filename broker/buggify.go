package broker

import (
	"time"

	"github.com/weirmq/weir/host"
)

// dawdle stops for a moment where a task may be stopped anyway, between what it has seen and what it does next;
// never on a real machine. An ended scope is for the caller to find.
func (b *Broker) dawdle(sc *host.Scope, site string) {
	if host.Buggify(b.h, site) {
		_ = b.h.Sleep(sc, dawdleFor) // see above
	}
}

// dawdleFor is longer than a sync and shorter than a client's patience.
const dawdleFor = 7 * time.Millisecond

// atMost is n, or 1 where the code may as well go in single steps.
func (b *Broker) atMost(n int, site string) int {
	if host.Buggify(b.h, site) {
		return 1
	}
	return n
}
