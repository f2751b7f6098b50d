package sim

import (
	"slices"
	"strings"
	"time"
	"unsafe"

	"github.com/weirmq/weir/fault"
	"github.com/weirmq/weir/host"
)

// diskHandle is the host.Disk of an incarnation.
type diskHandle struct{ inc *incarnation }

// Volume implements host.Disk. The name is looked up on the machine; Machine.Attach puts a volume of
// another machine under it. A name that begins with Shared is the same volume on every machine.
func (d diskHandle) Volume(sc *host.Scope, name string) (host.Volume, error) {
	k, err := d.inc.begin(OpAttach, "", name, 0, 0)
	if err != nil {
		return nil, err
	}
	if err := sc.Err(); err != nil {
		return nil, err
	}
	at := d.inc.m.mount(name)
	d.inc.delay(at, d.inc.w.cfg.Disk.Attach, OpAttach, name)
	d.inc.finish(k)
	return &volumeHandle{d.inc, at, at.v}, nil
}

// Memory implements host.Disk.
func (d diskHandle) Memory(n int) ([]byte, error) {
	if err := d.inc.gate(); err != nil {
		return nil, err
	}
	p := make([]byte, n+pageSize)
	skip := -int(address(p)) & (pageSize - 1)
	return p[skip : skip+n : skip+n], nil
}

// address is used for its lowest bits only: where memory lies must not decide anything else.
func address(p []byte) uintptr {
	if len(p) == 0 {
		return 0
	}
	return uintptr(unsafe.Pointer(unsafe.SliceData(p)))
}

// delay lets a disk call take its time; a fault may stretch it.
func (inc *incarnation) delay(at *mount, l Latency, op Op, path string) {
	w, r := inc.w, inc.m.rates
	d := draw(w.disk, l)
	if s := w.strike(&at.target, r, fault.DiskSlow); s != nil {
		d += lasts(s, time.Millisecond, time.Second)
		w.fire(&at.target, s)
	}
	if s := w.strike(&at.target, r, fault.DiskStall); s != nil {
		d += lasts(s, time.Second, 30*time.Second)
		w.fire(&at.target, s)
	}
	t := w.current
	t.io.wait(t, w.now+d, opNames[op], path)
}

// mount is a volume under its name on a machine.
type mount struct {
	target target // "machine:name"
	m      *Machine
	name   string
	v      *Volume
	gone   bool // the volume was detached: handles of it fail
}

// mount returns what the machine has under name, an empty volume at the first call.
func (m *Machine) mount(name string) *mount {
	for _, at := range m.mounts {
		if at.name == name {
			return at
		}
	}
	if strings.HasPrefix(name, Shared) {
		return m.put(name, m.w.Shared(name))
	}
	return m.put(name, m.w.newVolume(m.name+"/"+name))
}

// Shared is what the names of volumes begin with that belong to no machine: each that attaches such a name gets the
// same volume, several at once unless a Cloud gives it to one at a time, and it outlives them all.
const Shared = host.SharedVolumes

// Shared returns the volume of that name, which begins with [Shared], creating it empty at the first call.
func (w *World) Shared(name string) *Volume {
	v := w.shared[name]
	if v == nil {
		v = w.newVolume(name)
		w.shared[name] = v
	}
	return v
}

// SharedNames returns the names of the volumes that belong to no machine, sorted.
func (w *World) SharedNames() []string {
	list := make([]string, 0, len(w.shared))
	for name := range w.shared {
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}

// shared reports whether other machines may have the volume as well.
func (at *mount) shared() bool { return strings.HasPrefix(at.name, Shared) }

// heldElsewhere reports whether a machine that runs, other than m, has attached v.
func (v *Volume) heldElsewhere(m *Machine) bool {
	for _, x := range v.w.machines {
		if x != m && x.Alive() && slices.ContainsFunc(x.mounts, func(at *mount) bool { return at.v == v }) {
			return true
		}
	}
	return false
}

// Volume returns the machine's volume called name for inspection, creating it empty at the first call.
func (m *Machine) Volume(name string) *Volume { return m.mount(name).v }

func (m *Machine) put(name string, v *Volume) *mount {
	for _, at := range m.mounts {
		if at.name == name {
			at.v = v
			return at
		}
	}
	at := &mount{m: m, name: name, v: v}
	at.target.init(m.name + ":" + name)
	m.mounts = append(m.mounts, at)
	return at
}

// Attach puts v under name on m. The machine that had it keeps its handles until they are cut with
// Detach: both may be writing, as when a cloud detaches by force too late.
func (m *Machine) Attach(name string, v *Volume) { m.put(name, v) }

// Detach takes the volume from m: every handle of the running incarnation on it fails with ErrIO from
// now on. Unsynced writes of m to it are resolved as at a power loss. It returns the volume.
func (m *Machine) Detach(name string) *Volume {
	i := slices.IndexFunc(m.mounts, func(at *mount) bool { return at.name == name })
	if i < 0 {
		return nil
	}
	at := m.mounts[i]
	m.mounts = slices.Delete(m.mounts, i, i+1)
	at.gone = true
	if m.inc != nil {
		at.v.crash(m.inc, at, MixUnsynced, m.w.crash.Uint64())
	}
	return at.v
}

// Wipe replaces the machine's volume by an empty one under the same name, as when a disk is lost. Open
// handles stay on the old one. One that belongs to no machine is lost to all of them.
func (m *Machine) Wipe(name string) {
	if strings.HasPrefix(name, Shared) {
		m.w.wipeShared(name)
		return
	}
	for _, at := range m.mounts {
		if at.name == name {
			at.v = m.w.newVolume(m.name + "/" + name)
		}
	}
}

func (w *World) wipeShared(name string) {
	delete(w.shared, name)
	v := w.Shared(name)
	for _, m := range w.machines {
		for _, at := range m.mounts {
			if at.name == name {
				at.v = v
			}
		}
	}
}
