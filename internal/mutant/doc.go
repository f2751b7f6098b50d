// Package mutant is the registry of planted bugs. Each is a wrong turn that this kind of system has taken
// before, here or elsewhere, behind a switch that is compiled in by the build tag "mutants" alone:
//
//	if mutant.On(mutant.AckBeforeSync) { … the bug … }
//
// Without the tag On is a constant false and the branch is gone. With it the environment variable WEIR_MUTANT
// names the one bug that is on in this process.
//
// A simulator that cannot find them proves nothing by finding nothing. `make mutants` runs each until an
// oracle outside the mutated package finds it, and fails if one is not found.
//
// Concurrency: On may be called from anywhere; what is on never changes in a process.
package mutant
