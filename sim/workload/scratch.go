package workload

import (
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirmq/weir/broker/batch"
	"github.com/weirmq/weir/host"
)

const (
	scratchTopic = "scratch"
	// scratchID numbers the values of the scratch topic's client; they are in no judged partition.
	scratchID = 90
)

// scratch creates a topic, produces to it until it has objects of its own, and deletes it, over and over:
// deleted topics must free what they held, and nothing of theirs may show in a topic of the same name.
func (a *actor) scratch(sc *host.Scope) {
	if !a.create(sc, scratchTopic, 2) {
		return
	}
	n := 5 + a.rng.IntN(20)
	for range n {
		a.seq++
		value := appendToken(nil, valueOfScratch(a.seq), 500+a.rng.IntN(valuePadMax))
		data, err := batch.Build(batch.Plain(), batch.Record{Value: value, Timestamp: a.h.Wall().UnixMilli()})
		if err != nil {
			a.r.w.Fail(fmt.Errorf("build a batch: %w", err))
			return
		}
		if _, err := a.sendProduce(sc, scratchTopic, a.rng.Int32N(2), data); err != nil {
			break
		}
	}
	if a.h.Sleep(sc, time.Duration(a.rng.Int64N(int64(time.Second)))) != nil {
		return
	}
	if a.deleteTopic(sc, scratchTopic) {
		a.r.deleted++
	}
}

func (a *actor) deleteTopic(sc *host.Scope, name string) bool {
	req := kmsg.NewPtrDeleteTopicsRequest()
	req.SetVersion(4)
	req.TopicNames, req.TimeoutMillis = []string{name}, 2000
	resp, err := a.wire.do(sc, req)
	if err != nil {
		return false
	}
	topics := resp.(*kmsg.DeleteTopicsResponse).Topics
	return len(topics) == 1 && topics[0].ErrorCode == 0
}
