package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// noticeEvery is how often the notice file is looked for: a notice comes minutes before the end.
const noticeEvery = 250 * time.Millisecond

// noticed is what a notice does.
type noticed struct {
	seen  <-chan struct{} // nil: none comes
	drain time.Duration
}

// watchNotice returns a channel that is closed when the file appears; nil for "". A file that is there already is
// refused: it is of an earlier notice, or the machine goes away before the node has begun.
func watchNotice(file string) (<-chan struct{}, error) {
	if file == "" {
		return nil, nil
	}
	switch _, err := os.Stat(file); {
	case err == nil:
		return nil, fmt.Errorf("--notice-file %s is there already; remove it to start", file)
	case !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("--notice-file: %w", err)
	}
	seen := make(chan struct{})
	go func() {
		for range time.Tick(noticeEvery) {
			if _, err := os.Stat(file); err == nil {
				close(seen)
				return
			}
		}
	}()
	return seen, nil
}
