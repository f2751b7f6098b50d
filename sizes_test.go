package weir_test

import (
	"bytes"
	"go/ast"
	"path"
	"regexp"
	"slices"
	"testing"
	"unicode/utf8"
)

// Limits that keep one thing readable at one sitting.
const (
	functionLinesMax   = 70
	fileLinesMax       = 500 // more needs a row in allowedSizes
	fileLinesHardMax   = 800 // no row helps
	lineColumnsMax     = 120 // in characters; a tab is one
	interfaceMethodMax = 8   // an embedded interface counts as one
)

// allowedSizes lists what is over a limit and why it may be. It only shrinks: a
// row that is not needed any more fails the test. A key is a file, "file:function"
// or "file:columns".
var allowedSizes = map[string]string{
	"bans_planted_test.go:columns": "a table with one snippet a line",
}

func TestSizes(t *testing.T) {
	tr := loadTree(t)
	needed := map[string]bool{}
	allowed := func(key string) bool {
		needed[key] = true
		return allowedSizes[key] != ""
	}
	for _, p := range tr.packages {
		for _, f := range p.files {
			if f.generated {
				continue
			}
			lines := bytes.Count(f.text, []byte("\n"))
			if lines > fileLinesHardMax || lines > fileLinesMax && !allowed(f.path) {
				t.Errorf("%s has %d lines, limit %d: split it by concept", f.path, lines, fileLinesMax)
			}
			for _, long := range longLines(f.text) {
				if !allowed(f.path + ":columns") {
					t.Errorf("%s:%d is wider than %d columns: break it", f.path, long, lineColumnsMax)
				}
			}
			judgeDeclarations(t, tr, f, allowed)
		}
	}
	for key := range allowedSizes {
		if !needed[key] {
			t.Errorf("allowedSizes: %s is within the limits now: remove its row", key)
		}
	}
}

func judgeDeclarations(t *testing.T, tr *sourceTree, f *sourceFile, allowed func(string) bool) {
	ast.Inspect(f.ast, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			key := f.path + ":" + n.Name.Name
			size := tr.fset.Position(n.End()).Line - tr.fset.Position(n.Pos()).Line + 1
			if size > functionLinesMax && !allowed(key) {
				t.Errorf("%s has %d lines, limit %d: give a step its own function", key, size, functionLinesMax)
			}
		case *ast.TypeSpec:
			if methods := methodCount(n); methods > interfaceMethodMax {
				t.Errorf("%s: interface %s has %d methods, limit %d: split it by user",
					f.path, n.Name.Name, methods, interfaceMethodMax)
			}
		}
		return true
	})
}

// longLines returns the numbers of the lines over the limit. A line that is one
// long address has no place to break.
func longLines(text []byte) []int {
	var long []int
	for i, line := range bytes.Split(text, []byte("\n")) {
		if utf8.RuneCount(line) > lineColumnsMax && !bytes.Contains(line, []byte("://")) {
			long = append(long, i+1)
		}
	}
	return long
}

// methodCount counts the methods of a declared interface, an embedded one as one.
func methodCount(spec *ast.TypeSpec) int {
	iface, ok := spec.Type.(*ast.InterfaceType)
	if !ok {
		return 0
	}
	n := 0
	for _, field := range iface.Methods.List {
		n += max(1, len(field.Names))
	}
	return n
}

// vague are package names that say nothing about what is inside.
var vague = []string{"util", "utils", "common", "helper", "helpers", "misc", "base", "lib", "shared", "types"}

// unfinished are words of code that is not done. Work to come is an issue, and a
// limit that stays is documented as a limit.
var unfinished = regexp.MustCompile(`\b(TODO|FIXME|XXX|HACK)\b|(?i)\b(for now|not implemented|placeholder)\b`)

func TestNamesAndComments(t *testing.T) {
	tr := loadTree(t)
	for _, p := range tr.packages {
		if slices.Contains(vague, path.Base(p.dir)) {
			t.Errorf("package %s: a helper lives with its one user; name the package by what it is", p.dir)
		}
		if p.dir == "" {
			continue
		}
		for _, f := range p.files {
			if f.generated {
				continue
			}
			for i, line := range bytes.Split(f.text, []byte("\n")) {
				if word := unfinished.Find(line); word != nil {
					t.Errorf("%s:%d says %q: finish it, or state the limit as one", f.path, i+1, word)
				}
			}
		}
	}
}

func TestSizeRulesSeeWhatTheyShould(t *testing.T) {
	wide := bytes.Repeat([]byte("x"), lineColumnsMax+1)
	if got := longLines(append([]byte("short\n"), wide...)); !slices.Equal(got, []int{2}) {
		t.Errorf("long lines %v, want [2]", got)
	}
	if got := longLines(append([]byte("// https://example.org/"), wide...)); got != nil {
		t.Errorf("an address counts as a long line: %v", got)
	}
	for line, want := range map[string]bool{
		"// TODO: later": true, "// good for now": true, "return errors.New(\"not implemented\")": true,
		"// the todo list of a group": false, "// for nowhere": false,
	} {
		if got := unfinished.MatchString(line); got != want {
			t.Errorf("%q unfinished %v, want %v", line, got, want)
		}
	}
}
