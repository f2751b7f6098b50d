package weir_test

import (
	"path"
	"strings"
	"testing"
)

// packageDocMin is the least text, in bytes, that can say what a package is, what
// it is not and what its users must know about concurrency.
const packageDocMin = 200

// TestPackageDocs: every package has exactly one package comment, it reaches
// `go doc` (no blank line before the package clause) and it has substance.
func TestPackageDocs(t *testing.T) {
	tr := loadTree(t)
	for _, p := range tr.packages {
		var docs []*sourceFile
		name := ""
		for _, f := range p.files {
			if f.test || f.generated {
				continue
			}
			name = f.ast.Name.Name
			if f.ast.Doc != nil {
				docs = append(docs, f)
			}
		}
		if name == "" {
			continue // tests only
		}
		if len(docs) != 1 {
			t.Errorf("package %s has %d package comments, want one, in doc.go, above the clause", p.dir, len(docs))
			continue
		}
		if why := judgePackageDoc(p.dir, name, docs[0].ast.Doc.Text()); why != "" {
			t.Errorf("%s: %s", docs[0].path, why)
		}
		if file := path.Base(docs[0].path); file != "doc.go" && name != "main" {
			t.Errorf("%s holds the package comment: move it to doc.go, where people look", docs[0].path)
		}
	}
}

func judgePackageDoc(dir, name, doc string) string {
	start := "Package " + name + " "
	if name == "main" {
		start = "Command " + path.Base(dir) + " "
	}
	if !strings.HasPrefix(doc, start) {
		return "the package comment must start with \"" + start + "\""
	}
	if len(doc) < packageDocMin {
		return "the package comment must say what the package is, what it is not, and who may call it concurrently"
	}
	return ""
}

func TestThinPackageDocsAreRefused(t *testing.T) {
	long := strings.Repeat("It explains. ", 20)
	for _, c := range []struct {
		dir, name, doc string
		refused        bool
	}{
		{"wal", "wal", "Package wal is a log. " + long, false},
		{"wal", "wal", "Package wal is a log.", true},
		{"wal", "wal", "The log. " + long, true},
		{"cmd/weir", "main", "Command weir runs. " + long, false},
		{"cmd/weir", "main", "Package main runs. " + long, true},
	} {
		if why := judgePackageDoc(c.dir, c.name, c.doc); (why != "") != c.refused {
			t.Errorf("%s %q…: refused %q, want refused %v", c.dir, c.doc[:20], why, c.refused)
		}
	}
}
