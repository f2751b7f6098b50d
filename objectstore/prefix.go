package objectstore

import (
	"fmt"
	"strings"

	"github.com/weirmq/weir/host"
)

// MaxPrefix is the longest prefix WithPrefix takes, in bytes. Key and prefix together stay within MaxKey.
const MaxPrefix = 128

// WithPrefix returns the part of store below prefix + "/", so that several clusters or other programs can
// share a bucket. The prefix is a key itself (see CheckKey); "" and surrounding slashes mean nothing.
func WithPrefix(store Store, prefix string) (Store, error) {
	prefix = strings.Trim(prefix, "/")
	if prefix == "" {
		return store, nil
	}
	if err := CheckKey(prefix); err != nil {
		return nil, fmt.Errorf("use prefix: %w", err)
	}
	if len(prefix) > MaxPrefix {
		return nil, fmt.Errorf("use prefix: %w: %d bytes long, more than %d", ErrBadKey, len(prefix), MaxPrefix)
	}
	return &prefixed{store: store, prefix: prefix + "/"}, nil
}

type prefixed struct {
	store  Store
	prefix string // ends with a slash
}

func (s *prefixed) Put(sc *host.Scope, key string, body Body) error {
	if err := CheckKey(key); err != nil {
		return err
	}
	return s.store.Put(sc, s.prefix+key, body)
}

func (s *prefixed) PutIfAbsent(sc *host.Scope, key string, body Body) error {
	if err := CheckKey(key); err != nil {
		return err
	}
	return s.store.PutIfAbsent(sc, s.prefix+key, body)
}

func (s *prefixed) GetRange(sc *host.Scope, key string, off int64, dst []byte) error {
	if err := CheckKey(key); err != nil {
		return err
	}
	return s.store.GetRange(sc, s.prefix+key, off, dst)
}

func (s *prefixed) Head(sc *host.Scope, key string) (Info, error) {
	if err := CheckKey(key); err != nil {
		return Info{}, err
	}
	info, err := s.store.Head(sc, s.prefix+key)
	info.Key = key
	return info, err
}

func (s *prefixed) List(sc *host.Scope, prefix, after string, limit int) ([]Info, error) {
	if after != "" {
		after = s.prefix + after
	}
	page, err := s.store.List(sc, s.prefix+prefix, after, limit)
	for i := range page {
		page[i].Key = strings.TrimPrefix(page[i].Key, s.prefix)
	}
	return page, err
}

func (s *prefixed) Delete(sc *host.Scope, key string) error {
	if err := CheckKey(key); err != nil {
		return err
	}
	return s.store.Delete(sc, s.prefix+key)
}

func (s *prefixed) Name() string {
	return s.store.Name() + " under " + strings.TrimSuffix(s.prefix, "/")
}
