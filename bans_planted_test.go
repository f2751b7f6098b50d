package weir_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
	"testing"
)

// plantedImports are the standard packages that the planted snippets name.
var plantedImports = []string{
	"context", "crypto/rand", "fmt", "hash/maphash", "iter", "log", "log/slog", "maps", "math/rand", "math/rand/v2", "net",
	"net/http", "net/netip", "os", "os/exec", "path/filepath", "reflect", "runtime", "slices", "sort", "sync", "sync/atomic",
	"syscall", "time", "unique",
}

// planted snippets: imports on the first line, then declarations. Each is code
// that one ban must catch, or that none may.
var planted = []struct {
	name    string
	imports string
	code    string
	want    []ban
}{
	{"go", "", `func f() { go f() }`, []ban{banGo}},
	{"chan type", "", `type t struct{ c chan int }`, []ban{banChan}},
	{"receive", "context", `func f(c context.Context) { <-c.Done() }`, []ban{banChan}},
	{"range over a channel", "time", `func f(t *time.Timer) { for range t.C {} }`, []ban{banChan}},
	{"select", "", `func f() { select {} }`, []ban{banSelect}},
	{"recover", "", `func f() { defer func() { _ = recover() }() }`, []ban{banRecover}},
	{"recover of our own", "", `func recover() int { return 1 }; func f() int { return recover() }`, nil},
	{"clock", "time", `func f() time.Time { return time.Now() }`, []ban{banClock}},
	{"clock as a value", "time", `var clock = time.Now`, []ban{banClock}},
	{"clock renamed", "when time", `func f() { when.Sleep(when.Second) }`, []ban{banClock}},
	{"durations", "time", `const d = 3 * time.Second; func f(t time.Time) int64 { return t.UnixNano() }`, nil},
	{"a field called Now", "", `type c struct{ Now int }; func f(x c) int { return x.Now }`, nil},
	{"mutex", "sync", `type t struct{ mu sync.Mutex }`, []ban{banSync}},
	{"once", "sync", `var f = sync.OnceFunc(func() {})`, []ban{banSync}},
	{"pool and atomics", "sync,sync/atomic", `type t struct{ p sync.Pool; n atomic.Int64 }`, nil},
	{"context timer", "context", `func f(c context.Context) { context.WithCancel(c) }`, []ban{banContext}},
	{"context background", "context", `func f() context.Context { return context.Background() }`, nil},
	{"net", "net", `var _ net.Conn`, []ban{banNet}},
	{"net/http", "net/http", `var _ http.Handler`, []ban{banNet}},
	{"net/netip", "net/netip", `var _ netip.Addr`, nil},
	{"os", "os", `var _ os.FileMode`, []ban{banOS}},
	{"os/exec", "os/exec", `var _ exec.Cmd`, []ban{banOS}},
	{"syscall", "syscall", `var _ syscall.Errno`, []ban{banOS}},
	{"filepath.Walk", "path/filepath", `var _ = filepath.Walk`, []ban{banOS}},
	{"filepath.Join", "path/filepath", `var _ = filepath.Join`, nil},
	{"math/rand", "math/rand", `var _ rand.Source`, []ban{banRand}},
	{"global math/rand/v2", "math/rand/v2", `func f() int { return rand.IntN(3) }`, []ban{banRand}},
	{"own source", "math/rand/v2", `func f() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }`, nil},
	{"crypto/rand", "crypto/rand", `func f(p []byte) { rand.Read(p) }`, []ban{banSecret}},
	{"maphash", "hash/maphash", `var _ maphash.Seed`, []ban{banHash}},
	{"unique", "unique", `var _ unique.Handle[string]`, []ban{banRuntime}},
	{"runtime.GC", "runtime", `func f() { runtime.GC() }`, []ban{banRuntime}},
	{"runtime.Callers", "runtime", `func f(p []uintptr) { runtime.Callers(0, p) }`, nil},
	{"log", "log", `var _ log.Logger`, []ban{banLog}},
	{"slog default", "log/slog", `func f() { slog.Info("x") }`, []ban{banLog}},
	{"slog handed down", "log/slog", `func f(l *slog.Logger) { l.Info("x", slog.Int("n", 1)) }`, nil},
	{"coroutine", "iter", `func f(s iter.Seq[int]) { iter.Pull(s) }`, []ban{banPull}},
	{"reflect map", "reflect", `func f(v reflect.Value) { v.MapKeys() }`, []ban{banReflect}},

	{"global written", "", `var n int; func f() { n++ }`, []ban{banGlobal}},
	{"global map written", "", `var m = map[int]int{}; func f() { m[1] = 2 }`, []ban{banGlobal}},
	{"global map deleted from", "", `var m = map[int]int{}; func f() { delete(m, 1) }`, []ban{banGlobal}},
	{"global field written", "", `var s struct{ n int }; func f() { s.n = 1 }`, []ban{banGlobal}},
	{"global through a pointer", "", `var p = new(int); func f() { *p = 1 }`, []ban{banGlobal}},
	{"global's address", "", `var n int; func f() *int { return &n }`, []ban{banGlobal}},
	{"global atomic", "sync/atomic", `var n atomic.Int64; func f() { n.Add(1) }`, []ban{banGlobal}},
	{"global of another package", "time", `func f() { time.Local = nil }`, []ban{banGlobal}},
	{"global in init", "", `var n int; func init() { n = 1 }`, nil},
	{"global read", "", `var m = map[int]int{}; func f() int { return m[1] }`, nil},
	{"local of the same name", "", `var n int; func f() { n := 1; n++; _ = n }`, nil},

	{"map keys", "maps", `func f(m map[int]int) { for range maps.Keys(m) {} }`, []ban{banKeys}},
	{"map keys sorted", "maps,slices", `func f(m map[int]int) []int { return slices.Sorted(maps.Keys(m)) }`, nil},
	{"map printed", "", `func f(m map[int]int) { for k := range m { print(k) } }`, []ban{banMap}},
	{"map counted", "", `func f(m map[int]int) (n, s int) { for _, v := range m { if v > 1 { n++; s += v } }; return }`, nil},
	{"map of floats summed", "", `func f(m map[int]float64) (s float64) { for _, v := range m { s += v }; return }`, []ban{banMap}},
	{"map emptied", "", `func f(m map[int]int) { for k, v := range m { if v == 0 { delete(m, k) } } }`, nil},
	{"map copied by key", "", `func f(m map[int]int) { c := map[int]int{}; for k, v := range m { c[k] = v } }`, nil},
	{"map turned around", "", `func f(m map[int]int) { c := map[int]int{}; for k, v := range m { c[v] = k } }`, []ban{banMap}},
	{"slice filled, sorted", "slices",
		`func f(m map[int]int) (s []int) { for k := range m { s = append(s, k) }; slices.Sort(s); return s }`, nil},
	{"slice filled, sorted with sort", "sort",
		`func f(m map[int]int) (s []int) { for k := range m { s = append(s, k) }; sort.Ints(s); return s }`, nil},
	{"slice filled, unsorted", "",
		`func f(m map[int]int) (s []int) { for k := range m { s = append(s, k) }; return s }`, []ban{banMap}},
	{"slice filled, used, then sorted", "slices",
		`func f(m map[int]int) (s []int) { for k := range m { s = append(s, k) }; print(s[0]); slices.Sort(s); return s }`,
		[]ban{banMap}},
	{"first key", "", `func f(m map[int]int) int { for k := range m { return k }; return 0 }`, []ban{banMap}},
	{"any key", "", `func f(m map[int]int) bool { for _, v := range m { if v > 1 { return true } }; return false }`, nil},
	{"any key after effects", "",
		`func f(m map[int]int, n *int) bool { for _, v := range m { *n += 1; if v > 1 { return true } }; return false }`, []ban{banMap}},
	{"break", "", `func f(m map[int]int) { for k := range m { delete(m, k); break } }`, []ban{banMap}},
	{"last key wins", "", `func f(m map[int]int) (n int) { for k := range m { n = k }; return }`, []ban{banMap}},
	{"largest key", "", `func f(m map[int]int) (n int) { for k := range m { n = max(n, k) }; return }`, nil},
	{"map in a map", "slices", `func f(m map[int]map[int]int) (s []int) {
		for _, in := range m { for k := range in { s = append(s, k) } }; slices.Sort(s); return }`, nil},
	{"map in a case", "", `func f(m map[int]int, x int) { switch x { case 1: for k := range m { print(k) } } }`, []ban{banMap}},
	{"map under a label", "", "func f(m map[int]int) {\nout:\nfor k := range m { if k == 1 { continue out }; print(k) } }", []ban{banMap}},
	{"named map type", "", `type t map[int]int; func f(m t) { for k := range m { print(k) } }`, []ban{banMap}},
}

