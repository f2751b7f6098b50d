package check

// graph is a directed graph over small numbers with labelled edges, kept flat.
type graph struct {
	from, to []int32
	label    []uint8
	nodes    int

	start []int32 // index into order of each node's first edge, once frozen
	order []int32 // edges by their from
}

// The labels of an edge, as a set.
const (
	edgeWW uint8 = 1 << iota
	edgeWR
	edgeProcess
	edgeRealtime
)

func (g *graph) add(from, to int, label uint8) {
	if from == to {
		return
	}
	g.from = append(g.from, int32(from))
	g.to = append(g.to, int32(to))
	g.label = append(g.label, label)
}

// freeze sorts the edges by the node they leave.
func (g *graph) freeze() {
	g.start = make([]int32, g.nodes+1)
	for _, n := range g.from {
		g.start[n+1]++
	}
	for n := range g.nodes {
		g.start[n+1] += g.start[n]
	}
	next := append([]int32{}, g.start...)
	g.order = make([]int32, len(g.from))
	for e, n := range g.from {
		g.order[next[n]] = int32(e)
		next[n]++
	}
}

// tarjan is the state of one search for strongly connected components.
type tarjan struct {
	g          *graph
	labels     uint8
	index, low []int32 // 0: not visited
	on         []bool
	stack      []int32
	frames     []frame
	visited    int32
	found      [][]int32
}

type frame struct{ node, edge int32 }

// components are the strongly connected components of more than one node, over the
// edges with one of the labels. The search keeps its own stack: a chain of a million
// operations is no deeper than one of ten.
func (g *graph) components(labels uint8) [][]int32 {
	t := &tarjan{g: g, labels: labels, index: make([]int32, g.nodes), low: make([]int32, g.nodes), on: make([]bool,
		g.nodes)}
	for n := range g.nodes {
		if t.index[n] == 0 {
			t.search(int32(n))
		}
	}
	return t.found
}

func (t *tarjan) enter(n int32) {
	t.visited++
	t.index[n], t.low[n], t.on[n] = t.visited, t.visited, true
	t.stack = append(t.stack, n)
	t.frames = append(t.frames, frame{n, t.g.start[n]})
}

func (t *tarjan) search(root int32) {
	t.enter(root)
	for len(t.frames) > 0 {
		f := &t.frames[len(t.frames)-1]
		if f.edge == t.g.start[f.node+1] {
			t.leave(f.node)
			continue
		}
		e := t.g.order[f.edge]
		f.edge++
		if t.g.label[e]&t.labels == 0 {
			continue
		}
		switch to := t.g.to[e]; {
		case t.index[to] == 0:
			t.enter(to)
		case t.on[to]:
			t.low[f.node] = min(t.low[f.node], t.index[to])
		}
	}
}

func (t *tarjan) leave(n int32) {
	t.frames = t.frames[:len(t.frames)-1]
	if len(t.frames) > 0 {
		above := t.frames[len(t.frames)-1].node
		t.low[above] = min(t.low[above], t.low[n])
	}
	if t.low[n] != t.index[n] {
		return
	}
	var component []int32
	for {
		last := t.stack[len(t.stack)-1]
		t.stack = t.stack[:len(t.stack)-1]
		t.on[last] = false
		component = append(component, last)
		if last == n {
			break
		}
	}
	if len(component) > 1 {
		t.found = append(t.found, component)
	}
}

// cycle is a shortest cycle through a node that lies on one, without the repeated end.
func (g *graph) cycle(through int32, labels uint8) []int32 {
	from := map[int32]int32{}
	queue := []int32{through}
	for len(queue) > 0 {
		n := queue[0]
		queue = queue[1:]
		for _, e := range g.order[g.start[n]:g.start[n+1]] {
			to := g.to[e]
			if g.label[e]&labels == 0 {
				continue
			}
			if to == through {
				var path []int32
				for ; n != through; n = from[n] {
					path = append(path, n)
				}
				path = append(path, through)
				for i, k := 0, len(path)-1; i < k; i, k = i+1, k-1 {
					path[i], path[k] = path[k], path[i]
				}
				return path
			}
			if _, seen := from[to]; !seen {
				from[to] = n
				queue = append(queue, to)
			}
		}
	}
	return nil
}
