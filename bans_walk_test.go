package weir_test

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strconv"
	"strings"
)

// finding is one place where code does what a ban forbids.
type finding struct {
	at     token.Position
	ban    ban
	detail string
}

func (f finding) String() string {
	return fmt.Sprintf("%s: %s (%s): instead: %s", f.at, f.ban.what, f.detail, f.ban.instead)
}

// banWalk collects the findings of one file.
type banWalk struct {
	fset  *token.FileSet
	info  *types.Info
	found []finding

	sorted map[ast.Node]bool // calls that stand as the argument of a sorting call
	nested map[ast.Node]bool // ranges that were judged with the range around them
	init   bool              // inside func init
}

// findBanned returns every banned thing in the file, in source order.
func findBanned(fset *token.FileSet, info *types.Info, file *ast.File) []finding {
	w := &banWalk{fset: fset, info: info, sorted: map[ast.Node]bool{}, nested: map[ast.Node]bool{}}
	for _, spec := range file.Imports {
		w.importSpec(spec)
	}
	for _, decl := range file.Decls {
		fn, ok := decl.(*ast.FuncDecl)
		w.init = ok && fn.Recv == nil && fn.Name.Name == "init"
		ast.Inspect(decl, func(n ast.Node) bool { w.node(n); return true })
	}
	return w.found
}

func (w *banWalk) add(at ast.Node, b ban, format string, args ...any) {
	w.found = append(w.found, finding{w.fset.Position(at.Pos()), b, fmt.Sprintf(format, args...)})
}

func (w *banWalk) importSpec(spec *ast.ImportSpec) {
	target, err := strconv.Unquote(spec.Path.Value)
	if err != nil || slices.Contains(allowedImports, target) {
		return
	}
	if b, ok := bannedImports[target]; ok {
		w.add(spec, b, "import %q", target)
		return
	}
	for _, library := range []string{"net", "os", "golang.org/x/sys"} {
		if within(target, library) {
			w.add(spec, bannedImports[library], "import %q", target)
		}
	}
}

func (w *banWalk) node(n ast.Node) {
	switch n := n.(type) {
	case *ast.GoStmt:
		w.add(n, banGo, "go")
	case *ast.ChanType:
		w.add(n, banChan, "chan type")
	case *ast.SendStmt:
		w.add(n, banChan, "send")
	case *ast.UnaryExpr:
		w.unary(n)
	case *ast.SelectStmt:
		w.add(n, banSelect, "select")
	case *ast.Ident:
		w.ident(n)
	case *ast.SelectorExpr:
		w.method(n)
	case *ast.CallExpr:
		w.call(n)
	case *ast.AssignStmt:
		for _, lhs := range n.Lhs {
			w.write(lhs)
		}
	case *ast.IncDecStmt:
		w.write(n.X)
	case *ast.BlockStmt:
		w.block(n.List)
	case *ast.CaseClause:
		w.block(n.Body)
	case *ast.RangeStmt:
		if n.Tok == token.ASSIGN {
			w.write(n.Key)
			w.write(n.Value)
		}
		if w.isChan(n.X) {
			w.add(n, banChan, "range over a channel")
		}
	}
}

func (w *banWalk) unary(n *ast.UnaryExpr) {
	switch n.Op {
	case token.ARROW:
		w.add(n, banChan, "receive")
	case token.AND:
		if v := w.global(n.X); v != nil && !w.init && mutable(v) {
			w.add(n, banGlobal, "address of %s", v.Name())
		}
	}
}

func (w *banWalk) isChan(e ast.Expr) bool {
	t := w.info.TypeOf(e)
	if t == nil {
		return false
	}
	_, ok := t.Underlying().(*types.Chan)
	return ok
}

