package filestore

import (
	"errors"
	"path"
	"slices"
	"strings"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/objectstore"
)

// List implements objectstore.Store. It reads the directories that can hold keys of this page, and no
// others, each once; a page therefore costs one listing of every directory on its way.
func (s *Store) List(sc *host.Scope, prefix, after string, limit int) ([]objectstore.Info, error) {
	if err := objectstore.CheckList(prefix, after, limit); err != nil {
		return nil, err
	}
	base := prefix[:strings.LastIndexByte(prefix, '/')+1]
	if base != "" && objectstore.CheckKey(base[:len(base)-1]) != nil {
		return nil, sc.Err() // no key begins like that
	}
	from, ok := below(after, base)
	if !ok {
		return nil, sc.Err()
	}
	w := walk{s: s, sc: sc, limit: limit}
	if err := w.dir(base, prefix[len(base):], from); err != nil {
		return nil, s.fail(objectstore.OpList, prefix, err)
	}
	return w.page, nil
}

// walk collects one page in key order.
type walk struct {
	s     *Store
	sc    *host.Scope
	limit int
	page  []objectstore.Info
}

// item is an entry of a directory by its part of the key: a directory's ends with a slash, which is what
// puts "a-b" before "a/b" as keys although "a" is listed before "a-b".
type item struct {
	name   string
	size   int64
	prefix string // what keys in this directory must begin with, relative to it
	after  string // what they must be greater than, relative to it
}

// dir adds the keys in directory base ("" or ending with a slash) that, without base, begin with prefix
// and are greater than after, until the page is full.
func (w *walk) dir(base, prefix, after string) error {
	if err := w.sc.Err(); err != nil {
		return err
	}
	entries, err := w.s.vol.List(w.s.objectPath(base))
	if err != nil {
		if errors.Is(err, host.ErrNotExist) || w.s.fileAbove(path.Join(base, "x")) != "" {
			return nil // deleted while we walked, or a prefix below an object
		}
		return err
	}
	for _, it := range wanted(entries, prefix, after) {
		if len(w.page) == w.limit {
			return nil
		}
		key := base + it.name
		if sub, isDir := strings.CutSuffix(key, "/"); isDir {
			if objectstore.CheckKey(sub) == nil {
				if err := w.dir(key, it.prefix, it.after); err != nil {
					return err
				}
			}
		} else if objectstore.CheckKey(key) == nil { // foreign files are none of our objects
			w.page = append(w.page, objectstore.Info{Key: key, Size: it.size})
		}
	}
	return nil
}

// wanted returns the entries that are, or may hold, keys with the prefix and greater than after, in the
// order of those keys.
func wanted(entries []host.Entry, prefix, after string) []item {
	var list []item
	for _, e := range entries {
		if !e.Dir {
			if strings.HasPrefix(e.Name, prefix) && e.Name > after {
				list = append(list, item{name: e.Name, size: e.Size})
			}
			continue
		}
		it := item{name: e.Name + "/"}
		if rest, inside := strings.CutPrefix(prefix, it.name); inside {
			it.prefix = rest
		} else if !strings.HasPrefix(it.name, prefix) {
			continue
		}
		var ok bool
		if it.after, ok = below(after, it.name); ok {
			list = append(list, it)
		}
	}
	slices.SortFunc(list, func(a, b item) int { return strings.Compare(a.name, b.name) })
	return list
}

// below returns what keys below dir must be greater than, relative to dir, to be greater than after; false
// if none is.
func below(after, dir string) (string, bool) {
	if rest, inside := strings.CutPrefix(after, dir); inside {
		return rest, true
	}
	return "", after < dir
}
