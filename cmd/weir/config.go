package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"
)

// serverConfig is what a server is told. A flag wins over its environment variable, that over the
// configuration file, that over the default. File and variables use the flags' names: `upload-age`,
// `WEIR_UPLOAD_AGE`.
type serverConfig struct {
	Listen    string        // Kafka address
	Advertise string        // host:port given to clients; "" = Listen
	HTTP      string        // address of /readyz, /metrics, /debug/pprof; "" = none
	Data      string        // directory of all volumes
	Memory    byteSize      // bytes for slabs, caches and requests
	WALSize   byteSize      // ring capacity in bytes, fixed at the WAL's birth
	UploadAge time.Duration // upload records this long after their append
	ObjStore  string        // file with the Thanos objstore YAML; "" = file system under Data
	Auto      bool          // create topics that clients ask for

	clusterSettings

	FaultPlan   string // file with the faults to inject; "" = none
	AllowFaults bool   // on the command line only: nobody inherits it from a file or an environment

	file string
}

const (
	memoryMin  = 256 << 20
	walSizeMin = 64 << 20
	walSizeMax = 1 << 40
)

func (c *serverConfig) flags(f *pflag.FlagSet) {
	c.Memory, c.WALSize = defaultMemory(), 1<<30
	f.StringVar(&c.Listen, "listen", "127.0.0.1:9092", "address for Kafka clients")
	f.StringVar(&c.Advertise, "advertise", "", "host:port that clients are told (default: the listen address)")
	f.StringVar(&c.HTTP, "http", "127.0.0.1:9644", `address of /readyz, /metrics and /debug/pprof; "" turns it off`)
	f.StringVar(&c.Data, "data", "./weir-data", "directory for the WAL, the metadata and the embedded object store")
	f.Var(&c.Memory, "memory", "memory for slabs, caches and requests (default: a quarter of the machine)")
	f.Var(&c.WALSize, "wal-size", "size of the write-ahead log, fixed when it is created")
	f.DurationVar(&c.UploadAge, "upload-age", 10*time.Second, "upload records this long after their append")
	f.StringVar(&c.ObjStore, "objstore-config", "",
		"FILE with the object store in Thanos YAML (default: files under --data)")
	f.BoolVar(&c.Auto, "auto-create-topics", true, "create a topic when a client asks for it")
	c.clusterSettings.flags(f)
	f.StringVar(&c.FaultPlan, "fault-plan", "", "FILE with faults to inject on purpose, for tests; needs --allow-faults")
	f.BoolVar(&c.AllowFaults, "allow-faults", false, "let --fault-plan do its damage; only as a flag")
	f.StringVar(&c.file, "config", "", "FILE with these settings in YAML, same names")
}

// load fills what no flag set from the environment and the configuration file, and checks the result.
func (c *serverConfig) load(f *pflag.FlagSet) error {
	fromFile := map[string]string{}
	if c.file == "" {
		c.file = os.Getenv("WEIR_CONFIG")
	}
	if c.file != "" {
		var err error
		if fromFile, err = readSettings(c.file, f); err != nil {
			return err
		}
	}
	var bad error
	f.VisitAll(func(fl *pflag.Flag) {
		if fl.Changed || flagOnly[fl.Name] || bad != nil {
			return
		}
		name := "WEIR_" + strings.ToUpper(strings.ReplaceAll(fl.Name, "-", "_"))
		if v, ok := os.LookupEnv(name); ok {
			if err := fl.Value.Set(v); err != nil {
				bad = fmt.Errorf("%s=%q: %w", name, v, err)
			}
		} else if v, ok := fromFile[fl.Name]; ok {
			if err := fl.Value.Set(v); err != nil {
				bad = fmt.Errorf("%s: %s: %q: %w", c.file, fl.Name, v, err)
			}
		}
	})
	if bad != nil {
		return bad
	}
	return c.validate()
}

// flagOnly are the flags that neither the environment nor the configuration file sets.
var flagOnly = map[string]bool{"config": true, "help": true, "allow-faults": true}

