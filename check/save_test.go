package check

import (
	"bytes"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// memory keeps files; one of them may fail.
type memory struct {
	files map[string][]byte
	sick  string
}

type memoryFile struct {
	bytes.Buffer
	m    *memory
	name string
}

var errFull = errors.New("disk full")

func (m *memory) Create(name string) (io.WriteCloser, error) {
	return &memoryFile{m: m, name: name}, nil
}

func (m *memory) Open(name string) (io.ReadCloser, error) {
	if file, there := m.files[name]; there {
		return io.NopCloser(bytes.NewReader(file)), nil
	}
	return nil, os.ErrNotExist
}

func (f *memoryFile) Close() error {
	if f.name == f.m.sick {
		return errFull
	}
	f.m.files[f.name] = f.Bytes()
	return nil
}

func TestASavedRunIsJudgedTheSame(t *testing.T) {
	least := Counts{Acked: 100}
	for seed := range uint64(5) {
		h := randomHistory(seed, 300)
		if seed%2 == 0 {
			breakages[0].do(newRand(seed), h)
		}
		v := Judge(h, least)
		m := &memory{files: map[string][]byte{}}
		require.NoError(t, Save(m, h, Meta{Seed: seed, Commit: "c0ffee", Least: least}, v))
		again, meta, err := Load(m)
		require.NoError(t, err)
		require.Equal(t, seed, meta.Seed)
		require.Equal(t, v, Judge(again, meta.Least))
	}
}

func TestSaveAndLoadTellWhichFileFailed(t *testing.T) {
	for _, name := range []string{HistoryFile, MetaFile, VerdictFile} {
		m := &memory{files: map[string][]byte{}, sick: name}
		err := Save(m, sample(), Meta{}, &Verdict{})
		require.ErrorIs(t, err, errFull)
		require.ErrorContains(t, err, name)
	}
	_, _, err := Load(&memory{})
	require.ErrorIs(t, err, os.ErrNotExist)
	_, _, err = Load(&memory{files: map[string][]byte{HistoryFile: []byte("{}")}})
	require.ErrorIs(t, err, ErrFormat)
}

// declaredKinds reads the violations out of the source, so that none is left out by whom it concerns.
func declaredKinds(t *testing.T) []ViolationKind {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "verdict.go", nil, 0)
	require.NoError(t, err)
	var out []ViolationKind
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, is := n.(*ast.ValueSpec); is {
			if kind, is := spec.Type.(*ast.Ident); is && kind.Name == "ViolationKind" {
				name, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
				require.NoError(t, err)
				out = append(out, ViolationKind(name))
			}
		}
		return true
	})
	require.Greater(t, len(out), 40)
	return out
}

// TestNoCheckerIsVacuous: every violation that a history can have is found in one that has it.
func TestNoCheckerIsVacuous(t *testing.T) {
	sick, err := Canary()
	require.NoError(t, err)
	// Those that are allowed, and those that say nothing of a history's promises.
	missing := []ViolationKind{Undecided, Vacuous, IntSendSkip, G0, G0Process, G0Realtime}
	for _, s := range sick {
		v := Judge(s.History, Counts{})
		require.True(t, s.Found(v), "%s: %s", s.Kind, v)
		require.False(t, s.Found(&Verdict{}))
		missing = append(missing, s.Kind)
	}
	for _, kind := range declaredKinds(t) {
		require.Contains(t, missing, kind, "no canary history has it")
	}
}

func TestThePackageCommentExplainsEveryViolation(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	require.NoError(t, err)
	for _, kind := range declaredKinds(t) {
		explained := slices.ContainsFunc(strings.Split(string(doc), "\n"), func(line string) bool {
			return strings.HasPrefix(line, "//\t"+string(kind)+" ")
		})
		require.True(t, explained, "%s", kind)
	}
}

func TestAPictureShowsOperationsAndFaults(t *testing.T) {
	h := randomHistory(3, 200)
	h.Ops = append(h.Ops, listEnd(1, 2, h.Logs[0].End()))
	page, err := Picture(h, orders, []Annotation{{Tag: "node b1", Start: 100, End: 200, Text: "disk.torn-write"},
		{Tag: "node b1", Start: 300, Text: "crash"}})
	require.NoError(t, err)
	for _, want := range []string{"disk.torn-write", "crash", "append [c", "end is", "Illegal", "node b1"} {
		require.Contains(t, string(page), want)
	}
	require.NotContains(t, string(page), `src="http`, "the page needs nothing else")
	_, err = Picture(h, Partition{"none", 0}, nil)
	require.ErrorContains(t, err, "none/0")
}

func TestAPictureOfALongHistoryIsDrawnAroundItsViolation(t *testing.T) {
	h := randomHistory(3, 3*pictureOpsMax)
	op := &h.Ops[2*pictureOpsMax]
	for i := range h.Ops[2*pictureOpsMax:] {
		op = &h.Ops[2*pictureOpsMax+i]
		if op.Kind == Produce && op.Outcome == OK {
			break
		}
	}
	h.Logs[0].Values[op.Offset] = 0
	page, err := Picture(h, orders, nil)
	require.NoError(t, err)
	require.Contains(t, string(page), op.Values[0].String())
	require.Contains(t, string(page), "Illegal")
}

func TestAPictureOfAnEmptyPartitionIsDrawn(t *testing.T) {
	_, err := Picture(&History{Logs: []Log{{Partition: orders}}}, orders, nil)
	require.NoError(t, err)
}
