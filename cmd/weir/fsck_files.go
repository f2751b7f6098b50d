package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/weirmq/weir/fsck"
	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/host/oshost"
	"github.com/weirmq/weir/objectstore"
	"github.com/weirmq/weir/objectstore/s3store"
)

// dirImage is a volume in a directory, read as it is. A directory that is missing has no files.
type dirImage string

// Files implements fsck.Image.
func (d dirImage) Files() []string {
	var list []string
	_ = filepath.WalkDir(string(d), func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return nil // what cannot be listed cannot be read either, and is said there
		}
		if rel, err := filepath.Rel(string(d), path); err == nil && !e.IsDir() {
			list = append(list, filepath.ToSlash(rel))
		}
		return nil
	})
	return list
}

// Read implements fsck.Image.
func (d dirImage) Read(path string) ([]byte, error) {
	return os.ReadFile(filepath.Join(string(d), filepath.FromSlash(path)))
}

// Open implements fsck.Opener: rings are too large to be read as a whole.
func (d dirImage) Open(path string) (fsck.File, error) {
	f, err := os.Open(filepath.Join(string(d), filepath.FromSlash(path)))
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, err
	}
	return &sizedFile{f, info.Size()}, nil
}

type sizedFile struct {
	*os.File
	size int64
}

// Size implements fsck.File.
func (f *sizedFile) Size() int64 { return f.size }

// dirBucket is a file store (docs/format/filestore.md), read without a session of its own: that would write.
type dirBucket struct{ root, prefix string }

// List implements fsck.Bucket.
func (b dirBucket) List() ([]fsck.Object, error) {
	var list []fsck.Object
	err := filepath.WalkDir(b.root, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			if path == b.root && errors.Is(err, fs.ErrNotExist) {
				return nil // nothing was ever put
			}
			return err
		}
		rel, err := filepath.Rel(b.root, path)
		if err != nil || e.IsDir() || strings.HasPrefix(e.Name(), ".") {
			return err
		}
		key, ours := strings.CutPrefix(filepath.ToSlash(rel), b.prefix)
		if !ours {
			return nil
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		list = append(list, fsck.Object{Key: key, Size: info.Size()})
		return nil
	})
	return list, err
}

// Get implements fsck.Bucket.
func (b dirBucket) Get(key string) ([]byte, error) {
	raw, err := os.ReadFile(filepath.Join(b.root, filepath.FromSlash(b.prefix+key)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %w", fsck.ErrMissing, err)
	}
	return raw, err
}

// storeBucket is an object store behind a network.
type storeBucket struct {
	h     *oshost.Host
	store objectstore.Store
}

// listPage is how many keys are asked for at a time.
const listPage = 1000

// bucketCallMax bounds one call with its retries.
const bucketCallMax = 2 * time.Minute

// List implements fsck.Bucket.
func (b storeBucket) List() ([]fsck.Object, error) {
	return onHost(b.h, func(sc *host.Scope) ([]fsck.Object, error) {
		var list []fsck.Object
		for after := ""; ; {
			page, err := b.store.List(sc, "", after, listPage)
			if err != nil {
				return nil, err
			}
			for _, x := range page {
				list = append(list, fsck.Object{Key: x.Key, Size: x.Size})
				after = x.Key
			}
			if len(page) < listPage {
				return list, nil
			}
		}
	})
}

// Get implements fsck.Bucket.
func (b storeBucket) Get(key string) ([]byte, error) {
	return onHost(b.h, func(sc *host.Scope) ([]byte, error) {
		info, err := b.store.Head(sc, key)
		var raw []byte
		if err == nil {
			raw = make([]byte, info.Size)
			err = b.store.GetRange(sc, key, 0, raw)
		}
		if errors.Is(err, objectstore.ErrNotFound) {
			return nil, fmt.Errorf("%w: %w", fsck.ErrMissing, err)
		}
		return raw, err
	})
}

// openBucket opens what --objstore-config names, or the store under --data, for reading. Unlike a server it does not
// probe the store: that would write.
func (c *serverConfig) openBucket(h *oshost.Host) (fsck.Bucket, error) {
	if c.ObjStore == "" {
		return dirBucket{root: filepath.Join(c.Data, "store", "objects", "objects")}, nil
	}
	raw, err := os.ReadFile(c.ObjStore)
	if err != nil {
		return nil, fmt.Errorf("read the object store config: %w", err)
	}
	var cfg objectstore.Config
	if err := yaml.NewDecoder(bytes.NewReader(raw)).Decode(&cfg); err != nil {
		return nil, fmt.Errorf("read the object store config %s: %w", c.ObjStore, err)
	}
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", c.ObjStore, err)
	}
	if cfg.Type != objectstore.TypeS3 {
		prefix := strings.Trim(cfg.Prefix, "/")
		if prefix != "" {
			prefix += "/"
		}
		return dirBucket{filepath.Join(cfg.Filesystem.Directory, "objects", "objects"), prefix}, nil
	}
	s3, err := s3store.New(cfg.S3)
	if err != nil {
		return nil, err
	}
	var store objectstore.Store = objectstore.WithRetry(h, s3, objectstore.Policy{Total: bucketCallMax})
	if store, err = objectstore.WithPrefix(store, cfg.Prefix); err != nil {
		return nil, err
	}
	return storeBucket{h, store}, nil
}
