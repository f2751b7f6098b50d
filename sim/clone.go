package sim

import "bytes"

// Clone returns a volume of its own with what is durable on v now, called name: a snapshot, to be attached
// later in v's place or beside it.
func (v *Volume) Clone(name string) *Volume {
	c := v.w.newVolume(name)
	c.capacity = v.capacity
	c.copyNames(c.root, v.root, map[*inode]*inode{})
	c.used = 0
	c.recount(c.root, map[*inode]bool{})
	return c
}

// copyNames copies the durable names of directory from, and what is below, to directory to. Names of one
// file stay names of one file.
func (v *Volume) copyNames(to, from *inode, copies map[*inode]*inode) {
	for _, name := range sortedNames(from.dir.durable) {
		old := from.dir.durable[name]
		node := copies[old]
		if node == nil {
			node = v.newInode(old.path, old.dir != nil)
			copies[old] = node
			if old.dir != nil {
				v.copyNames(node, old, copies)
			} else {
				node.fill(old.durable())
			}
		}
		to.dir.names[name], to.dir.durable[name] = node, node
	}
}

// fill gives a new file its content, durable; pages of zeros stay holes.
func (f *inode) fill(content []byte) {
	var zero page
	for off := 0; off < len(content); off += pageSize {
		part := content[off:min(off+pageSize, len(content))]
		if !bytes.Equal(part, zero[:len(part)]) {
			f.cur.write(int64(off), part, func(int64) {})
		}
	}
	f.size, f.baseSize = int64(len(content)), int64(len(content))
}
