package broker

import (
	"slices"

	"github.com/weirmq/weir/host"
)

// keyring issues the sequences of this broker epoch's object keys, to the engines of all WALs that the broker holds.
// Giving a key up in metadata does so with all below it (RaiseLow), and those may be on their way elsewhere: then it
// is put off until the outcome of theirs is known.
type keyring struct {
	mu   host.Mutex // guards the fields below
	next uint64     // sequences are never reused within an epoch
	out  []issued   // with no outcome yet, ascending
	gave uint64     // behind the highest that was given up
	low  uint64     // as metadata has it
}

type issued struct {
	seq uint64
	to  *catalog
}

func (k *keyring) init(h host.Host) { k.mu.Init(h) }

// take issues a sequence to c.
func (k *keyring) take(c *catalog) uint64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	seq := k.next
	k.next++
	k.out = append(k.out, issued{seq, c})
	return seq
}

// settle notes that seq is committed. It returns what metadata's low sequence is to be raised to, 0 if to nothing.
func (k *keyring) settle(seq uint64) uint64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.out = slices.DeleteFunc(k.out, func(x issued) bool { return x.seq == seq })
	return k.due()
}

// giveUp notes that seq will not be committed, and returns what settle does.
func (k *keyring) giveUp(seq uint64) uint64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.out = slices.DeleteFunc(k.out, func(x issued) bool { return x.seq == seq })
	k.gave = max(k.gave, seq+1)
	return k.due()
}

// leave gives up all that c has not committed, and returns what settle does.
func (k *keyring) leave(c *catalog) uint64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.out = slices.DeleteFunc(k.out, func(x issued) bool {
		if x.to == c {
			k.gave = max(k.gave, x.seq+1)
		}
		return x.to == c
	})
	return k.due()
}

// due is what the low sequence may be raised to: below the first key on its way. Called with k.mu held.
func (k *keyring) due() uint64 {
	low := k.gave
	if len(k.out) > 0 {
		low = min(low, k.out[0].seq)
	}
	if low <= k.low {
		return 0
	}
	return low
}

// raised notes what metadata has now.
func (k *keyring) raised(low uint64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.low = max(k.low, low)
}
