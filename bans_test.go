package weir_test

import (
	"go/ast"
	"slices"
	"strings"
	"testing"
)

// ban is one thing that code which must run under a seed may not do, and what it
// does instead. The message of every finding ends with instead.
type ban struct {
	what    string
	instead string
}

// The bans. Each makes a run depend on something that the seed does not decide,
// or lets a task block where the scheduler cannot see it.
var (
	banGo     = ban{"go statement", "start a task with host.Go(scope, name, fn) or host.Group"}
	banChan   = ban{"channel", "use host.Queue, host.Future or host.Parker"}
	banSelect = ban{"select",
		"let one loop own one host.Queue of one event type; others push timers and completions into it"}
	banRecover = ban{"recover", "let the panic end the process: it is a bug of ours; the world's faults are errors"}
	banMap     = ban{"range over a map",
		"its order is random: range over slices.Sorted(maps.Keys(m)), or only count, delete, or fill a " +
			"slice that is sorted next"}
	banGlobal = ban{"package-level variable written after init",
		"keep it in a struct and pass it through the constructor"}
	banKeys  = ban{"unsorted map iterator", "wrap it at once: slices.Sorted(maps.Keys(m)) or slices.SortedFunc"}
	banClock = ban{"clock",
		"host.Clock: Now for decisions, Wall for record timestamps, Sleep(scope, d); deadlines are " +
			"host.Time"}
	banSync = ban{"lock the scheduler cannot see",
		"host.Mutex, host.Cond, host.Group, host.Semaphore; sync/atomic is fine"}
	banContext = ban{"context with a timer or goroutine",
		"scope.Child(until) and its cancel; a *host.Scope is a context.Context for libraries"}
	banNet = ban{"network", "host.Network: Dial, Listen, Conn"}
	banOS  = ban{"operating system",
		"host.Disk and host.Volume for files; flags, environment and exits belong to cmd/weir"}
	banRand = ban{"global randomness",
		"host.Rand(stream), or rand.New(rand.NewPCG(a, b)) of math/rand/v2 from a number the host gave"}
	banSecret  = ban{"system randomness", "host.Secret(p)"}
	banHash    = ban{"hash with a random seed", "hash/fnv, hash/crc32 or xxhash-like with a fixed seed"}
	banRuntime = ban{"runtime",
		"only runtime.Callers and CallersFrames: what the garbage collector or the processors do must " +
			"decide nothing"}
	banLog     = ban{"logging beside the host", "host.Log(), handed down"}
	banPull    = ban{"coroutine", "start a task with host.Go(scope, name, fn)"}
	banReflect = ban{"reflection over a map", "its order is random: name the fields, or sort the keys"}
)

// bannedImports are refused as a whole, with the packages below them.
var bannedImports = map[string]ban{
	"net": banNet, "os": banOS, "syscall": banOS, "io/ioutil": banOS, "golang.org/x/sys": banOS,
	"math/rand": banRand, "crypto/rand": banSecret, "hash/maphash": banHash,
	"log": banLog, "runtime/debug": banRuntime, "runtime/metrics": banRuntime, "runtime/trace": banRuntime,
	"runtime/pprof": banRuntime, "unique": banRuntime, "weak": banRuntime, "testing/synctest": banClock,
}

// allowedImports are below a banned path and yet only compute.
var allowedImports = []string{"net/url", "net/netip", "net/textproto", "math/rand/v2", "log/slog"}

// bannedNames are single functions and types of packages that are otherwise fine.
var bannedNames = map[string]map[string]ban{
	"time": each(banClock, "Now", "Since", "Until", "Sleep", "After", "Tick", "NewTimer", "NewTicker", "AfterFunc"),
	"sync": each(banSync, "Mutex", "RWMutex", "Cond", "NewCond", "WaitGroup", "Map", "Once", "OnceFunc", "OnceValue",
		"OnceValues"),
	"context": each(banContext, "WithCancel", "WithCancelCause", "WithDeadline", "WithDeadlineCause", "WithTimeout",
		"WithTimeoutCause", "AfterFunc", "WithValue", "WithoutCancel"),
	"log/slog": each(banLog, "Default", "SetDefault", "Info", "InfoContext", "Debug", "DebugContext", "Warn",
		"WarnContext", "Error", "ErrorContext", "Log", "LogAttrs", "With", "SetLogLoggerLevel"),
	"iter":          each(banPull, "Pull", "Pull2"),
	"path/filepath": each(banOS, "Abs", "EvalSymlinks", "Glob", "Walk", "WalkDir"),
}

// allowedRuntime are the names of package runtime that depend on the caller alone.
var allowedRuntime = []string{"Callers", "CallersFrames", "Frames", "Frame"}

// allowedRand are the names of math/rand/v2 that draw from a source of the caller's.
var allowedRand = []string{"New", "NewPCG", "NewChaCha8", "NewZipf", "Rand", "Source", "PCG", "ChaCha8", "Zipf"}

