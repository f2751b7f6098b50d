package probe

import (
	"cmp"
	"slices"
	"sync/atomic"
)

// Point is one rare thing. It is made by define and lives as long as the process.
type Point struct {
	name string
	hits atomic.Uint64
}

// table holds every point, in the order of their definition; it is complete when init is over.
var table []*Point

// define makes a point called name: the package that hits it, a dot, and what happens, as in
// "wal.torn tail dropped".
func define(name string) *Point {
	p := &Point{name: name}
	table = append(table, p)
	return p
}

// Hit counts one occurrence.
func Hit(p *Point) { p.hits.Add(1) }

// String returns the point's name.
func (p *Point) String() string { return p.name }

// Count is how often one point was hit.
type Count struct {
	Name string `json:"name"`
	Hits uint64 `json:"hits"`
}

// Counts returns every point with its hits in this process so far, by name.
func Counts() []Count {
	list := make([]Count, len(table))
	for i, p := range table {
		list[i] = Count{p.name, p.hits.Load()}
	}
	slices.SortFunc(list, func(a, b Count) int { return cmp.Compare(a.Name, b.Name) })
	return list
}
