//go:build !race

package stream_test

// raceDetector says that the race detector is on, which allocates by itself.
const raceDetector = false
