package sim

import (
	"fmt"
	"runtime"
	"strings"

	"github.com/weirmq/weir/host"
)

// Op is a kind of I/O call.
type Op uint8

// The kinds of I/O call: where a machine can be made to crash.
const (
	OpAttach Op = iota + 1
	OpOpen
	OpRead
	OpWrite
	OpSync
	OpResize
	OpRename
	OpLink
	OpRemove
	OpList
	OpSyncDir
	OpLock
	OpDial
	OpSend
	OpStorePut
	OpStoreGet
	OpStoreHead
	OpStoreList
	OpStoreDelete
)

var opNames = [...]string{
	"none", "attach", "open", "read", "write", "sync", "resize", "rename", "link", "remove", "list", "syncdir",
	"lock", "dial", "send", "store.put", "store.get", "store.head", "store.list", "store.delete",
}

// String returns the op's name as it shows in traces.
func (o Op) String() string {
	if int(o) < len(opNames) {
		return opNames[o]
	}
	return "unknown"
}

// Call is one I/O call of a machine.
type Call struct {
	Machine string
	N       uint64 // ordinal on the machine, from 1, across incarnations
	At      host.Time
	Op      Op
	Target  string // path, address or key
	Off     int64
	Len     int64
	Task    string
	Site    string // function that made it, with Config.Sites; "" without

	places *placeNames
}

// String is one line for a report.
func (c Call) String() string {
	return fmt.Sprintf("%s #%d %v %s %s [%d+%d] in %s at %s",
		c.Machine, c.N, c.At.Sub(0), c.Op, c.Target, c.Off, c.Len, c.Task, c.Site)
}

// Place names where in the code's course the call is: the task, the op and the class of the target. It does not
// depend on how the program was built.
func (c Call) Place() string { return c.places.of(c.Task, c.Op, c.Target) }

// When is a moment of an I/O call.
type When uint8

// The moments at which a crash can be planned.
const (
	BeforeEffect When = iota + 1 // the call was made and nothing of it happened
	AfterEffect                  // it took effect and its caller has not heard
)

// Calls returns how many I/O calls the machine has made, in all incarnations.
func (m *Machine) Calls() uint64 { return m.calls }

// begin counts an I/O call of the running task and crashes the machine if that is due. The target is volume:path,
// or path alone. It returns the call's ordinal for finish.
func (inc *incarnation) begin(op Op, volume, path string, off, n int64) (uint64, error) {
	if err := inc.gate(); err != nil {
		return 0, err
	}
	w, m := inc.w, inc.m
	t := w.self(opNames[op])
	t.checkHeld(opNames[op])
	m.calls++
	k := m.calls
	if w.cfg.OnCall != nil {
		target := path
		if volume != "" {
			target = volume + ":" + path
		}
		w.cfg.OnCall(Call{
			Machine: m.name, N: k, At: w.now, Op: op, Target: target, Off: off, Len: n, Task: t.name,
			Site: w.site(""), places: &w.places,
		})
		if err := inc.gate(); err != nil { // the hook may have killed the machine
			return 0, err
		}
	}
	inc.crashAt(k)
	return k, nil
}

// finish ends the call that begin numbered k, after its effect.
func (inc *incarnation) finish(k uint64) {
	if m := inc.m; m.after != nil && m.armed == k && !inc.dead {
		inc.die(m.after)
	}
}

// ownPrefixes are the packages and functions whose frames a site skips: the seam, plumbing of the standard
// library, and wrappers that every call of a kind goes through.
var ownPrefixes = [...]string{
	"github.com/weirmq/weir/sim.", "github.com/weirmq/weir/host.", "runtime.", "io.", "bufio.",
	"github.com/weirmq/weir/objectstore.", "github.com/weirmq/weir/wal.(*ring).",
	"github.com/weirmq/weir/wal.writeSlot", "github.com/weirmq/weir/wal.syncParents",
}

// site returns reason and, with Config.Sites, the first function that is not among ownPrefixes and led here,
// with its line.
func (w *World) site(reason string) string {
	if !w.cfg.Sites {
		return reason
	}
	var pcs [24]uintptr
	for _, pc := range pcs[:runtime.Callers(3, pcs[:])] {
		name, known := w.sites[pc]
		if !known {
			name = siteOf(pc)
			w.sites[pc] = name
		}
		if name == "" {
			continue
		}
		if reason == "" {
			return name
		}
		return reason + " at " + name
	}
	return reason
}

// siteOf names the place of a program counter, or is "" for one that a site skips.
func siteOf(pc uintptr) string {
	frames := runtime.CallersFrames([]uintptr{pc})
	for {
		f, more := frames.Next()
		if f.Function != "" && !isOwn(f.Function) {
			return fmt.Sprintf("%s:%d", f.Function[strings.LastIndexByte(f.Function, '/')+1:], f.Line)
		}
		if !more {
			return ""
		}
	}
}

func isOwn(function string) bool {
	for _, p := range ownPrefixes {
		if strings.HasPrefix(function, p) {
			return true
		}
	}
	return false
}
