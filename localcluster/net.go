package localcluster

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Ends of links that are no nodes.
const (
	Clients = "clients"
	Store   = "store"
)

// NodeEnd names node n as the end of a link.
func NodeEnd(n int) string { return strconv.Itoa(n) }

// Link is what flows from one end to another: both halves of it on connections that either has made.
type Link struct{ From, To string }

// String is "1>2".
func (l Link) String() string { return l.From + ">" + l.To }

// Back is the link in the other direction.
func (l Link) Back() Link { return Link{l.To, l.From} }

// Rule is what happens to what flows along a link. The zero value lets everything pass.
type Rule struct {
	Cut   bool          // nothing arrives, and nobody is told
	Delay time.Duration // each piece arrives so much later
	Rate  int64         // bytes a second, 0 = as fast as it comes
}

// String is "cut", "delay 100ms" and so on, "" for a rule that does nothing.
func (r Rule) String() string {
	var parts []string
	if r.Cut {
		parts = append(parts, "cut")
	}
	if r.Delay > 0 {
		parts = append(parts, "delay "+r.Delay.String())
	}
	if r.Rate > 0 {
		parts = append(parts, fmt.Sprintf("%d KiB/s", r.Rate>>10))
	}
	return strings.Join(parts, ", ")
}

// Net holds the rules of all links, and the connections that proxies carry.
type Net struct {
	mu      sync.Mutex
	rules   map[Link]Rule
	changed chan struct{} // closed and replaced with each change of the rules
	pairs   map[*pair]bool
	ended   bool
	done    chan struct{}
	proxies []*proxy
	busy    sync.WaitGroup
}

// NewNet returns a net in which everything passes.
func NewNet() *Net {
	return &Net{
		rules: map[Link]Rule{}, changed: make(chan struct{}), pairs: map[*pair]bool{}, done: make(chan struct{}),
	}
}

// Set puts a rule on a link in place of the one before.
func (n *Net) Set(l Link, r Rule) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if r == (Rule{}) {
		delete(n.rules, l)
	} else {
		n.rules[l] = r
	}
	close(n.changed)
	n.changed = make(chan struct{})
}

// Heal takes every rule off. What was held back flows on.
func (n *Net) Heal() {
	n.mu.Lock()
	defer n.mu.Unlock()
	clear(n.rules)
	close(n.changed)
	n.changed = make(chan struct{})
}

// Rules lists the rules in force, as "1>2: cut", sorted.
func (n *Net) Rules() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	list := []string{}
	for l, r := range n.rules {
		list = append(list, l.String()+": "+r.String())
	}
	slices.Sort(list)
	return list
}

// rule returns the rule of a link, and what is closed when rules change.
func (n *Net) rule(l Link) (Rule, <-chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.rules[l], n.changed
}

// Reset ends every connection between two ends, in either direction, as a host does that has forgotten them. It
// returns how many there were.
func (n *Net) Reset(l Link) int {
	n.mu.Lock()
	pairs := slices.Collect(maps.Keys(n.pairs))
	n.mu.Unlock()
	count := 0
	for _, p := range pairs {
		if p.link == l || p.link == l.Back() {
			p.reset()
			count++
		}
	}
	return count
}

// Carried is how many connections the proxies carry now.
func (n *Net) Carried() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.pairs)
}

// Close ends all proxies and connections and waits for them.
func (n *Net) Close() {
	n.mu.Lock()
	if !n.ended {
		n.ended = true
		close(n.done)
	}
	proxies := n.proxies
	pairs := slices.Collect(maps.Keys(n.pairs))
	n.mu.Unlock()
	for _, p := range proxies {
		_ = p.listener.Close() // nobody dials it any more
	}
	for _, p := range pairs {
		p.reset()
	}
	n.busy.Wait()
}

// add registers a pair; false means that the net is closed.
func (n *Net) add(p *pair) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ended {
		return false
	}
	n.pairs[p] = true
	return true
}

func (n *Net) remove(p *pair) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.pairs, p)
}
