package check

import (
	"cmp"
	"slices"
)

// versions is the order of one partition's records as everybody saw it: the final
// log, and what answers showed besides. Holes have no place in it: a version's index
// counts records, not offsets.
type versions struct {
	offsets []int64  // of every record, ascending
	values  []Value  // at offsets[i]; the final log's, if it has one
	extra   []shown  // what the final log does not have, by offset
	dense   bool     // offsets has no gap
	writers []writer // of the settled appends, by base
}

// shown is a record that an answer told and the final log does not have.
type shown struct {
	offset int64
	value  Value
	op     int
	read   bool // by a fetch; otherwise by the answer of its produce
}

type writer struct {
	base, end int64
	op        int
}

func (x *index) versionsOf(n int) *versions {
	p := &x.parts[n]
	vs := &versions{}
	for _, i := range p.ops {
		op := &x.h.Ops[i]
		switch {
		case op.Outcome != OK:
		case op.Kind == Produce:
			for k, value := range op.Values {
				if at := op.Offset + int64(k); p.log.at(at) != value {
					vs.extra = append(vs.extra, shown{at, value, i, false})
				}
			}
		case op.Kind == Fetch:
			for _, r := range op.Records {
				if p.log.at(r.Offset) != r.Value {
					vs.extra = append(vs.extra, shown{r.Offset, r.Value, i, true})
				}
			}
		}
	}
	slices.SortStableFunc(vs.extra, func(a, b shown) int { return cmp.Compare(a.offset, b.offset) })
	vs.merge(p.log)
	for _, a := range x.resolve(n) {
		vs.writers = append(vs.writers, writer{a.Base, a.Base + int64(a.Count), a.Op})
	}
	return vs
}

func (vs *versions) merge(log *Log) {
	add := func(offset int64, value Value) {
		if n := len(vs.offsets); n == 0 || vs.offsets[n-1] != offset {
			vs.offsets = append(vs.offsets, offset)
			vs.values = append(vs.values, value)
		}
	}
	next := 0
	for i, value := range log.Values {
		offset := log.Start + int64(i)
		for ; next < len(vs.extra) && vs.extra[next].offset < offset; next++ {
			add(vs.extra[next].offset, vs.extra[next].value)
		}
		if value != 0 {
			add(offset, value)
		}
	}
	for ; next < len(vs.extra); next++ {
		add(vs.extra[next].offset, vs.extra[next].value)
	}
	n := len(vs.offsets)
	vs.dense = n > 0 && vs.offsets[n-1]-vs.offsets[0] == int64(n-1)
}

// rank is the number of records below an offset: the index of the record there.
func (vs *versions) rank(offset int64) int {
	if vs.dense {
		return int(min(max(offset-vs.offsets[0], 0), int64(len(vs.offsets))))
	}
	i, _ := slices.BinarySearch(vs.offsets, offset)
	return i
}

// writersOf are the appends that cover offsets from, up to and without to.
func (vs *versions) writersOf(from, to int64) []writer {
	i, _ := slices.BinarySearchFunc(vs.writers, from, func(w writer, from int64) int {
		return cmp.Compare(w.end, from+1)
	})
	j := i
	for j < len(vs.writers) && vs.writers[j].base < to {
		j++
	}
	return vs.writers[i:j]
}
