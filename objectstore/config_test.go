package objectstore_test

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/objectstore"
)

// decoder stands in for a YAML package: it fills structs from maps by their yaml tags.
func decoder(doc map[string]any) func(any) error {
	return func(dst any) error { return fill(reflect.ValueOf(dst).Elem(), doc) }
}

func fill(dst reflect.Value, doc map[string]any) error {
	rest := map[string]any{}
	for name, v := range doc {
		rest[name] = v
	}
	for i := range dst.NumField() {
		tag := dst.Type().Field(i).Tag.Get("yaml")
		v, ok := rest[tag]
		if !ok {
			continue
		}
		delete(rest, tag)
		if m, isMap := v.(map[string]any); isMap && dst.Field(i).Kind() == reflect.Struct {
			if err := fill(dst.Field(i), m); err != nil {
				return err
			}
		} else if v := reflect.ValueOf(v); v.Type().AssignableTo(dst.Field(i).Type()) {
			dst.Field(i).Set(v)
		} else {
			return errors.New("cannot decode " + tag)
		}
	}
	if f := dst.FieldByName("Rest"); f.IsValid() {
		f.Set(reflect.ValueOf(rest))
	} else if len(rest) > 0 {
		return errors.New("unknown field")
	}
	return nil
}

func s3Doc(change map[string]any) map[string]any {
	config := map[string]any{"bucket": "b", "endpoint": "h:1", "access_key": "a", "secret_key": "s"}
	for name, v := range change {
		config[name] = v
	}
	return map[string]any{"type": "s3", "prefix": "p", "config": config}
}

func TestThanosConfigIsRead(t *testing.T) {
	var c objectstore.Config
	require.NoError(t, c.UnmarshalYAML(decoder(s3Doc(map[string]any{
		"insecure":    true,
		"http_config": map[string]any{"idle_conn_timeout": time.Minute, "tls_config": map[string]any{"ca_file": ""}},
		"sse_config":  map[string]any{"type": ""}, "part_size": 1 << 20, "signature_version2": false,
	}))))
	require.NoError(t, c.Validate())
	require.Equal(t, objectstore.TypeS3, c.Type)
	require.Equal(t, "p", c.Prefix)
	require.Equal(t, "b", c.S3.Bucket)
	require.True(t, c.S3.Insecure)
	require.Equal(t, time.Minute, c.S3.HTTP.IdleConnTimeout)

	require.NoError(t, c.UnmarshalYAML(decoder(map[string]any{
		"type": "FILESYSTEM", "config": map[string]any{"directory": "/d"},
	})))
	require.NoError(t, c.Validate())
	require.Equal(t, "/d", c.Filesystem.Directory)
	require.Empty(t, c.S3.Bucket)
}

func TestABadConfigNamesTheSetting(t *testing.T) {
	for _, c := range []struct {
		doc  map[string]any
		text string
	}{
		{map[string]any{}, "type is missing"},
		{map[string]any{"type": "GCS"}, `type "GCS" is unknown, must be S3 or FILESYSTEM`},
		{map[string]any{"type": "FILESYSTEM"}, "directory is missing"},
		{
			map[string]any{"type": "FILESYSTEM", "config": map[string]any{"directory": "d", "x": 1}},
			"x is not a known setting",
		},
		{s3Doc(map[string]any{"bucket": ""}), "bucket is missing"},
		{s3Doc(map[string]any{"endpoint": ""}), "endpoint is missing"},
		{s3Doc(map[string]any{"endpoint": "http://h"}), "insecure: true"},
		{s3Doc(map[string]any{"endpoint": "h/b"}), "must be host or host:port"},
		{s3Doc(map[string]any{"secret_key": ""}), "access_key and secret_key go together"},
		{s3Doc(map[string]any{"access_key": "", "secret_key": "", "session_token": "t"}), "session_token needs"},
		{s3Doc(map[string]any{"bucket_lookup_type": "dns"}), "bucket_lookup_type"},
		{s3Doc(map[string]any{"signature_version2": true}), "signature_version2 is not supported"},
		{s3Doc(map[string]any{"sse_config": map[string]any{"type": "SSE-S3"}}), "sse_config is not supported"},
		{s3Doc(map[string]any{"bukket": "b"}), "bukket is not a known setting"},
		{
			s3Doc(map[string]any{"http_config": map[string]any{"tls_config": map[string]any{"ca_file": "f"}}}),
			"http_config.tls_config is not supported",
		},
	} {
		var cfg objectstore.Config
		require.NoError(t, cfg.UnmarshalYAML(decoder(c.doc)), c.text)
		err := cfg.Validate()
		require.ErrorContains(t, err, c.text)
		require.ErrorContains(t, err, "object store config: ")
		require.NotContains(t, err.Error(), "\n")
	}
}
