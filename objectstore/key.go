package objectstore

import (
	"fmt"
	"strings"
)

// MaxKey is the longest key in bytes, and MaxKeyPart the longest part between slashes (a file name).
const (
	MaxKey     = 512
	MaxKeyPart = 200
)

// CheckKey returns nil if every store accepts key, else an error that wraps ErrBadKey. A key is 1 to MaxKey
// bytes of printable ASCII without backslash: non-empty parts of at most MaxKeyPart bytes, separated by
// single slashes, none of them beginning with a dot (which also keeps out "." and "..").
//
// A key must not continue another one below a slash: where "a" is an object, "a/b" cannot be. A file store
// and several S3 servers cannot hold both; whether a store refuses it is its own affair.
func CheckKey(key string) error {
	if key == "" || len(key) > MaxKey {
		return fmt.Errorf("%w: %d bytes long, must be 1 to %d", ErrBadKey, len(key), MaxKey)
	}
	for i := 0; i < len(key); i++ {
		if c := key[i]; c < 0x20 || c > 0x7e || c == '\\' {
			return fmt.Errorf("%w %q: byte %#02x at %d is not allowed", ErrBadKey, key, c, i)
		}
	}
	for rest, more := key, true; more; {
		var part string
		part, rest, more = strings.Cut(rest, "/")
		switch {
		case part == "":
			return fmt.Errorf("%w %q: it has an empty part", ErrBadKey, key)
		case part[0] == '.':
			return fmt.Errorf("%w %q: its part %q begins with a dot", ErrBadKey, key, part)
		case len(part) > MaxKeyPart:
			return fmt.Errorf("%w: its part %.32q… is %d bytes long, at most %d are allowed",
				ErrBadKey, part, len(part), MaxKeyPart)
		}
	}
	return nil
}

// CheckList returns nil if the arguments of a List call make sense, else a terminal error.
func CheckList(prefix, after string, limit int) error {
	if limit <= 0 {
		return Terminal(fmt.Errorf("objectstore: list of at most %d objects, must be positive", limit))
	}
	if len(prefix) > MaxKey || len(after) > MaxKey {
		return fmt.Errorf("list: %w: prefix of %d and start of %d bytes, at most %d are allowed",
			ErrBadKey, len(prefix), len(after), MaxKey)
	}
	return nil
}
