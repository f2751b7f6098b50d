package workload

import (
	"time"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/sim"
)

// stormPuts is how many puts of one key may begin within a second of the node's life. Who waits before it tries again,
// and twice as long each time, begins about five; where a call may take a fraction of a second only, the call after it
// begins anew. Who does not wait begins hundreds.
const stormPuts = 25

// putting looks out for somebody who repeats a put that fails without waiting.
func (r *run) putting(c sim.Call) {
	if c.Op != sim.OpStorePut {
		return
	}
	now := r.w.Now()
	if c.Target != r.putKey {
		r.putKey, r.putTimes = c.Target, r.putTimes[:0]
	}
	r.putTimes = append(r.putTimes, now)
	if n := len(r.putTimes); n > stormPuts && now-r.putTimes[n-1-stormPuts] < host.Time(time.Second) {
		r.fail(oracleStorm, "%d puts of %s began within %v", stormPuts+1, c.Target, (now - r.putTimes[n-1-stormPuts]).Sub(0))
	}
}