// ident judges the use of a name of another package, and of the builtin recover.
func (w *banWalk) ident(id *ast.Ident) {
	obj := w.info.Uses[id]
	if b, ok := obj.(*types.Builtin); ok && b.Name() == "recover" {
		w.add(id, banRecover, "recover")
		return
	}
	if obj == nil || obj.Pkg() == nil || obj.Parent() != obj.Pkg().Scope() {
		return // a method, a field or a local name
	}
	pkg, name := obj.Pkg().Path(), obj.Name()
	if b, ok := bannedNames[pkg][name]; ok {
		w.add(id, b, "%s.%s", pkg, name)
	}
	if pkg == "runtime" && !slices.Contains(allowedRuntime, name) {
		w.add(id, banRuntime, "runtime.%s", name)
	}
	if pkg == "math/rand/v2" && !slices.Contains(allowedRand, name) {
		w.add(id, banRand, "math/rand/v2.%s", name)
	}
}

// method judges calls on package-level variables and on reflect.Value.
func (w *banWalk) method(sel *ast.SelectorExpr) {
	s := w.info.Selections[sel]
	if s == nil || s.Kind() != types.MethodVal {
		return
	}
	fn := s.Obj().(*types.Func)
	if fn.Pkg() != nil && fn.Pkg().Path() == "reflect" && (fn.Name() == "MapRange" || fn.Name() == "MapKeys") {
		w.add(sel, banReflect, "reflect.Value.%s", fn.Name())
	}
	_, pointer := fn.Signature().Recv().Type().(*types.Pointer)
	_, held := s.Recv().Underlying().(*types.Pointer)
	if v := w.global(sel.X); v != nil && pointer && !held && !w.init {
		w.add(sel, banGlobal, "%s.%s changes it in place", v.Name(), fn.Name())
	}
}

func (w *banWalk) call(call *ast.CallExpr) {
	if id, ok := ast.Unparen(call.Fun).(*ast.Ident); ok {
		if b, ok := w.info.Uses[id].(*types.Builtin); ok && len(call.Args) > 0 {
			switch b.Name() {
			case "delete", "clear":
				w.write(call.Args[0])
			}
		}
	}
	pkg, name := w.callee(call)
	switch {
	case pkg == "slices" && strings.HasPrefix(name, "Sorted") && len(call.Args) > 0:
		w.sorted[call.Args[0]] = true
	case pkg == "maps" && slices.Contains([]string{"Keys", "Values", "All"}, name) && !w.sorted[call]:
		w.add(call, banKeys, "maps.%s", name)
	case pkg == "maps" && name == "DeleteFunc":
		w.add(call, banKeys, "maps.DeleteFunc calls in random order")
	}
}

// callee names the package-level function that is called, or returns "".
func (w *banWalk) callee(call *ast.CallExpr) (pkg, name string) {
	fun := ast.Unparen(call.Fun)
	if index, ok := fun.(*ast.IndexExpr); ok {
		fun = index.X
	}
	sel, ok := fun.(*ast.SelectorExpr)
	if !ok {
		return "", ""
	}
	fn, ok := w.info.Uses[sel.Sel].(*types.Func)
	if !ok || fn.Pkg() == nil || fn.Signature().Recv() != nil {
		return "", ""
	}
	return fn.Pkg().Path(), fn.Name()
}

// write judges a place that is assigned to.
func (w *banWalk) write(lhs ast.Expr) {
	if lhs == nil || w.init {
		return
	}
	if v := w.global(lhs); v != nil {
		w.add(lhs, banGlobal, "%s", v.Name())
	}
}

// global returns the package-level variable that expr is, or is a part of.
func (w *banWalk) global(expr ast.Expr) *types.Var {
	for {
		switch e := ast.Unparen(expr).(type) {
		case *ast.Ident:
			return packageVar(w.info.Uses[e])
		case *ast.SelectorExpr:
			if v := packageVar(w.info.Uses[e.Sel]); v != nil {
				return v
			}
			expr = e.X
		case *ast.IndexExpr:
			expr = e.X
		case *ast.StarExpr:
			expr = e.X
		default:
			return nil
		}
	}
}

func packageVar(obj types.Object) *types.Var {
	v, ok := obj.(*types.Var)
	if !ok || v.IsField() || v.Pkg() == nil || v.Parent() != v.Pkg().Scope() {
		return nil
	}
	return v
}

// mutable tells whether a pointer to v lets somebody change it. Everything but a
// struct without fields does.
func mutable(v *types.Var) bool {
	s, ok := v.Type().Underlying().(*types.Struct)
	return !ok || s.NumFields() > 0
}
