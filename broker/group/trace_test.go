package group

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/host"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files instead of comparing")

// TestTraces runs the scripts in testdata. A script is blocks of commands; below each block's "----" stand
// the effects they had, up to an empty line. Lines with # are comments. Commands, each with key=value arguments:
//
//	config [delay=3s] [max=10]              a new coordinator; also: metadata=4096 record=4194304
//	join m= new=a1 [inst=] [protos=range:x,rr:y] [v=9] [session=10s] [rebalance=60s]
//	sync m=a1 gen=1 [give.a1=x give.b1=y]   heartbeat m= gen=   leave m=a,b   leave inst=i
//	commit [m= gen=] t/0=5 …               fetch t/0 …      delete     describe     list
//	durable                                 the oldest record in flight is durable
//	wait 5s                                 time passes; timers fire as they come due
//	restart                                 the coordinator stops; another loads the durable records
//
// All commands go to the group g unless g= names another. Tokens count up from 1.
func TestTraces(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.trace")
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			got := runTrace(t, string(text))
			if *rewrite {
				require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
				return
			}
			require.Equal(t, string(text), got)
		})
	}
}

// runTrace returns the script with the effects as they came out.
func runTrace(t *testing.T, text string) string {
	tr := newTracer(t)
	var out strings.Builder
	expected := false // inside the part that is rewritten
	for _, line := range strings.SplitAfter(text, "\n") {
		trimmed := strings.TrimSpace(line)
		switch {
		case expected && trimmed != "":
			continue
		case trimmed == "----":
			expected = true
			out.WriteString("----\n" + tr.take())
			continue
		case trimmed != "" && !strings.HasPrefix(trimmed, "#"):
			tr.command(strings.Fields(trimmed))
		}
		expected = false
		out.WriteString(line)
	}
	return out.String()
}

// tracer drives one coordinator and writes down what it does.
type tracer struct {
	t      *testing.T
	c      *Coordinator
	cfg    Config
	now    Now
	token  Token
	timers map[string][]host.Time
	queue  []Persist // not durable yet
	log    [][]byte  // durable
	lines  strings.Builder
}

func newTracer(t *testing.T) *tracer {
	tr := &tracer{t: t, cfg: DefaultConfig(), now: Now{1, 1_000_000}, timers: map[string][]host.Time{}}
	tr.c, _ = NewCoordinator(tr.now, tr.cfg, NewStore(), nil)
	return tr
}

func (tr *tracer) take() string {
	s := tr.lines.String()
	tr.lines.Reset()
	return s
}

// args are a command's key=value arguments, in order.
type args struct {
	keys []string
	m    map[string]string
}

func (a args) get(key, otherwise string) string {
	if v, ok := a.m[key]; ok {
		return v
	}
	return otherwise
}

func (a args) number(key string, otherwise int) int {
	n, err := strconv.Atoi(a.get(key, strconv.Itoa(otherwise)))
	if err != nil {
		panic(err)
	}
	return n
}

func (a args) duration(key, otherwise string) time.Duration {
	d, err := time.ParseDuration(a.get(key, otherwise))
	if err != nil {
		panic(err)
	}
	return d
}

func parseArgs(words []string) args {
	a := args{m: map[string]string{}}
	for _, w := range words {
		k, v, _ := strings.Cut(w, "=")
		a.keys = append(a.keys, k)
		a.m[k] = v
	}
	return a
}

