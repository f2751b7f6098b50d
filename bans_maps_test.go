package weir_test

import (
	"go/ast"
	"go/token"
	"go/types"
	"strings"
)

// block looks for ranges over maps among the statements of one block. A range is
// fine when no order of its steps can be told from another afterwards: its body
// counts, deletes, copies by key, or fills a slice that is sorted next.
func (w *banWalk) block(list []ast.Stmt) {
	for i, stmt := range list {
		if labeled, ok := stmt.(*ast.LabeledStmt); ok {
			stmt = labeled.Stmt
		}
		loop, ok := stmt.(*ast.RangeStmt)
		if !ok || !w.isMap(loop.X) || w.nested[loop] {
			continue
		}
		b := mapBody{w: w, loop: loop}
		if at, why := b.judge(); at != nil {
			w.add(at, banMap, "%s", why)
			continue
		}
		for _, slice := range b.filled {
			if !w.sortedNext(slice, list[i+1:]) {
				w.add(loop, banMap, "%s is filled but not sorted next", slice.Name())
			}
		}
	}
}

func (w *banWalk) isMap(e ast.Expr) bool {
	t := w.info.TypeOf(e)
	if t == nil {
		return false
	}
	_, ok := t.Underlying().(*types.Map)
	return ok
}

// sortedNext tells whether the first statement that mentions the slice sorts it.
func (w *banWalk) sortedNext(slice types.Object, rest []ast.Stmt) bool {
	for _, stmt := range rest {
		if !w.mentions(stmt, slice) {
			continue
		}
		sorts := false
		ast.Inspect(stmt, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			pkg, name := w.callee(call)
			sorting := pkg == "slices" && strings.HasPrefix(name, "Sort") || pkg == "sort"
			if sorting && len(call.Args) > 0 && w.object(call.Args[0]) == slice {
				sorts = true
			}
			return true
		})
		return sorts
	}
	return false
}

func (w *banWalk) mentions(n ast.Node, obj types.Object) bool {
	found := false
	ast.Inspect(n, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok && w.info.Uses[id] == obj {
			found = true
		}
		return !found
	})
	return found
}

// object is the variable or field that an expression names, or nil.
func (w *banWalk) object(e ast.Expr) types.Object {
	switch e := ast.Unparen(e).(type) {
	case *ast.Ident:
		if def := w.info.Defs[e]; def != nil {
			return def
		}
		return w.info.Uses[e]
	case *ast.SelectorExpr:
		return w.info.Uses[e.Sel]
	}
	return nil
}

// mapBody judges the body of one range over a map.
type mapBody struct {
	w       *banWalk
	loop    *ast.RangeStmt
	filled  []types.Object // slices appended to, which must be sorted next
	effects bool           // something outlives the loop
	returns ast.Stmt       // a return of a constant, fine only without effects
}

// judge returns the first statement whose effect depends on the order, and why.
func (b *mapBody) judge() (ast.Node, string) {
	at, why := b.list(b.loop.Body.List)
	if at == nil && b.returns != nil && b.effects {
		return b.returns, "returns between effects"
	}
	return at, why
}

func (b *mapBody) list(stmts []ast.Stmt) (ast.Node, string) {
	for _, s := range stmts {
		if at, why := b.stmt(s); at != nil {
			return at, why
		}
	}
	return nil, ""
}

func (b *mapBody) stmt(s ast.Stmt) (ast.Node, string) {
	switch s := s.(type) {
	case nil, *ast.EmptyStmt, *ast.DeclStmt:
		return nil, ""
	case *ast.IncDecStmt:
		b.effects = b.effects || !b.local(s.X)
		return nil, ""
	case *ast.BlockStmt:
		return b.list(s.List)
	case *ast.IfStmt:
		return b.ifStmt(s)
	case *ast.RangeStmt:
		b.w.nested[s] = true
		return b.list(s.Body.List)
	case *ast.BranchStmt:
		if s.Tok == token.CONTINUE {
			return nil, ""
		}
		return s, s.Tok.String() + " stops at whichever key comes first"
	case *ast.ReturnStmt:
		return b.returnStmt(s)
	case *ast.AssignStmt:
		return b.assign(s)
	case *ast.ExprStmt:
		if call, ok := s.X.(*ast.CallExpr); ok && b.builtin(call, "delete", "clear") {
			b.effects = true
			return nil, ""
		}
	}
	return s, "its body does more than count, delete or fill a slice"
}

