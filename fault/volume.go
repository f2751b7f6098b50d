package fault

import (
	"fmt"
	"path"

	"github.com/weirmq/weir/host"
)

type disk struct {
	host.Disk
	i *Injector
}

// Volume implements host.Disk.
func (d disk) Volume(sc *host.Scope, name string) (host.Volume, error) {
	v, err := d.Disk.Volume(sc, name)
	if err != nil {
		return nil, err
	}
	d.i.mu.Lock()
	defer d.i.mu.Unlock()
	if known := d.i.volumes[name]; known != nil && known.Volume == v {
		return known, nil
	}
	out := &volume{Volume: v, i: d.i, target: d.i.machine + ":" + name}
	d.i.volumes[name] = out
	return out, nil
}

// volume is a host.Volume under the plan. Lock and Space are never struck.
type volume struct {
	host.Volume
	i      *Injector
	target string
}

// call is what every disk call may meet.
func (v *volume) call(what, name string) error {
	for _, k := range [...]Kind{DiskSlow, DiskStall} {
		if v.i.absent[k] {
			continue
		}
		if s, ok := v.i.strikes(v.target, k, what+" "+name); ok {
			if err := v.i.pause(s.Lasts()); err != nil {
				return err
			}
		}
	}
	return nil
}

// fails returns an injected error when a step of the kind strikes the call.
func (v *volume) fails(kind Kind, what, name string, as error) error {
	if _, ok := v.i.strikes(v.target, kind, what+" "+name); ok {
		return v.injected(kind, what, name, as)
	}
	return nil
}

func (v *volume) injected(kind Kind, what, name string, as error) error {
	return fmt.Errorf("fault: %s %s: injected %s: %w", what, path.Join(v.target, name), kind, as)
}

// Open implements host.Volume.
func (v *volume) Open(name string, flag host.Flag) (host.File, error) {
	if err := v.call("open", name); err != nil {
		return nil, err
	}
	if flag&host.Create != 0 {
		if err := v.fails(NoSpace, "create", name, host.ErrNoSpace); err != nil {
			return nil, err
		}
	}
	f, err := v.Volume.Open(name, flag)
	if err != nil {
		return nil, err
	}
	out := &file{File: f, v: v, i: v.i, name: name, readOnly: flag&host.ReadOnly != 0, align: f.Align()}
	out.unsynced.init(v, out)
	return out, nil
}

// Rename implements host.Volume.
func (v *volume) Rename(from, to string) error {
	if err := v.call("rename", from); err != nil {
		return err
	}
	return v.Volume.Rename(from, to)
}

// Link implements host.Volume.
func (v *volume) Link(from, to string) error {
	if err := v.call("link", from); err != nil {
		return err
	}
	return v.Volume.Link(from, to)
}

// Remove implements host.Volume.
func (v *volume) Remove(name string) error {
	if err := v.call("remove", name); err != nil {
		return err
	}
	return v.Volume.Remove(name)
}

// List implements host.Volume.
func (v *volume) List(dir string) ([]host.Entry, error) {
	if err := v.call("list", dir); err != nil {
		return nil, err
	}
	return v.Volume.List(dir)
}

// SyncDir implements host.Volume.
func (v *volume) SyncDir(dir string) error {
	if err := v.call("sync directory", dir); err != nil {
		return err
	}
	if err := v.fails(DirError, "sync directory", dir, host.ErrIO); err != nil {
		return err
	}
	return v.Volume.SyncDir(dir)
}
