package sim

import "slices"

// directory is the names in one directory: as a reader sees them, as a power loss that loses everything
// would leave them, and the changes between, in order.
type directory struct {
	names   map[string]*inode
	durable map[string]*inode
	pending []*naming
}

// naming is one change of a directory. A rename within a directory is one, so it is atomic; a rename
// across directories is two, and the removal of the old name never survives without the new one.
type naming struct {
	name  string
	node  *inode // nil = name is removed
	from  string // a rename within the directory: this name goes away with it
	after *naming
	where *inode   // the directory it belongs to
	m     *Machine // whose loss of power may lose it

	decided bool
	kept    bool
}

func newDirectory() *directory {
	return &directory{names: map[string]*inode{}, durable: map[string]*inode{}}
}

// sorted returns the names in order.
func (d *directory) sorted() []string { return sortedNames(d.names) }

func sortedNames(m map[string]*inode) []string {
	list := make([]string, 0, len(m))
	for name := range m {
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}

// change applies n to the names and keeps it pending.
func (f *inode) change(n *naming) {
	n.where = f
	f.v.mark(f)
	f.dir.pending = append(f.dir.pending, n)
	if n.from != "" {
		f.dir.names[n.from].links--
	}
	if old := f.dir.names[n.name]; old != nil {
		old.links--
	}
	if n.node != nil {
		n.node.links++
	}
	n.apply(f.dir.names)
}

func (n *naming) apply(names map[string]*inode) {
	if n.from != "" {
		delete(names, n.from)
	}
	if n.node == nil {
		delete(names, n.name)
	} else {
		names[n.name] = n.node
	}
}

// sync makes the first count pending changes durable, and what they depend on.
func (f *inode) syncNames(count int) {
	d := f.dir
	for _, n := range d.pending[:count] {
		if n.after != nil && !n.after.decided {
			where := n.after.where
			i := slices.Index(where.dir.pending, n.after)
			where.syncNames(i + 1)
		}
		n.decided, n.kept = true, true
		n.apply(d.durable)
	}
	d.pending = slices.Clone(d.pending[count:])
}

// decide draws whether n survives a crash.
func (n *naming) decide(l *lot) bool {
	if !n.decided {
		n.decided = true
		n.kept = (n.after == nil || n.after.decide(l)) && l.keeps()
	}
	return n.kept
}

// settleNames resolves the pending changes of m at a crash. Those of other machines stay pending, on top.
func (f *inode) settleNames(m *Machine, l *lot) {
	d := f.dir
	var later []*naming
	for _, n := range d.pending {
		switch {
		case n.m != m:
			later = append(later, n)
		case n.decide(l):
			n.apply(d.durable)
		}
	}
	d.pending = nil
	clear(d.names)
	for _, name := range sortedNames(d.durable) {
		d.names[name] = d.durable[name]
	}
	for _, n := range later {
		f.v.mark(f)
		d.pending = append(d.pending, n)
		n.apply(d.names)
	}
}
