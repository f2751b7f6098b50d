package sim

import (
	crand "crypto/rand"
	"math/rand/v2"
)

// seededReader stands in for crypto/rand.Reader while a world runs: etcd raft draws its election timeouts
// from that variable and offers no other way to seed them.
type seededReader struct{ r *rand.Rand }

// Read implements io.Reader.
func (s seededReader) Read(p []byte) (int, error) {
	fillRandom(s.r, p)
	return len(p), nil
}

// enter takes the process-wide state a running world needs and returns the function that gives it back.
// The variable is one for the process, so one world runs at a time.
func (w *World) enter() (leave func()) {
	stop := func() {}
	if w.cfg.Watch != nil {
		stop = w.cfg.Watch(&w.pulse)
	}
	w.routines.begin(w)
	if w.cfg.KeepCryptoRand {
		return stop
	}
	before := crand.Reader
	if _, taken := before.(seededReader); taken {
		panic("sim: another world runs in this process and owns crypto/rand.Reader; " +
			"run worlds one after the other or set Config.KeepCryptoRand")
	}
	crand.Reader = seededReader{w.crypto}
	return func() {
		crand.Reader = before
		stop()
	}
}
