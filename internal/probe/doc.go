// Package probe counts how often rare things happen. A point stands in the code where something happens that
// few runs reach: a torn tail, a superblock slot that does not check, a duplicate that waits. The simulator
// prints the points that no seed reached: code there is untested, however many seeds passed.
//
// It is not an assertion (internal/invariant) and not a metric: nothing decides by it. A point costs one
// atomic addition and is on in production, so it stands where rare things happen, never on the path of every
// record.
//
// Points are defined in this package, one file for each package that hits them, so that the list of all of
// them is complete before anything has run.
//
// Concurrency: everything may be called from anywhere.
package probe