// readSettings reads a flat YAML mapping of flag names to values.
func readSettings(file string, f *pflag.FlagSet) (map[string]string, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	var doc map[string]yaml.Node
	dec := yaml.NewDecoder(bytes.NewReader(raw))
	if err := dec.Decode(&doc); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read the configuration %s: %w", file, err)
	}
	out := map[string]string{}
	for name, node := range doc {
		if f.Lookup(name) == nil || flagOnly[name] {
			return nil, fmt.Errorf("%s line %d: there is no setting %q; see weir server --help", file, node.Line, name)
		}
		value, ok := node.Value, node.Kind == yaml.ScalarNode
		if node.Kind == yaml.SequenceNode && f.Lookup(name).Value.Type() == listType {
			value, ok = joined(&node)
		}
		if !ok {
			return nil, fmt.Errorf("%s line %d: %s takes one value", file, node.Line, name)
		}
		out[name] = value
	}
	return out, nil
}

func (c *serverConfig) validate() error {
	if c.Advertise == "" {
		c.Advertise = c.Listen
	}
	for _, a := range []struct{ name, addr string }{{"listen", c.Listen}, {"advertise", c.Advertise}} {
		if _, err := splitAddr(a.addr); err != nil {
			return fmt.Errorf("--%s %q: %w", a.name, a.addr, err)
		}
	}
	if c.HTTP != "" {
		if _, err := splitAddr(c.HTTP); err != nil {
			return fmt.Errorf("--http %q: %w", c.HTTP, err)
		}
	}
	host, _, _ := net.SplitHostPort(c.Advertise)
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		return fmt.Errorf("--advertise: clients cannot connect to %q; name a host or address that they reach", c.Advertise)
	}
	if err := c.checkFaults(); err != nil {
		return err
	}
	if err := c.clusterSettings.validate(c); err != nil {
		return err
	}
	switch {
	case c.Memory < memoryMin:
		return fmt.Errorf("--memory %s is too little; give at least %s", c.Memory, byteSize(memoryMin))
	case c.WALSize < walSizeMin || c.WALSize > walSizeMax:
		return fmt.Errorf("--wal-size %s: give between %s and %s", c.WALSize, byteSize(walSizeMin), byteSize(walSizeMax))
	case c.UploadAge < 10*time.Millisecond || c.UploadAge > 24*time.Hour:
		return fmt.Errorf("--upload-age %s: give between 10ms and 24h", c.UploadAge)
	case c.Data == "":
		return errors.New("--data is empty; name a directory")
	}
	return nil
}

func splitAddr(addr string) (uint16, error) {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return 0, errors.New("give it as host:port")
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return 0, fmt.Errorf("port %q is not a number below 65536", port)
	}
	return uint16(n), nil
}

// byteSize is a number of bytes that reads and prints like "1GiB".
type byteSize int64

var byteUnits = []struct {
	name string
	n    byteSize
}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}}

func (b byteSize) String() string {
	for _, u := range byteUnits {
		if b >= u.n && b%u.n == 0 {
			return strconv.FormatInt(int64(b/u.n), 10) + u.name
		}
	}
	return strconv.FormatInt(int64(b), 10)
}

// Type names the flag's value in --help.
func (b *byteSize) Type() string { return "size" }

// Set reads "4GiB", "512MiB", "64KiB" or plain bytes.
func (b *byteSize) Set(s string) error {
	mult := byteSize(1)
	num := s
	for _, u := range byteUnits {
		if rest, ok := strings.CutSuffix(s, u.name); ok {
			num, mult = rest, u.n
			break
		}
	}
	n, err := strconv.ParseInt(strings.TrimSpace(num), 10, 64)
	if err != nil || n < 0 || n > int64(1<<62/mult) {
		return errors.New("give a size such as 512MiB or 1GiB")
	}
	*b = byteSize(n) * mult
	return nil
}

// defaultMemory is a quarter of the machine, at least memoryMin, in whole MiB.
func defaultMemory() byteSize {
	raw, err := os.ReadFile("/proc/meminfo")
	if err == nil {
		for line := range strings.Lines(string(raw)) {
			if f := strings.Fields(line); len(f) >= 2 && f[0] == "MemTotal:" {
				if kib, err := strconv.ParseInt(f[1], 10, 64); err == nil {
					return max(memoryMin, byteSize(kib<<10/4)>>20<<20)
				}
			}
		}
	}
	return memoryMin
}
