package check

import "github.com/anishathalye/porcupine"

// searchMemory bounds one search, in bytes of what it remembers: each state that it reached with the operations that
// led there. It is no time: what is decided must not depend on how busy the machine is.
const searchMemory = 256 << 20

// tooMany is said of a search that met its bound.
const tooMany = "more orders are possible than can be searched"

// search is porcupine with that bound: beyond it nothing is allowed any more, so that the search comes to its end, and
// the answer is Unknown.
func search(model porcupine.Model, ops []porcupine.Operation) porcupine.CheckResult {
	b := bound(&model, len(ops))
	return b.judge(porcupine.CheckOperationsTimeout(model, ops, 0))
}

// searchVerbose is search that keeps what is needed to draw what was found.
func searchVerbose(model porcupine.Model, ops []porcupine.Operation) (
	porcupine.CheckResult, porcupine.LinearizationInfo,
) {
	b := bound(&model, len(ops))
	result, info := porcupine.CheckOperationsVerbose(model, ops, 0)
	return b.judge(result), info
}

// searchBound counts what a search may still do.
type searchBound struct {
	left int
	over bool
}

// bound makes the model of a search of n operations count.
func bound(model *porcupine.Model, n int) *searchBound {
	const entry = 150 // bytes of an entry of the cache, beside its set of operations
	b := &searchBound{left: searchMemory / (entry + n/8)}
	step := model.Step
	model.Step = func(state, input, output any) (bool, any) {
		if b.over {
			return false, state
		}
		ok, next := step(state, input, output)
		if ok {
			b.left--
			b.over = b.left < 0
		}
		return ok, next
	}
	return b
}

func (b *searchBound) judge(r porcupine.CheckResult) porcupine.CheckResult {
	if b.over && r == porcupine.Illegal {
		return porcupine.Unknown
	}
	return r
}