func TestPlantedBreachesAreFound(t *testing.T) {
	for _, c := range planted {
		t.Run(c.name, func(t *testing.T) {
			fset := token.NewFileSet()
			file, err := parser.ParseFile(fset, "planted.go", snippet(c.imports, c.code), parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			info, err := typeCheck(fset, "planted", []*ast.File{file})
			if err != nil {
				t.Fatal(err)
			}
			got := map[ban]bool{}
			for _, f := range findBanned(fset, info, file) {
				got[f.ban] = true
				if f.ban.instead == "" || !strings.Contains(f.String(), f.ban.instead) {
					t.Errorf("%s names no replacement", f)
				}
			}
			for _, b := range c.want {
				if !got[b] {
					t.Errorf("not caught: %s", b.what)
				}
				delete(got, b)
			}
			for b := range got {
				t.Errorf("caught without cause: %s", b.what)
			}
		})
	}
}

// snippet makes a file of "path,name path" imports and declarations.
func snippet(imports, code string) string {
	var b strings.Builder
	b.WriteString("package planted\n")
	for _, spec := range strings.Split(imports, ",") {
		if name, path, renamed := strings.Cut(spec, " "); renamed {
			b.WriteString("import " + name + ` "` + path + "\"\n")
		} else if spec != "" {
			b.WriteString(`import "` + spec + "\"\n")
		}
	}
	b.WriteString(code)
	return b.String()
}

func TestAnAllowanceCoversOnePlaceWhenItSaysSo(t *testing.T) {
	found := []finding{{ban: banRecover}, {ban: banRecover}, {ban: banGo}}
	left := withoutAllowed("sim", found)
	if len(left) != 2 || left[0].ban != banRecover || left[1].ban != banGo {
		t.Fatalf("left %v, want the second recover and the go statement", left)
	}
	for _, a := range allowances {
		if a.why == "" {
			t.Errorf("the allowance of %s for %s gives no reason", a.dir, a.ban.what)
		}
	}
}
