package weir_test

import (
	"go/ast"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	markdownLink = regexp.MustCompile(`\]\(([^)#]+)(#[^)]*)?\)`)
	glossaryName = regexp.MustCompile("\\| `([a-z]+)\\.([A-Z]\\w+)` \\|$")
)

// TestLinksInDocumentsLead: every relative link of every document leads to a file.
func TestLinksInDocumentsLead(t *testing.T) {
	seen := 0
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			return enterFolder(filepath.ToSlash(name), d.Name())
		}
		if !strings.HasSuffix(name, ".md") {
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		for _, link := range markdownLink.FindAllStringSubmatch(string(text), -1) {
			if strings.Contains(link[1], "://") {
				continue
			}
			seen++
			if _, err := os.Stat(filepath.Join(filepath.Dir(name), link[1])); err != nil {
				t.Errorf("%s links to %s: no such file", name, link[1])
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen < 5 {
		t.Errorf("found only %d links", seen)
	}
}

// TestGlossaryNamesExist: a term's Go name is one that the package has.
func TestGlossaryNamesExist(t *testing.T) {
	tr := loadTree(t)
	declared := map[string]bool{}
	for _, p := range tr.packages {
		for _, f := range p.files {
			if f.test {
				continue
			}
			for _, name := range exportedNames(f.ast) {
				declared[f.ast.Name.Name+"."+name] = true
			}
		}
	}
	text, err := os.ReadFile("docs/glossary.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for i, line := range strings.Split(string(text), "\n") {
		if m := glossaryName.FindStringSubmatch(line); m != nil {
			seen++
			if !declared[m[1]+"."+m[2]] {
				t.Errorf("docs/glossary.md:%d: there is no %s.%s", i+1, m[1], m[2])
			}
		}
	}
	if seen < 20 {
		t.Errorf("found only %d names", seen)
	}
}

func exportedNames(file *ast.File) []string {
	var names []string
	for _, decl := range file.Decls {
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			if decl.Recv == nil {
				names = append(names, decl.Name.Name)
			}
		case *ast.GenDecl:
			if decl.Tok == token.IMPORT {
				continue
			}
			for _, spec := range decl.Specs {
				switch spec := spec.(type) {
				case *ast.TypeSpec:
					names = append(names, spec.Name.Name)
				case *ast.ValueSpec:
					for _, name := range spec.Names {
						names = append(names, name.Name)
					}
				}
			}
		}
	}
	return names
}