func (tr *tracer) command(words []string) {
	a := parseArgs(words[1:])
	id := a.get("g", "g")
	switch words[0] {
	case "config":
		tr.cfg.InitialDelay = a.duration("delay", "3s")
		tr.cfg.MaxMembers = a.number("max", 10)
		tr.cfg.MaxMetadata = a.number("metadata", 4096)
		tr.cfg.MaxRecordBytes = a.number("record", 4<<20)
		tr.c, _ = NewCoordinator(tr.now, tr.cfg, NewStore(), nil)
	case "durable":
		if len(tr.queue) == 0 {
			tr.lines.WriteString("nothing in flight\n")
			return
		}
		p := tr.queue[0]
		tr.queue = tr.queue[1:]
		tr.log = append(tr.log, p.Record)
		tr.step(p.Group, Persisted{p.ID})
	case "wait":
		tr.wait(words[1])
	case "restart":
		tr.restart()
	case "fetch":
		for _, k := range a.keys {
			if k == "g" {
				continue
			}
			o, ok := tr.c.Store().Offset(id, part(k))
			fmt.Fprintf(&tr.lines, "%s %d %q epoch=%d %v\n", k, o.Offset, o.Metadata, o.LeaderEpoch, ok)
		}
	case "describe":
		d, k := tr.c.Describe(id)
		fmt.Fprintf(&tr.lines, "%v %v gen=%d %s/%s\n", k, d.State, d.Generation, d.ProtocolType, d.Protocol)
		for _, m := range d.Members {
			fmt.Fprintf(&tr.lines, "  %s inst=%s %q → %q\n", m.MemberID, m.InstanceID, m.Metadata, m.Assignment)
		}
	case "list":
		for _, l := range tr.c.List() {
			fmt.Fprintf(&tr.lines, "%s %v %s\n", l.ID, l.State, l.ProtocolType)
		}
	case "expire":
		tr.effects(tr.c.Expire(tr.now, nil))
	case "drop":
		tr.effects(tr.c.DropTopic(tr.now, a.get("topic", ""), nil))
	default:
		tr.token++
		tr.step(id, tr.request(words[0], a))
	}
}

func part(s string) Part {
	topic, n, _ := strings.Cut(s, "/")
	p, err := strconv.Atoi(n)
	if err != nil {
		panic("want topic/partition, got " + s)
	}
	return Part{topic, int32(p)}
}

func (tr *tracer) request(verb string, a args) Event {
	m, inst, gen := a.get("m", ""), a.get("inst", ""), int32(a.number("gen", -1))
	switch verb {
	case "join":
		j := Join{
			Token: tr.token, MemberID: m, FreshID: a.get("new", ""), InstanceID: inst,
			SessionTimeout: a.duration("session", "10s"), RebalanceTimeout: a.duration("rebalance", "60s"),
			ProtocolType:   a.get("type", "consumer"),
			RequireKnownID: a.number("v", 9) >= 4, SkipAssignment: a.number("v", 9) >= 9,
		}
		for _, p := range strings.Split(a.get("protos", "range:x"), ",") {
			name, data, _ := strings.Cut(p, ":")
			j.Protocols = append(j.Protocols, Protocol{name, []byte(data)})
		}
		return j
	case "sync":
		s := Sync{Token: tr.token, MemberID: m, InstanceID: inst, Generation: gen,
			ProtocolType: a.get("type", ""), Protocol: a.get("proto", "")}
		for _, k := range a.keys {
			if id, ok := strings.CutPrefix(k, "give."); ok {
				s.Assignments = append(s.Assignments, Assignment{id, []byte(a.m[k])})
			}
		}
		return s
	case "heartbeat":
		return Heartbeat{tr.token, m, inst, gen}
	case "leave":
		l := Leave{Token: tr.token}
		for _, id := range strings.Split(m, ",") {
			l.Members = append(l.Members, Leaver{id, inst})
		}
		return l
	case "commit":
		c := Commit{Token: tr.token, MemberID: m, InstanceID: inst, Generation: gen}
		for _, k := range a.keys {
			if strings.Contains(k, "/") {
				n, meta, _ := strings.Cut(a.m[k], ":")
				v, _ := strconv.Atoi(n)
				p := part(k)
				c.Offsets = append(c.Offsets,
					Offset{Topic: p.Topic, Partition: p.Partition, Offset: int64(v), LeaderEpoch: 7, Metadata: meta})
			}
		}
		return c
	case "dropoffsets":
		d := DropOffsets{Token: tr.token}
		for _, k := range a.keys {
			d.Parts = append(d.Parts, part(k))
		}
		return d
	case "delete":
		return Delete{tr.token}
	}
	panic("no command " + verb)
}

