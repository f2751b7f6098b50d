package broker

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/metadata"
	"github.com/weirmq/weir/metadata/metadatapb"
)

// InitProducerId (key 22), v0–5.
//
// Behavior: a producer id nobody ever had, at epoch 0, for idempotent producers. Ids come in blocks from
// the controller, so they survive restarts without a command each. A request with a producer id of its
// own (v3+, an idempotent producer that lost its sequence) gets a fresh id. A transactional id is refused
// with TRANSACTIONAL_ID_AUTHORIZATION_FAILED.
func handleInitProducerID(b *Broker, sc *host.Scope, c *call) (reply, error) {
	req := c.req.(*kmsg.InitProducerIDRequest)
	resp := req.ResponseKind().(*kmsg.InitProducerIDResponse)
	resp.ProducerID, resp.ProducerEpoch = -1, -1
	if req.TransactionalID != nil {
		resp.ErrorCode = int16(codeTransactionalIDAuthFailed)
		return encode(c, resp), nil
	}
	sc, cancel := b.within(sc, 0)
	defer cancel()
	id, err := b.producer.next(sc)
	if err != nil {
		resp.ErrorCode = int16(codeCoordinatorNotAvailable)
		return encode(c, resp), nil
	}
	resp.ProducerID, resp.ProducerEpoch = id, 0
	return encode(c, resp), nil
}

// producerIDBlock is how many ids one command takes.
const producerIDBlock = 1000

// producerIDs hands out producer ids from blocks of the controller.
type producerIDs struct {
	b  *Broker
	mu host.Semaphore // one unit; held across the controller's answer

	first, end int64
}

func (p *producerIDs) init(b *Broker) {
	p.b = b
	p.mu.Init(b.h, 1)
}

// next returns an id that was never returned before. The grant is durable before it is answered
// (rule 29): the block was applied by the controller.
func (p *producerIDs) next(sc *host.Scope) (int64, error) {
	if err := p.mu.Acquire(sc, 1); err != nil {
		return 0, err
	}
	defer p.mu.Release(1)
	if p.first == p.end {
		n := int32(p.b.atMost(producerIDBlock, "broker.producer-ids.one"))
		cmd := &metadatapb.AllocateProducerIds{
			Broker: p.b.cfg.NodeID, Epoch: p.b.epoch, Nonce: p.b.newID(), Count: n,
		}
		res, err := p.b.meta.Propose(sc, metadata.NewCommand(cmd))
		if err != nil {
			return 0, err
		}
		if res.GetRefusal() != metadatapb.Refusal_REFUSAL_NONE {
			return 0, refusedError("allocate producer ids", res)
		}
		got := res.GetProducerIds()
		p.first, p.end = got.GetFirst(), got.GetFirst()+int64(got.GetCount())
	}
	p.first++
	return p.first - 1, nil
}
