package metadata

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/weirmq/weir/metadata/metadatapb"
)

// maxProducerIDs bounds one block of producer ids.
const maxProducerIDs = 1_000_000

// Bounds of what a broker says of its place, in bytes: a DNS name has 253.
const (
	maxRack    = 255
	maxAddress = 255 + 6
)

func (s *State) register(c *metadatapb.Register) *metadatapb.Result {
	nonce, ok1 := uuidOf(c.GetNonce())
	disk, ok2 := uuidOf(c.GetDisk())
	if !ok1 || !ok2 || c.GetBroker() < 0 {
		return invalid("Register needs a broker id ≥ 0, a nonce and a disk of 16 bytes each")
	}
	if why := badPlace(c); why != "" {
		return invalid("%s", why)
	}
	b := s.brokers[c.GetBroker()]
	if b != nil && b.nonce == nonce {
		return s.registered(b)
	}
	// The lock that proves a death is that of one disk: another with the same broker id proves nothing (rule 8).
	proof := c.GetProof() && (b == nil || b.disk == disk)
	if b != nil && b.live {
		if !proof {
			return refuse(metadatapb.Refusal_REFUSAL_STILL_LIVE, "broker %d is live at epoch %d", b.id, b.epoch)
		}
	}
	if b == nil {
		b = &broker{id: c.GetBroker()}
		s.brokers[b.id] = b
	}
	free := s.walsFree(b)
	if b.live {
		s.fenceNow(b)
	}
	b.epoch, b.live = s.nextBrokerEpoch, true
	s.nextBrokerEpoch++
	b.nonce, b.disk, b.endpoints, b.low, b.spent = nonce, disk, nil, 0, nil
	b.producerNonce, b.producerFirst, b.producerCount = UUID{}, 0, 0
	b.rack, b.address, b.draining, b.deregistered = c.GetRack(), c.GetAddress(), false, false
	if proof {
		for _, w := range free {
			s.resume(w, b)
		}
	}
	return s.registered(b)
}

// badPlace tells what is wrong with where a broker says it is.
func badPlace(c *metadatapb.Register) string {
	host, port, found := cutLast(c.GetAddress())
	n, err := strconv.ParseUint(port, 10, 16)
	switch {
	case len(c.GetRack()) > maxRack:
		return fmt.Sprintf("a rack has at most %d bytes", maxRack)
	case c.GetAddress() != "" && (!found || host == "" || err != nil || n == 0 || len(c.GetAddress()) > maxAddress):
		return fmt.Sprintf("cluster address %q is no host:port", c.GetAddress())
	}
	return ""
}

func cutLast(address string) (host, port string, found bool) {
	i := strings.LastIndexByte(address, ':')
	if i < 0 {
		return address, "", false
	}
	return address[:i], address[i+1:], true
}

// walsFree returns the WALs that b created and that nobody but b itself may be reading.
func (s *State) walsFree(b *broker) []*wal {
	var free []*wal
	for _, w := range s.sortedWals() {
		mine := w.held && w.holder == b.id
		if w.broker == b.id && w.state != metadatapb.WalState_WAL_STATE_RELEASED && !w.lost && (mine || !w.held) {
			free = append(free, w)
		}
	}
	return free
}

// resume gives w back to its creator, who has proof that no one else writes it.
func (s *State) resume(w *wal, b *broker) {
	if w.opened == 0 { // never opened: born again by its new holder
		w.state = metadatapb.WalState_WAL_STATE_FRESH
	}
	w.held, w.holder, w.holderEpoch, w.resumed = true, b.id, b.epoch, true
	w.generation++
	w.old = w.open
	if w.opened != 0 {
		w.state = metadatapb.WalState_WAL_STATE_RECOVERING
		w.settle()
	}
}

// settle opens a resumed WAL again once none of its old ranges is open.
func (w *wal) settle() {
	if w.state == metadatapb.WalState_WAL_STATE_RECOVERING && w.resumed && w.old == 0 {
		w.state = metadatapb.WalState_WAL_STATE_OPEN
	}
}