func each(b ban, names ...string) map[string]ban {
	m := map[string]ban{}
	for _, name := range names {
		m[name] = b
	}
	return m
}

// exempt packages are the real machine, its clouds, and programs around the node.
// What ends in a slash covers the folders below.
var exempt = []string{
	"host/oshost", "objectstore/s3store", "gossip/listgossip", "sim/run", "sim/run/", "cmd/", "bench", "bench/",
	"crashtest", "localcluster", "jepsen",
}

// allowance lets one package do one banned thing, for a stated reason.
type allowance struct {
	dir  string
	ban  ban
	once bool // at one place only
	why  string
}

var allowances = []allowance{
	{dir: "host", ban: banSync, why: "it is the kit that replaces them"},
	{dir: "host", ban: banChan, why: "Scope.Done, the method that makes a Scope a context.Context for libraries"},
	{dir: "internal/invariant", ban: banGlobal, why: "counters that no decision reads"},
	{dir: "internal/probe", ban: banGlobal, why: "counters that no decision reads; their list is complete after init"},
	{dir: "internal/mutant", ban: banOS, why: "names the planted bug of a process, in builds with the tag alone"},
	{dir: "internal/mutant", ban: banMap, once: true, why: "the planted nondeterminism, in builds with the tag alone"},
	{dir: "sim", ban: banPull, once: true, why: "a simulated task is a coroutine"},
	{dir: "sim", ban: banRecover, once: true, why: "unwinding a killed task, and naming the task that panicked"},
	{dir: "sim", ban: banGlobal, why: "puts that reader in place for the length of a run, and the old one back"},
	{dir: "sim", ban: banChan, once: true, why: "the type of Scope.Done, which panics in simulation"},
	{dir: "sim", ban: banRuntime, why: "asserts that no step created a goroutine; prints stacks of a stuck seed"},
	{dir: "sim", ban: banSecret, once: true, why: "sets rand.Reader from the seed for libraries that draw from it"},
}

func isExempt(dir string) bool {
	for _, e := range exempt {
		if dir == e || strings.HasSuffix(e, "/") && strings.HasPrefix(dir, e) {
			return true
		}
	}
	return dir == ""
}

// TestBans walks all code that must run under a seed.
func TestBans(t *testing.T) {
	tr := loadTree(t)
	walked := 0
	for _, p := range tr.packages {
		files := p.production()
		if isExempt(p.dir) || len(files) == 0 {
			continue
		}
		walked++
		var parsed []*ast.File
		for _, f := range p.files {
			if !f.test && f.built {
				parsed = append(parsed, f.ast)
			}
		}
		info, err := typeCheck(tr.fset, p.importPath(), parsed)
		if err != nil {
			t.Errorf("%s does not type-check: %v", p.dir, err)
			continue
		}
		var found []finding
		for _, f := range files {
			found = append(found, findBanned(tr.fset, info, f.ast)...)
		}
		for _, f := range withoutAllowed(p.dir, found) {
			t.Error(f)
		}
	}
	if walked == 0 {
		t.Error("no package was walked")
	}
}

// withoutAllowed drops the findings that an allowance covers.
func withoutAllowed(dir string, found []finding) []finding {
	used := map[ban]bool{}
	return slices.DeleteFunc(found, func(f finding) bool {
		for _, a := range allowances {
			if a.dir == dir && a.ban == f.ban && !(a.once && used[f.ban]) {
				used[f.ban] = true
				return true
			}
		}
		return false
	})
}

// TestNoTestSleepsOrSkips: a test that waits for wall time is slow or flaky, and
// one that skips itself proves nothing while looking green.
func TestNoTestSleepsOrSkips(t *testing.T) {
	tr := loadTree(t)
	for _, p := range tr.packages {
		for _, f := range p.files {
			if !f.test || p.dir == "" {
				continue
			}
			for _, sel := range testSelectors(f.ast) {
				if why := judgeTestCall(sel, isExempt(p.dir)); why != "" {
					t.Errorf("%s: %s", tr.fset.Position(sel.Pos()), why)
				}
			}
		}
	}
}

// testSelectors returns the selectors of a file. A drawn step of a random test is no exception: one that has nothing
// to do returns.
func testSelectors(file *ast.File) []*ast.SelectorExpr {
	var out []*ast.SelectorExpr
	ast.Inspect(file, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			out = append(out, sel)
		}
		return true
	})
	return out
}

// judgeTestCall: onMachine is a test of an exempt package, where a process of its
// own may sleep until it is killed.
func judgeTestCall(sel *ast.SelectorExpr, onMachine bool) string {
	x, ok := sel.X.(*ast.Ident)
	switch {
	case ok && x.Name == "time" && sel.Sel.Name == "Sleep" && !onMachine:
		return "time.Sleep in a test: wait for the event itself, or run it in sim"
	case ok && strings.HasPrefix(sel.Sel.Name, "Skip") && slices.Contains([]string{"t", "b", "f", "rt"}, x.Name):
		return "a test that skips itself: what cannot run here belongs behind a make target that brings what it needs"
	}
	return ""
}
