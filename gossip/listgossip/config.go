package listgossip

import (
	"encoding/base64"
	"errors"
	"fmt"
	"log"
	"net"
	"strconv"
	"time"

	"github.com/hashicorp/memberlist"

	"github.com/weirmq/weir/gossip"
)

// ErrConfig is returned for settings that cannot work.
var ErrConfig = errors.New("gossip: bad setting")

// DefaultPort is where gossip listens if nothing else is said.
const DefaultPort = 7946

// Config is what a member is told.
type Config struct {
	Self gossip.Self
	// Listen is "ip:port", UDP and TCP; port 0 picks one; "" = 0.0.0.0 and DefaultPort.
	Listen string
	// Advertise is "ip:port" that others reach Listen at; "" = what is listened at or, for 0.0.0.0, this machine's
	// private address.
	Advertise string
	// Key is 16, 24 or 32 bytes in base64, the same on every node; "" = nothing is encrypted or authenticated.
	Key string
	// Label keeps clusters apart that reach each other by mistake, such as the cluster's id; "" = none.
	Label string
	// Pace is the time between two probes of the library and between two refreshes; 0 = 1 s, the library's own for a
	// local network. All its other intervals are in proportion.
	Pace time.Duration

	wrap func(memberlist.NodeAwareTransport) memberlist.NodeAwareTransport // for tests that cut members off
}

// ParseKey reads a key as Config.Key wants it.
func ParseKey(text string) ([]byte, error) {
	key, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("%w: the gossip key is not base64: make one with `head -c 32 /dev/urandom | base64`",
			ErrConfig)
	}
	switch len(key) {
	case 16, 24, 32:
		return key, nil
	}
	return nil, fmt.Errorf("%w: the gossip key has %d bytes, not 16, 24 or 32: make one with "+
		"`head -c 32 /dev/urandom | base64`", ErrConfig, len(key))
}

// library returns memberlist's configuration for cfg.
func (cfg *Config) library(name string, l *lines) (*memberlist.Config, error) {
	c := memberlist.DefaultLANConfig()
	c.Name, c.Label = name, cfg.Label
	if len(cfg.Label) > memberlist.LabelMaxSize {
		return nil, fmt.Errorf("%w: the gossip label has %d bytes, at most %d", ErrConfig, len(cfg.Label),
			memberlist.LabelMaxSize)
	}
	var err error
	if cfg.Key != "" {
		if c.SecretKey, err = ParseKey(cfg.Key); err != nil {
			return nil, err
		}
	}
	c.BindAddr, c.BindPort = "0.0.0.0", DefaultPort
	if cfg.Listen != "" {
		if c.BindAddr, c.BindPort, err = ipPort("listen", cfg.Listen); err != nil {
			return nil, err
		}
	}
	c.AdvertisePort = c.BindPort
	if cfg.Advertise != "" {
		if c.AdvertiseAddr, c.AdvertisePort, err = ipPort("advertised", cfg.Advertise); err != nil {
			return nil, err
		}
	}
	cfg.keepPace(c)
	c.Logger = log.New(l, "", 0)
	return c, nil
}

// listen makes the library's transport. The library would make one itself, but then forget the advertised port if the
// one to listen at is 0.
func (cfg *Config) listen(c *memberlist.Config) error {
	tries := 1
	if c.BindPort == 0 {
		tries = 10 // a port that is free for TCP may be taken for UDP
	}
	for {
		t, err := memberlist.NewNetTransport(&memberlist.NetTransportConfig{
			BindAddrs: []string{c.BindAddr}, BindPort: c.BindPort, Logger: c.Logger,
		})
		if err == nil {
			c.Transport = t
			if cfg.wrap != nil {
				c.Transport = cfg.wrap(t)
			}
			return nil
		}
		if tries--; tries == 0 {
			return fmt.Errorf("listen for gossip at %s:%d: %w", c.BindAddr, c.BindPort, err)
		}
	}
}

// keepPace puts the library's intervals in proportion to the pace.
func (cfg *Config) keepPace(c *memberlist.Config) {
	for _, d := range []*time.Duration{
		&c.TCPTimeout, &c.PushPullInterval, &c.ProbeTimeout, &c.ProbeInterval, &c.GossipInterval,
		&c.GossipToTheDeadTime,
	} {
		*d = time.Duration(float64(*d) * cfg.Pace.Seconds())
	}
}

// ipPort reads "ip:port"; an empty ip is every address. Names are refused: which of its addresses others should use
// is not for a resolver to say.
func ipPort(what, address string) (string, int, error) {
	ip, portText, err := net.SplitHostPort(address)
	port, convErr := strconv.ParseUint(portText, 10, 16)
	if ip == "" {
		ip = "0.0.0.0"
	}
	if err != nil || convErr != nil || net.ParseIP(ip) == nil {
		return "", 0, fmt.Errorf("%w: the %s gossip address %q is not an IP address and port, as in 10.0.0.1:%d",
			ErrConfig, what, address, DefaultPort)
	}
	return ip, int(port), nil
}
