package s3store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/s3utils"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/objectstore"
)

// MaxSize is the largest object in bytes: what S3 takes in one PUT.
const MaxSize = 5 << 30

// pageSize is the most keys S3 lists in one answer.
const pageSize = 1000

// Store keeps objects in a bucket.
type Store struct {
	core      minio.Core
	transport *http.Transport
	bucket    string
	endpoint  string
	region    string // as configured; "" if the server was to be asked
}

var _ objectstore.Store = (*Store)(nil)

// New returns a store in the bucket that cfg names. It makes no request: use objectstore.Probe to learn
// whether the bucket can be used. The caller ends it with Close.
func New(cfg objectstore.S3Config) (*Store, error) {
	if err := s3utils.CheckValidBucketName(cfg.Bucket); err != nil {
		return nil, objectstore.Terminal(fmt.Errorf("use s3 bucket %q: %w; correct bucket", cfg.Bucket, err))
	}
	lookup := minio.BucketLookupAuto
	switch cfg.Lookup {
	case "path":
		lookup = minio.BucketLookupPath
	case "virtual-hosted":
		lookup = minio.BucketLookupDNS
	}
	transport := newTransport(cfg.HTTP)
	core, err := minio.NewCore(cfg.Endpoint, &minio.Options{
		Creds:        newCredentials(cfg),
		Secure:       !cfg.Insecure,
		Transport:    laterReader{transport},
		Region:       cfg.Region,
		BucketLookup: lookup,
		MaxRetries:   1,
		// Lets a put end with its checksum: see uploadOptions.
		TrailingHeaders: true,
	})
	if err != nil {
		return nil, fmt.Errorf("use s3 bucket %s at %s: %w", cfg.Bucket, cfg.Endpoint, err)
	}
	core.SetAppInfo("weir", "")
	return &Store{
		core: *core, transport: transport, bucket: cfg.Bucket, endpoint: cfg.Endpoint, region: cfg.Region,
	}, nil
}

func newCredentials(cfg objectstore.S3Config) *credentials.Credentials {
	if cfg.AccessKey != "" {
		return credentials.NewStaticV4(cfg.AccessKey, cfg.SecretKey, cfg.SessionToken)
	}
	return credentials.NewChainCredentials([]credentials.Provider{
		&credentials.EnvAWS{}, &credentials.FileAWSCredentials{}, &credentials.IAM{},
	})
}

// Close closes idle connections. Calls under way go on.
func (s *Store) Close() error {
	s.transport.CloseIdleConnections()
	return nil
}

// Name implements objectstore.Store.
func (s *Store) Name() string { return fmt.Sprintf("s3 bucket %s at %s", s.bucket, s.endpoint) }

// begin checks what every call on one key checks first.
func (s *Store) begin(sc *host.Scope, op objectstore.Op, key string) error {
	if err := objectstore.CheckKey(key); err != nil {
		return err
	}
	if err := sc.Err(); err != nil {
		return fmt.Errorf("%s %s in %s: %w", op, key, s.Name(), err)
	}
	return nil
}

// Put implements objectstore.Store.
func (s *Store) Put(sc *host.Scope, key string, body objectstore.Body) error {
	return s.put(sc, objectstore.OpPut, key, body)
}

// PutIfAbsent implements objectstore.Store.
func (s *Store) PutIfAbsent(sc *host.Scope, key string, body objectstore.Body) error {
	return s.put(sc, objectstore.OpPutIfAbsent, key, body)
}

func (s *Store) put(sc *host.Scope, op objectstore.Op, key string, body objectstore.Body) error {
	if err := s.begin(sc, op, key); err != nil {
		return err
	}
	size := body.Size()
	if size > MaxSize {
		return objectstore.Terminal(fmt.Errorf("%s %s in %s: %d bytes are more than S3 takes in one request (%d)",
			op, key, s.Name(), size, int64(MaxSize)))
	}
	r := &guarded{r: objectstore.OpenBody(sc, body)}
	if size == 0 { // no byte will be asked for, so look for what should not be there now
		if _, err := r.Read(make([]byte, 1)); err != io.EOF {
			return fmt.Errorf("%s %s in %s: %w", op, key, s.Name(), err)
		}
	}
	ctx, l := withLater(sc)
	_, err := s.core.Client.PutObject(ctx, s.bucket, key, r, size, uploadOptions(op))
	if failed := r.stop(); failed != nil && err != nil {
		err = failed // the cause; minio-go's own error may have lost it
	}
	return s.explain(sc, l, op, key, err)
}

// uploadOptions returns how an object is sent: in one request, and in chunks that end with a CRC32C instead of
// as a plain body. A server that takes a plain body's early end for its end (versitygw 1.8.0 does) would
// store half an object when this process dies in the middle; without the final chunk it cannot. CRC32C
// costs a twentieth of the SHA-256 that chunks are signed with otherwise.
func uploadOptions(op objectstore.Op) minio.PutObjectOptions {
	opts := minio.PutObjectOptions{
		DisableMultipart: true, DisableContentSha256: true, Checksum: minio.ChecksumCRC32C,
	}
	if op == objectstore.OpPutIfAbsent {
		opts.SetMatchETagExcept("*")
	}
	return opts
}

