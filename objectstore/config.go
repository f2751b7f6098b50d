package objectstore

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Type is a kind of object store, in capitals as in the Thanos objstore form.
type Type string

// The kinds of object store that can be configured.
const (
	TypeS3         Type = "S3"
	TypeFilesystem Type = "FILESYSTEM"
)

// Config is one object store as people write it: the Thanos objstore form, `type:`, `config:` and `prefix:`.
// Only the part that Type names is filled. It holds yaml tags and knows no YAML: a decoder finds
// [Config.UnmarshalYAML]. A setting that weir cannot honour is refused by name (C1 NothingDropped), unless
// it only tunes or has the value it has when it is left out.
type Config struct {
	Type       Type
	Prefix     string // put before every key, for a bucket that others use too; see WithPrefix
	S3         S3Config
	Filesystem FilesystemConfig
}

// FilesystemConfig is the `config:` of type FILESYSTEM.
type FilesystemConfig struct {
	Directory string `yaml:"directory"`

	Rest map[string]any `yaml:",inline"`
}

// S3Config is the `config:` of type S3. Without keys the usual places are asked: AWS_… variables, the shared
// credentials file, the instance's role.
type S3Config struct {
	Bucket       string     `yaml:"bucket"`
	Endpoint     string     `yaml:"endpoint"` // host or host:port, without a scheme
	Region       string     `yaml:"region"`   // "" asks the server
	AccessKey    string     `yaml:"access_key"`
	SecretKey    string     `yaml:"secret_key"`
	SessionToken string     `yaml:"session_token"`
	Insecure     bool       `yaml:"insecure"`           // http instead of https
	Lookup       string     `yaml:"bucket_lookup_type"` // "auto", "virtual-hosted" or "path"; "" is auto
	HTTP         HTTPConfig `yaml:"http_config"`

	Rest map[string]any `yaml:",inline"`
}

// HTTPConfig tunes the connections to an S3 server; zero fields take the client's defaults.
type HTTPConfig struct {
	IdleConnTimeout       time.Duration `yaml:"idle_conn_timeout"`
	ResponseHeaderTimeout time.Duration `yaml:"response_header_timeout"`
	TLSHandshakeTimeout   time.Duration `yaml:"tls_handshake_timeout"`
	InsecureSkipVerify    bool          `yaml:"insecure_skip_verify"`
	MaxIdleConnsPerHost   int           `yaml:"max_idle_conns_per_host"`
	MaxConnsPerHost       int           `yaml:"max_conns_per_host"`

	Rest map[string]any `yaml:",inline"`
}

// UnmarshalYAML fills c by means of unmarshal, which decodes the same node into what it is given. It is what
// YAML packages look for, and does not validate.
func (c *Config) UnmarshalYAML(unmarshal func(any) error) error {
	var head struct {
		Type   string `yaml:"type"`
		Prefix string `yaml:"prefix"`
		Config any    `yaml:"config"`
	}
	if err := unmarshal(&head); err != nil {
		return err
	}
	*c = Config{Type: Type(strings.ToUpper(head.Type)), Prefix: head.Prefix}
	switch c.Type {
	case TypeS3:
		return decodeConfig(unmarshal, &c.S3)
	case TypeFilesystem:
		return decodeConfig(unmarshal, &c.Filesystem)
	}
	return nil // Validate says what is wrong
}

// decodeConfig decodes the `config:` part into dst.
func decodeConfig[T any](unmarshal func(any) error, dst *T) error {
	var doc struct {
		Type   any `yaml:"type"`
		Prefix any `yaml:"prefix"`
		Config T   `yaml:"config"`
	}
	err := unmarshal(&doc)
	*dst = doc.Config
	return err
}

// Validate returns nil if a store can be built from c, else one line that names the setting and the remedy.
func (c *Config) Validate() error {
	var err error
	switch c.Type {
	case TypeS3:
		err = c.S3.validate()
	case TypeFilesystem:
		if err = refuse("", c.Filesystem.Rest); err == nil && c.Filesystem.Directory == "" {
			err = errors.New("directory is missing")
		}
	case "":
		err = fmt.Errorf("type is missing, must be %s or %s", TypeS3, TypeFilesystem)
	default:
		err = fmt.Errorf("type %q is unknown, must be %s or %s", string(c.Type), TypeS3, TypeFilesystem)
	}
	if err != nil {
		return fmt.Errorf("object store config: %w", err)
	}
	return nil
}

func (c *S3Config) validate() error {
	switch {
	case c.Bucket == "":
		return errors.New("bucket is missing")
	case c.Endpoint == "":
		return errors.New("endpoint is missing, for AWS it is s3.<region>.amazonaws.com")
	case strings.Contains(c.Endpoint, "://"):
		return fmt.Errorf("endpoint %q has a scheme, write host:port, and insecure: true for plain http", c.Endpoint)
	case strings.ContainsAny(c.Endpoint, "/ "):
		return fmt.Errorf("endpoint %q must be host or host:port", c.Endpoint)
	case (c.AccessKey == "") != (c.SecretKey == ""):
		return errors.New("access_key and secret_key go together, one is missing")
	case c.SessionToken != "" && c.AccessKey == "":
		return errors.New("session_token needs access_key and secret_key")
	case !slices.Contains([]string{"", "auto", "virtual-hosted", "path"}, c.Lookup):
		return fmt.Errorf("bucket_lookup_type %q is unknown, must be auto, virtual-hosted or path", c.Lookup)
	}
	if err := refuse("", c.Rest); err != nil {
		return err
	}
	return refuse("http_config.", c.HTTP.Rest)
}

// refuse returns an error for the first setting, by name, that would be dropped although it matters.
func refuse(where string, rest map[string]any) error {
	names := make([]string, 0, len(rest))
	for name := range rest {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		switch name {
		case "part_size", "send_content_md5", "disable_multipart", "max_retries", "list_objects_version",
			"disable_dualstack", "trace", "expect_continue_timeout", "max_idle_conns", "disable_compression":
			continue // they tune another client and change no result
		case "signature_version2", "aws_sdk_auth", "sse_config", "sts_endpoint", "put_user_metadata",
			"tls_config", "transport":
			if !unset(rest[name]) {
				return fmt.Errorf("%s%s is not supported, remove it", where, name)
			}
		default:
			return fmt.Errorf("%s%s is not a known setting, remove or correct it", where, name)
		}
	}
	return nil
}

// unset reports whether a decoded value means the same as leaving it out.
func unset(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case bool:
		return !v
	case string:
		return v == ""
	case int:
		return v == 0
	case []any:
		return len(v) == 0
	case map[string]any:
		set := 0
		for _, x := range v {
			if !unset(x) {
				set++
			}
		}
		return set == 0
	}
	return false
}
