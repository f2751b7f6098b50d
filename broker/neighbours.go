package broker

import (
	"github.com/weirmq/weir/metadata"
)

// neighbour is a live broker as clients reach it.
type neighbour struct {
	id   int32
	host string
	port int32
	rack *string // nil: none known
}

// neighbours returns by id the brokers that clients may be sent to: those that are live and have said where. Alone, it
// is this one.
func (b *Broker) neighbours() []neighbour {
	if b.cfg.Cluster == nil {
		return []neighbour{{id: b.cfg.NodeID, host: b.advertised.Host, port: b.advertised.Port}}
	}
	var list []neighbour
	b.meta.Read(func(s *metadata.State) {
		for _, x := range s.Brokers() {
			if !x.Live || len(x.Endpoints) == 0 {
				continue
			}
			n := neighbour{id: x.ID, host: x.Endpoints[0].Host, port: x.Endpoints[0].Port}
			if x.Rack != "" {
				n.rack = &x.Rack
			}
			list = append(list, n)
		}
	})
	return list
}

// neighbourOf finds a broker in such a list.
func neighbourOf(list []neighbour, id int32) (neighbour, bool) {
	for _, n := range list {
		if n.id == id {
			return n, true
		}
	}
	return neighbour{id: -1}, false
}

// spokesman is the broker that clients are told to be the controller, and to read from what nobody leads: any would
// do, but all brokers must name the same one. -1 if there is none.
func spokesman(list []neighbour) int32 {
	if len(list) == 0 {
		return -1
	}
	return list[0].id
}
