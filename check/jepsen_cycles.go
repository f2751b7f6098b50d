package check

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// cycles finds circular information flow: G0 over the order of writes, G1c with reads besides, and each again
// with the order of one process and that of real time. A transaction is one node, any other operation too.
func (j *jepsen) cycles() {
	d := &dependencies{j: j, node: make([]int32, len(j.x.h.Ops))}
	d.number()
	for n := range j.x.parts {
		d.data(n)
	}
	d.order()
	d.g.freeze()
	const data, all = edgeWW | edgeWR, edgeWW | edgeWR | edgeProcess | edgeRealtime
	if len(d.g.components(all)) == 0 {
		return
	}
	reads := d.report(G1c, edgeWR, 0, false)
	reads = d.report(G1cProcess, edgeWR|edgeProcess, edgeProcess, false) || reads
	d.report(G1cRealtime, edgeWR|edgeRealtime, edgeRealtime, false)
	d.report(G0, edgeWW, 0, true)
	d.report(G0Process, edgeWW|edgeProcess, edgeProcess, true)
	d.report(G0Realtime, edgeWW|edgeRealtime, edgeRealtime, true)
	if !reads {
		d.report(G1c, data, edgeWR, true) // a write may come between another transaction's
	}
}

// dependencies is the graph of who must have come before whom.
type dependencies struct {
	j     *jepsen
	g     graph
	node  []int32  // of each operation, -1: none
	ops   [][]int  // of each node that is no moment
	spans []moment // of each node that is no moment
}

// moment is when a node was called, and when it had ended.
type moment struct {
	client    int32
	call, ret int64
}

func (d *dependencies) number() {
	txns := map[int64]int32{}
	for i := range d.j.x.h.Ops {
		op := &d.j.x.h.Ops[i]
		d.node[i] = -1
		if op.Outcome == Failed || op.Kind != Produce && op.Kind != Fetch && op.Kind != TxnEnd ||
			op.Txn != 0 && d.j.x.aborted[op.Txn] || op.Kind != Produce && op.Outcome != OK {
			continue
		}
		n, known := txns[op.Txn]
		if op.Txn == 0 || !known {
			n = int32(len(d.ops))
			txns[op.Txn] = n
			d.ops = append(d.ops, nil)
			d.spans = append(d.spans, moment{op.Client, op.Call, op.Call})
		}
		d.node[i] = n
		d.ops[n] = append(d.ops[n], i)
		m := &d.spans[n]
		m.call, m.ret = min(m.call, op.Call), max(m.ret, op.Return)
		if op.Outcome == Unknown {
			m.ret = NoReturn
		}
	}
	d.g.nodes = len(d.ops)
}

// data adds ww between the writers of neighbouring versions and wr from writer to reader.
func (d *dependencies) data(n int) {
	vs := d.j.vs[n]
	last := -1
	for _, w := range vs.writers {
		to := d.node[w.op]
		if to < 0 {
			continue
		}
		if last >= 0 {
			d.g.add(last, int(to), edgeWW)
		}
		last = int(to)
	}
	for _, i := range d.j.x.parts[n].ops {
		op := &d.j.x.h.Ops[i]
		if op.Kind != Fetch || d.node[i] < 0 || len(op.Records) == 0 {
			continue
		}
		for _, w := range vs.writersOf(op.Records[0].Offset, op.end()) {
			if d.node[w.op] >= 0 {
				d.g.add(int(d.node[w.op]), int(d.node[i]), edgeWR)
			}
		}
	}
}

// order adds the order of each process and of real time. A node for each moment at which something returned
// stands for all that had returned by then, so the edges stay as many as the operations.
func (d *dependencies) order() {
	byCall, byReturn := make([]int, len(d.ops)), make([]int, len(d.ops))
	for n := range d.ops {
		byCall[n], byReturn[n] = n, n
	}
	slices.SortStableFunc(byCall, func(a, b int) int { return cmp.Compare(d.spans[a].call, d.spans[b].call) })
	slices.SortStableFunc(byReturn, func(a, b int) int { return cmp.Compare(d.spans[a].ret, d.spans[b].ret) })
	last := map[int32]int{}
	returned := 0
	for _, n := range byCall {
		m := d.spans[n]
		for returned < len(byReturn) && d.spans[byReturn[returned]].ret < m.call {
			d.g.nodes++
			d.g.add(byReturn[returned], d.g.nodes-1, edgeRealtime)
			if returned > 0 {
				d.g.add(d.g.nodes-2, d.g.nodes-1, edgeRealtime)
			}
			returned++
		}
		if returned > 0 {
			d.g.add(d.g.nodes-1, n, edgeRealtime)
		}
		if before, known := last[m.client]; known && d.spans[before].ret < m.call {
			d.g.add(before, n, edgeProcess)
		}
		last[m.client] = n
	}
}

// report adds one example for each component over the edges with the labels. One that holds a cycle without
// those of must was found before.
func (d *dependencies) report(kind ViolationKind, labels, must uint8, allowed bool) bool {
	found := false
	for _, component := range d.g.components(labels) {
		if must == 0 || !d.smaller(component, labels&^must) {
			d.example(kind, component, labels, allowed)
			found = true
		}
	}
	return found
}

// smaller tells whether a component has a cycle over fewer labels.
func (d *dependencies) smaller(component []int32, labels uint8) bool {
	for _, c := range d.g.components(labels) {
		if slices.Contains(component, c[0]) {
			return true
		}
	}
	return false
}

func (d *dependencies) example(kind ViolationKind, component []int32, labels uint8, allowed bool) {
	var ops []int
	var text []string
	for _, n := range d.g.cycle(slices.Min(component), labels) {
		if int(n) >= len(d.ops) {
			continue // a moment
		}
		op := &d.j.x.h.Ops[d.ops[n][0]]
		if ops = append(ops, d.ops[n]...); op.Txn != 0 {
			text = append(text, fmt.Sprintf("transaction %d", op.Txn))
		} else {
			text = append(text, fmt.Sprintf("operation %d (%s of client %d)", d.ops[n][0], op.Kind, op.Client))
		}
	}
	d.j.add(kind, -1, int64(-len(text)), ops[:min(len(ops), examplesMax)], "%s, and back", strings.Join(text, " before ")).
		allowed = allowed
}
