package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/objectstore"
)

func ranges(sc *host.Scope, _ host.Host, s objectstore.Store) error {
	for _, size := range [...]int{0, 1, 10, 5000, 1<<20 + 17} {
		p, key := content(size, size), fmt.Sprintf("r/%d", size)
		if err := put(sc, s, key, p); err != nil {
			return err
		}
		for _, off := range [...]int{0, 1, size / 2, size - 1, size, size + 1, -1, -size, -size - 1, 1 << 40} {
			for _, n := range [...]int{0, 1, size - off, size - off + 1, -off, size} {
				if n < 0 || n > size+1 {
					continue
				}
				if err := oneRange(sc, s, key, p, off, n); err != nil {
					return fmt.Errorf("object of %d bytes: %d bytes at %d: %w", size, n, off, err)
				}
			}
		}
	}
	return nil
}

// oneRange compares one GetRange with the same range of p.
func oneRange(sc *host.Scope, s objectstore.Store, key string, p []byte, off, n int) error {
	start := off
	valid := true
	if off < 0 {
		start = len(p) + off
		valid = n == -off
	}
	valid = valid && start >= 0 && start+n <= len(p)
	got := make([]byte, n)
	err := s.GetRange(sc, key, int64(off), got)
	switch {
	case !valid && !errors.Is(err, objectstore.ErrRange):
		return fmt.Errorf("got %v, want ErrRange", err)
	case valid && err != nil:
		return err
	case valid && !bytes.Equal(got, p[start:start+n]):
		return fmt.Errorf("got other bytes than were put")
	}
	return nil
}

// listKeys order differently as keys than as paths: '-' and ' ' sort before the slash, '0' after it.
var listKeys = [...]string{
	"a", "a b", "a-b/c", "a-b/c-d", "a.b", "a0", "b/1", "b/10/x", "b/10-x", "b/2", "b-", "b0/1/2/3/4",
	"ba/c", "ba/c0", "c/d/e/f", "c/d/e/g", "c/d-e", "c/d0", "c/d/e0", "d", "zz/z",
}

func list(sc *host.Scope, _ host.Host, s objectstore.Store) error {
	var all []objectstore.Info
	for i, key := range listKeys {
		if err := put(sc, s, key, content(i, i)); err != nil {
			return err
		}
		all = append(all, objectstore.Info{Key: key, Size: int64(i)})
	}
	slices.SortFunc(all, func(a, b objectstore.Info) int { return strings.Compare(a.Key, b.Key) })
	prefixes := []string{
		"", "a", "a-", "b", "b/", "b/1", "b/10", "b/10/", "b/10/x", "c/d", "c/d/", "c/d/e/", "a/x", "q", "zz/",
	}
	afters := []string{
		"", "a", "a-b", "a-b/c", "a-b/c-d", "b", "b/", "b/1", "b/10/x", "b/10/y", "b0", "c/d/e", "c/d/zz", "zz/z",
		"~",
	}
	for _, prefix := range prefixes {
		for _, after := range afters {
			for _, limit := range []int{1, 3, 1000} {
				if err := onePage(sc, s, all, prefix, after, limit); err != nil {
					return err
				}
			}
		}
	}
	_, err := s.List(sc, "", "", 0)
	return first(is("list with limit 0", err, objectstore.ErrTerminal), allPages(sc, s, all))
}

// onePage compares one List with the same page of all.
func onePage(
	sc *host.Scope, s objectstore.Store, all []objectstore.Info, prefix, after string, limit int,
) error {
	var want []objectstore.Info
	for _, info := range all {
		if strings.HasPrefix(info.Key, prefix) && info.Key > after && len(want) < limit {
			want = append(want, info)
		}
	}
	got, err := s.List(sc, prefix, after, limit)
	if err != nil {
		return fmt.Errorf("list prefix %q after %q limit %d: %w", prefix, after, limit, err)
	}
	if !slices.Equal(got, want) {
		return fmt.Errorf("list prefix %q after %q limit %d: got %v, want %v", prefix, after, limit, got, want)
	}
	return nil
}

// allPages walks everything by pages of every small size.
func allPages(sc *host.Scope, s objectstore.Store, all []objectstore.Info) error {
	for limit := 1; limit <= len(all)+1; limit++ {
		var got []objectstore.Info
		for after := ""; ; {
			page, err := s.List(sc, "", after, limit)
			if err != nil {
				return fmt.Errorf("list after %q: %w", after, err)
			}
			got = append(got, page...)
			if len(page) < limit {
				break
			}
			after = page[len(page)-1].Key
		}
		if !slices.Equal(got, all) {
			return fmt.Errorf("pages of %d: got %v, want %v", limit, got, all)
		}
	}
	return nil
}

func listAfterChanges(sc *host.Scope, _ host.Host, s objectstore.Store) error {
	var all []objectstore.Info
	for i := range 30 {
		key := fmt.Sprintf("%02d/%d", i%7, i)
		if err := put(sc, s, key, content(i, 1)); err != nil {
			return err
		}
		all = append(all, objectstore.Info{Key: key, Size: 1})
		if i%3 == 2 { // drop an earlier one
			if err := s.Delete(sc, all[0].Key); err != nil {
				return fmt.Errorf("delete %s: %w", all[0].Key, err)
			}
			all = all[1:]
		}
		slices.SortFunc(all, func(a, b objectstore.Info) int { return strings.Compare(a.Key, b.Key) })
		if err := onePage(sc, s, all, "", "", 100); err != nil {
			return fmt.Errorf("after change %d: %w", i, err)
		}
	}
	return nil
}
