// Package weir_test holds the rules of this repository as tests over its own
// source: who may import whom (arrows), what code that must run under a seed may
// not call (bans), what every package explains (package docs) and how large
// things may grow (sizes). Each failure says what to do instead.
package weir_test

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/build"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

const modulePath = "github.com/weirmq/weir"

// sourceFile is one parsed Go file of this module.
type sourceFile struct {
	path      string // from the repository's root, with slashes
	ast       *ast.File
	text      []byte
	test      bool // its name ends in _test.go
	generated bool // carries the "Code generated … DO NOT EDIT." line
	built     bool // belongs to the build of this machine
}

// sourcePackage is one folder with Go files in it.
type sourcePackage struct {
	dir   string // from the repository's root; "" is the root itself
	files []*sourceFile
}

// sourceTree is every package of this module, in the order of their folders.
type sourceTree struct {
	fset     *token.FileSet
	packages []*sourcePackage
}

// tree parses the repository once for all root tests. It is read-only after that.
var tree = sync.OnceValues(func() (*sourceTree, error) { return parseTree(".") })

func loadTree(t *testing.T) *sourceTree {
	t.Helper()
	tr, err := tree()
	if err != nil {
		t.Fatal(err)
	}
	if len(tr.packages) < 3 {
		t.Fatalf("found only %d packages: the rules would hold for want of code", len(tr.packages))
	}
	return tr
}

func parseTree(root string) (*sourceTree, error) {
	tr := &sourceTree{fset: token.NewFileSet()}
	byDir := map[string]*sourcePackage{}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		if d.IsDir() {
			return enterFolder(name, d.Name())
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		f, err := parseFile(tr.fset, name)
		if err != nil {
			return err
		}
		dir := strings.TrimPrefix(path.Dir(name), ".")
		if byDir[dir] == nil {
			byDir[dir] = &sourcePackage{dir: dir}
			tr.packages = append(tr.packages, byDir[dir])
		}
		byDir[dir].files = append(byDir[dir].files, f)
		return nil
	})
	slices.SortFunc(tr.packages, func(a, b *sourcePackage) int { return strings.Compare(a.dir, b.dir) })
	return tr, err
}

// enterFolder skips what is not source of this module: hidden folders, test data,
// what building and running leave behind, and folders that are modules of their own.
func enterFolder(name, base string) error {
	if name == "." {
		return nil
	}
	if strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") || base == "testdata" ||
		name == "weir-data" || name == "bin" {
		return fs.SkipDir
	}
	if _, err := os.Stat(filepath.Join(name, "go.mod")); err == nil {
		return fs.SkipDir
	}
	return nil
}

func parseFile(fset *token.FileSet, name string) (*sourceFile, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	parsed, err := parser.ParseFile(fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	built, err := build.Default.MatchFile(filepath.Dir(name), filepath.Base(name))
	return &sourceFile{
		path:      name,
		ast:       parsed,
		text:      text,
		test:      strings.HasSuffix(name, "_test.go"),
		generated: ast.IsGenerated(parsed),
		built:     built,
	}, err
}

// exports maps an import path to the file that holds its compiled types.
var exports = sync.OnceValues(func() (map[string]string, error) {
	args := []string{"list", "-e", "-export", "-deps", "-json=ImportPath,Export", "./..."}
	cmd := exec.Command("go", append(args, plantedImports...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	files := map[string]string{}
	for dec := json.NewDecoder(out); ; {
		var p struct{ ImportPath, Export string }
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
		files[p.ImportPath] = p.Export
	}
	return files, cmd.Wait()
})

// typeCheck resolves every name in the given files of one package. Imports come
// from the compiler's export data, so only the files themselves are checked.
func typeCheck(fset *token.FileSet, importPath string, files []*ast.File) (*types.Info, error) {
	compiled, err := exports()
	if err != nil {
		return nil, err
	}
	open := func(path string) (io.ReadCloser, error) {
		if compiled[path] == "" {
			return nil, errors.New("no export data for " + path + ": does it compile?")
		}
		return os.Open(compiled[path])
	}
	info := &types.Info{
		Types:      map[ast.Expr]types.TypeAndValue{},
		Defs:       map[*ast.Ident]types.Object{},
		Uses:       map[*ast.Ident]types.Object{},
		Selections: map[*ast.SelectorExpr]*types.Selection{},
	}
	config := types.Config{Importer: importer.ForCompiler(fset, "gc", open)}
	_, err = config.Check(importPath, fset, files, info)
	return info, err
}

// production returns the files that the build of this machine compiles, without
// tests and generated code.
func (p *sourcePackage) production() []*sourceFile {
	var out []*sourceFile
	for _, f := range p.files {
		if !f.test && !f.generated && f.built {
			out = append(out, f)
		}
	}
	return out
}

// importPath is what other packages write to import p.
func (p *sourcePackage) importPath() string { return path.Join(modulePath, p.dir) }