// GetRange implements objectstore.Store.
func (s *Store) GetRange(sc *host.Scope, key string, off int64, dst []byte) error {
	if len(dst) == 0 || off < 0 && -off != int64(len(dst)) { // not a range that HTTP can express
		info, err := s.Head(sc, key)
		if err == nil {
			_, err = objectstore.Span(off, len(dst), info.Size)
		}
		return err
	}
	if err := s.begin(sc, objectstore.OpGet, key); err != nil {
		return err
	}
	ctx, l := withLater(sc)
	return s.explain(sc, l, objectstore.OpGet, key, s.getRange(ctx, key, off, dst))
}

func (s *Store) getRange(ctx context.Context, key string, off int64, dst []byte) error {
	var opts minio.GetObjectOptions
	if off < 0 {
		opts.Set("Range", fmt.Sprintf("bytes=%d", off))
	} else {
		opts.Set("Range", fmt.Sprintf("bytes=%d-%d", off, off+int64(len(dst))-1))
	}
	body, info, header, err := s.core.GetObject(ctx, s.bucket, key, opts)
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }() // what was not read is of no use any more
	if err := checkRange(header.Get("Content-Range"), info.Size, off, len(dst)); err != nil {
		return err
	}
	if _, err := io.ReadFull(body, dst); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	return nil
}

// checkRange returns nil if an answer with that Content-Range and length is the n bytes at off. Without
// Content-Range the answer is the whole object, which may be what was asked for.
func checkRange(contentRange string, length, off int64, n int) error {
	if contentRange == "" {
		start, err := objectstore.Span(off, n, length)
		if err != nil || start == 0 && length == int64(n) {
			return err
		}
		return fmt.Errorf("the server ignored the range: %d bytes came instead of %d", length, n)
	}
	var from, to, size int64
	if _, err := fmt.Sscanf(contentRange, "bytes %d-%d/%d", &from, &to, &size); err != nil {
		return fmt.Errorf("the server answered with Content-Range %q: %w", contentRange, err)
	}
	start, err := objectstore.Span(off, n, size)
	if err != nil {
		return err
	}
	if from != start || to-from+1 != int64(n) {
		return fmt.Errorf("the server answered Content-Range %q, asked were %d bytes at %d", contentRange, n, off)
	}
	return nil
}

// Head implements objectstore.Store.
func (s *Store) Head(sc *host.Scope, key string) (objectstore.Info, error) {
	if err := s.begin(sc, objectstore.OpHead, key); err != nil {
		return objectstore.Info{}, err
	}
	ctx, l := withLater(sc)
	info, err := s.core.StatObject(ctx, s.bucket, key, minio.StatObjectOptions{})
	if err != nil {
		return objectstore.Info{}, s.explain(sc, l, objectstore.OpHead, key, err)
	}
	return objectstore.Info{Key: key, Size: info.Size}, nil
}

// List implements objectstore.Store.
func (s *Store) List(sc *host.Scope, prefix, after string, limit int) ([]objectstore.Info, error) {
	if err := objectstore.CheckList(prefix, after, limit); err != nil {
		return nil, err
	}
	if err := sc.Err(); err != nil {
		return nil, fmt.Errorf("list %s in %s: %w", prefix, s.Name(), err)
	}
	var page []objectstore.Info
	ctx, l := withLater(sc)
	for obj := range s.core.ListObjectsIter(ctx, s.bucket, minio.ListObjectsOptions{
		Prefix: prefix, StartAfter: after, Recursive: true, MaxKeys: min(limit, pageSize),
	}) {
		if obj.Err != nil {
			return nil, s.explain(sc, l, objectstore.OpList, prefix, obj.Err)
		}
		if obj.Key <= after {
			return nil, objectstore.Terminal(fmt.Errorf("list %s in %s: the server lists %q after %q: "+
				"it does not list in key order, use another", prefix, s.Name(), obj.Key, after))
		}
		after = obj.Key
		if objectstore.CheckKey(obj.Key) != nil {
			continue // not one of ours: the bucket is shared
		}
		page = append(page, objectstore.Info{Key: obj.Key, Size: obj.Size})
		if len(page) == limit {
			return page, nil
		}
	}
	if err := sc.Err(); err != nil { // the iterator stops without a word when its context ends
		return nil, fmt.Errorf("list %s in %s: %w", prefix, s.Name(), err)
	}
	return page, nil
}

// Delete implements objectstore.Store.
func (s *Store) Delete(sc *host.Scope, key string) error {
	if err := s.begin(sc, objectstore.OpDelete, key); err != nil {
		return err
	}
	ctx, l := withLater(sc)
	err := s.core.RemoveObject(ctx, s.bucket, key, minio.RemoveObjectOptions{})
	err = s.explain(sc, l, objectstore.OpDelete, key, err)
	if errors.Is(err, objectstore.ErrNotFound) {
		return nil
	}
	return err
}