func (s *State) registered(b *broker) *metadatapb.Result {
	r := &metadatapb.RegisterResult{Epoch: b.epoch}
	for _, w := range s.sortedWals() {
		if w.heldBy(b) {
			r.Wals = append(r.Wals, w.result())
		}
	}
	return &metadatapb.Result{Body: &metadatapb.Result_Register{Register: r}}
}

func (s *State) setEndpoint(c *metadatapb.SetEndpoint) *metadatapb.Result {
	b := s.live(c.GetBroker(), c.GetEpoch())
	if b == nil {
		return s.notLive(c.GetBroker(), c.GetEpoch())
	}
	list := make([]Endpoint, 0, len(c.GetEndpoints()))
	for _, e := range c.GetEndpoints() {
		if e.GetHost() == "" || e.GetPort() < 0 || e.GetPort() > math.MaxUint16 {
			return invalid("endpoint %q port %d is no address", e.GetHost(), e.GetPort())
		}
		list = append(list, Endpoint{Listener: e.GetListener(), Host: e.GetHost(), Port: e.GetPort()})
	}
	b.endpoints = list
	return &metadatapb.Result{}
}

func (s *State) fence(c *metadatapb.Fence) *metadatapb.Result {
	b := s.live(c.GetBroker(), c.GetEpoch())
	if b != nil {
		s.fenceNow(b)
		return &metadatapb.Result{}
	}
	if s.fenced(c.GetBroker(), c.GetEpoch()) {
		return &metadatapb.Result{}
	}
	return s.notLive(c.GetBroker(), c.GetEpoch())
}

// fenceNow ends b's epoch for ever and takes from it every WAL it holds. One that was never opened holds
// nothing: it is released at once. Moves to b get another target; moves from b end with SealRecovered.
func (s *State) fenceNow(b *broker) {
	for _, w := range s.sortedWals() {
		if !w.heldBy(b) {
			continue
		}
		w.held, w.holder, w.holderEpoch, w.resumed = false, 0, 0, false
		w.state = metadatapb.WalState_WAL_STATE_RECOVERING
		if w.opened == 0 {
			w.state = metadatapb.WalState_WAL_STATE_RELEASED
		}
	}
	b.live, b.spent, b.draining = false, nil, false
	s.redirect(b.id)
}

func (s *State) allocateProducerIds(c *metadatapb.AllocateProducerIds) *metadatapb.Result {
	nonce, ok := uuidOf(c.GetNonce())
	if !ok || c.GetCount() < 1 || c.GetCount() > maxProducerIDs {
		return invalid("AllocateProducerIds needs a nonce of 16 bytes and a count from 1 to %d", maxProducerIDs)
	}
	b := s.live(c.GetBroker(), c.GetEpoch())
	if b == nil {
		return s.notLive(c.GetBroker(), c.GetEpoch())
	}
	if b.producerNonce != nonce {
		if s.nextProducer > math.MaxInt64-int64(c.GetCount()) {
			return invalid("producer ids are used up")
		}
		b.producerNonce, b.producerFirst, b.producerCount = nonce, s.nextProducer, c.GetCount()
		s.nextProducer += int64(c.GetCount())
	}
	r := &metadatapb.ProducerIdsResult{First: b.producerFirst, Count: b.producerCount}
	return &metadatapb.Result{Body: &metadatapb.Result_ProducerIds{ProducerIds: r}}
}

// notLive tells why (id, epoch) may not do anything.
func (s *State) notLive(id int32, epoch int64) *metadatapb.Result {
	b := s.brokers[id]
	if b == nil || epoch > b.epoch || epoch < 1 {
		return refuse(metadatapb.Refusal_REFUSAL_UNKNOWN_BROKER, "broker %d never had epoch %d", id, epoch)
	}
	return refuse(metadatapb.Refusal_REFUSAL_FENCED, "epoch %d of broker %d is fenced", epoch, id)
}

// sortedWals returns the WALs by uuid. There are a few for each broker.
func (s *State) sortedWals() []*wal {
	list := make([]*wal, 0, len(s.wals))
	for _, w := range s.wals {
		list = append(list, w)
	}
	slices.SortFunc(list, func(a, b *wal) int { return slices.Compare(a.id[:], b.id[:]) })
	return list
}