func (tr *tracer) step(id string, ev Event) {
	tr.effects(tr.c.Step(tr.now, id, ev, nil))
}

func (tr *tracer) effects(es []Effect) {
	for _, e := range es {
		switch e := e.(type) {
		case Reply:
			fmt.Fprintf(&tr.lines, "%d: %s\n", e.Token, formatResult(e.Result))
		case Persist:
			fmt.Fprintf(&tr.lines, "persist %d\n", e.ID)
			tr.queue = append(tr.queue, e)
		case SetTimer:
			tr.timers[e.Group] = append(tr.timers[e.Group], e.At)
		}
	}
}

func formatResult(r Result) string {
	switch r := r.(type) {
	case JoinResult:
		s := fmt.Sprintf("join %v", r.Kind)
		if r.Kind == OK {
			s += fmt.Sprintf(" gen=%d %s/%s leader=%s", r.Generation, r.ProtocolType, r.Protocol, r.Leader)
		}
		s += " me=" + r.MemberID
		for _, m := range r.Members {
			s += fmt.Sprintf(" (%s inst=%s %q)", m.MemberID, m.InstanceID, m.Metadata)
		}
		if r.SkipAssignment {
			s += " skip"
		}
		return s
	case SyncResult:
		return fmt.Sprintf("sync %v %s/%s %q", r.Kind, r.ProtocolType, r.Protocol, r.Assignment)
	case HeartbeatResult:
		return fmt.Sprintf("heartbeat %v", r.Kind)
	case LeaveResult:
		return fmt.Sprintf("leave %v %v", r.Kind, r.Members)
	case CommitResult:
		return fmt.Sprintf("commit %v", r.Kinds)
	case DeleteResult:
		return fmt.Sprintf("delete %v", r.Kind)
	}
	panic("no such result")
}

// wait lets timers fire in order of time, then of group.
func (tr *tracer) wait(s string) {
	d, err := time.ParseDuration(s)
	require.NoError(tr.t, err)
	end := tr.now.Time + host.Time(d)
	for {
		next, id := end+1, ""
		for g, ts := range tr.timers {
			for _, at := range ts {
				if at < next || at == next && g < id {
					next, id = at, g
				}
			}
		}
		if next > end {
			break
		}
		tr.advance(max(next, tr.now.Time))
		kept := tr.timers[id][:0]
		for _, at := range tr.timers[id] {
			if at > next {
				kept = append(kept, at)
			}
		}
		tr.timers[id] = kept
		before := tr.lines.Len()
		mark := tr.lines.String()
		tr.step(id, Tick{})
		if tr.lines.Len() > before {
			after := tr.lines.String()[len(mark):]
			tr.lines.Reset()
			fmt.Fprintf(&tr.lines, "%sat %v:\n%s", mark, time.Duration(tr.now.Time-1), after)
		}
	}
	tr.advance(end)
}

func (tr *tracer) advance(to host.Time) {
	tr.now.Wall += int64((to - tr.now.Time) / host.Time(time.Millisecond))
	tr.now.Time = to
}

func (tr *tracer) restart() {
	tr.effects(tr.c.Stop(nil))
	tr.queue, tr.timers = nil, map[string][]host.Time{}
	store := NewStore()
	for i, r := range tr.log {
		require.NoError(tr.t, store.Apply(r))
		if i == len(tr.log)/2 { // a snapshot anywhere on the way makes no difference
			var err error
			store, err = Restore(store.Snapshot())
			require.NoError(tr.t, err)
		}
	}
	require.Equal(tr.t, tr.c.Store().Snapshot(), store.Snapshot())
	var es []Effect
	tr.c, es = NewCoordinator(tr.now, tr.cfg, store, nil)
	tr.effects(es)
}