func (b *mapBody) ifStmt(s *ast.IfStmt) (ast.Node, string) {
	if at, why := b.stmt(s.Init); at != nil {
		return at, why
	}
	if at, why := b.list(s.Body.List); at != nil {
		return at, why
	}
	return b.stmt(s.Else)
}

// returnStmt: "is there any" may return a constant, since every order finds it.
func (b *mapBody) returnStmt(s *ast.ReturnStmt) (ast.Node, string) {
	for _, r := range s.Results {
		tv := b.w.info.Types[r]
		if tv.Value == nil && !tv.IsNil() {
			return s, "returns whichever key comes first"
		}
	}
	b.returns = s
	return nil, ""
}

func (b *mapBody) assign(s *ast.AssignStmt) (ast.Node, string) {
	if s.Tok == token.DEFINE {
		return nil, ""
	}
	if s.Tok != token.ASSIGN {
		if b.commutes(s) || b.local(s.Lhs[0]) {
			b.effects = b.effects || !b.local(s.Lhs[0])
			return nil, ""
		}
		return s, "the sum of anything but integers depends on the order"
	}
	for i, lhs := range s.Lhs {
		if b.local(lhs) {
			continue
		}
		b.effects = true
		if len(s.Lhs) != len(s.Rhs) || !b.unordered(lhs, s.Rhs[i]) {
			return s, "the last key to come wins"
		}
	}
	return nil, ""
}

// unordered: writes that give the same result in any order.
func (b *mapBody) unordered(lhs, rhs ast.Expr) bool {
	if tv := b.w.info.Types[rhs]; tv.Value != nil || tv.IsNil() {
		return true // a constant, set by whichever key
	}
	if index, ok := ast.Unparen(lhs).(*ast.IndexExpr); ok {
		key := b.w.object(index.Index)
		return key != nil && b.loop.Key != nil && key == b.w.object(b.loop.Key)
	}
	call, ok := ast.Unparen(rhs).(*ast.CallExpr)
	if !ok || len(call.Args) == 0 {
		return false
	}
	target := b.w.object(lhs)
	if target == nil {
		return false
	}
	if b.builtin(call, "append") && b.w.object(call.Args[0]) == target {
		b.filled = append(b.filled, target)
		return true
	}
	if b.builtin(call, "max", "min") {
		return b.w.object(call.Args[0]) == target || b.w.object(call.Args[len(call.Args)-1]) == target
	}
	return false
}

func (b *mapBody) builtin(call *ast.CallExpr, names ...string) bool {
	id, ok := ast.Unparen(call.Fun).(*ast.Ident)
	if !ok {
		return false
	}
	builtin, ok := b.w.info.Uses[id].(*types.Builtin)
	for _, name := range names {
		if ok && builtin.Name() == name {
			return true
		}
	}
	return false
}

// commutes: integer +=, -=, |=, &=, ^= give the same result in any order.
func (b *mapBody) commutes(s *ast.AssignStmt) bool {
	switch s.Tok {
	case token.ADD_ASSIGN, token.SUB_ASSIGN, token.OR_ASSIGN, token.AND_ASSIGN, token.XOR_ASSIGN:
	default:
		return false
	}
	t := b.w.info.TypeOf(s.Lhs[0])
	if t == nil {
		return false
	}
	basic, ok := t.Underlying().(*types.Basic)
	return ok && basic.Info()&types.IsInteger != 0
}

// local tells whether the place lives and dies within one step of the loop.
func (b *mapBody) local(e ast.Expr) bool {
	id, ok := ast.Unparen(e).(*ast.Ident)
	if !ok {
		return false
	}
	if id.Name == "_" {
		return true
	}
	obj := b.w.object(id)
	return obj != nil && b.loop.Body.Pos() <= obj.Pos() && obj.Pos() < b.loop.Body.End()
}
