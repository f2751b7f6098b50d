package sim

import (
	"time"
	"unsafe"

	"github.com/weirmq/weir/host"
)

// diskHandle is the host.Disk of an incarnation.
type diskHandle struct{ inc *incarnation }

// Volume implements host.Disk. The name is looked up on the machine; Machine.Attach puts a volume of
// another machine under it.
func (d diskHandle) Volume(sc *host.Scope, name string) (host.Volume, error) {
	k, err := d.inc.begin(OpAttach, name, 0, 0)
	if err != nil {
		return nil, err
	}
	if err := sc.Err(); err != nil {
		return nil, err
	}
	d.inc.delay(d.inc.w.cfg.Disk.Attach, "disk attach "+name)
	v := d.inc.m.Volume(name)
	d.inc.finish(k)
	return &volumeHandle{d.inc, v}, nil
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
func (inc *incarnation) delay(l Latency, what string) {
	w := inc.w
	d := draw(w.disk, l)
	if w.hit(inc.m, FaultDiskStall) {
		d += between(w.disk, time.Second, 30*time.Second)
	}
	t := w.current
	t.io.wait(t, w.now+d, what)
}

// Volume returns the machine's volume called name for inspection, creating it empty at the first call.
func (m *Machine) Volume(name string) *Volume {
	if v := m.volumes[name]; v != nil {
		return v
	}
	v := m.w.newVolume(m.name + "/" + name)
	m.put(name, v)
	return v
}

func (m *Machine) put(name string, v *Volume) {
	if m.volumes[name] == nil {
		m.names = append(m.names, name)
	}
	m.volumes[name] = v
}

// Attach puts v under name on m. The machine that had it keeps its handles until they are cut with
// Detach: both may be writing, as when a cloud detaches by force too late.
func (m *Machine) Attach(name string, v *Volume) { m.put(name, v) }

// Detach takes the volume from m: every handle of the running incarnation on it fails with ErrIO from
// now on. Unsynced writes of m to it are resolved as at a power loss. It returns the volume.
func (m *Machine) Detach(name string) *Volume {
	v := m.volumes[name]
	delete(m.volumes, name)
	kept := m.names[:0]
	for _, n := range m.names {
		if n != name {
			kept = append(kept, n)
		}
	}
	m.names = kept
	if v != nil && m.Alive() {
		v.cut = append(v.cut, m.inc)
		v.crash(m.inc, MixUnsynced)
	}
	return v
}

// Wipe replaces the machine's volume by an empty one under the same name, as when a disk is lost. Open
// handles stay on the old one.
func (m *Machine) Wipe(name string) {
	if m.volumes[name] != nil {
		m.volumes[name] = m.w.newVolume(m.name + "/" + name)
	}
}
