package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/rpc"
)

// settings parses args as `weir server` does, with file as its configuration if not empty.
func settings(t *testing.T, file string, args ...string) (serverConfig, error) {
	t.Helper()
	var c serverConfig
	f := pflag.NewFlagSet("server", pflag.ContinueOnError)
	c.flags(f)
	if file != "" {
		path := filepath.Join(t.TempDir(), "weir.yaml")
		require.NoError(t, os.WriteFile(path, []byte(file), 0o600))
		args = append(args, "--config", path)
	}
	if err := f.Parse(args); err != nil {
		return c, err
	}
	return c, c.load(f)
}

func TestAFlagWinsOverTheVariableAndThatOverTheFile(t *testing.T) {
	file := "upload-age: 3s\nwal-size: 128MiB\nlisten: 127.0.0.1:1\n"
	t.Setenv("WEIR_WAL_SIZE", "256MiB")
	t.Setenv("WEIR_LISTEN", "127.0.0.1:2")
	c, err := settings(t, file, "--listen", "127.0.0.1:3")
	require.NoError(t, err)
	require.Equal(t, 3*time.Second, c.UploadAge)
	require.Equal(t, byteSize(256<<20), c.WALSize)
	require.Equal(t, "127.0.0.1:3", c.Listen)
	require.Equal(t, "127.0.0.1:3", c.Advertise, "the listen address by default")
	require.Equal(t, "./weir-data", c.Data)
}

func TestBadSettingsAreRefusedInOneLineThatNamesThem(t *testing.T) {
	for name, tc := range map[string]struct {
		file string
		args []string
		want string
	}{
		"unknown setting in the file":  {file: "upload-aeg: 3s\n", want: `there is no setting "upload-aeg"`},
		"a list in the file":           {file: "listen: [a, b]\n", want: "listen takes one value"},
		"bad value in the file":        {file: "upload-age: soon\n", want: `upload-age: "soon"`},
		"no port":                      {args: []string{"--listen", "localhost"}, want: "host:port"},
		"unreachable advertised host":  {args: []string{"--listen", "0.0.0.0:9092"}, want: "--advertise"},
		"little memory":                {args: []string{"--memory", "16MiB"}, want: "at least 256MiB"},
		"tiny WAL":                     {args: []string{"--wal-size", "1MiB"}, want: "--wal-size"},
		"upload age of nothing":        {args: []string{"--upload-age", "0s"}, want: "--upload-age"},
		"negative size":                {args: []string{"--wal-size=-1"}, want: "give a size such as"},
		"configuration file not there": {args: []string{"--config", "/no/such.yaml"}, want: "read the configuration"},
	} {
		_, err := settings(t, tc.file, tc.args...)
		require.ErrorContains(t, err, tc.want, name)
		require.NotContains(t, err.Error(), "\n", name)
	}
}

func TestSizesReadAndPrintTheSame(t *testing.T) {
	for in, want := range map[string]string{
		"1GiB": "1GiB", "512MiB": "512MiB", "1024KiB": "1MiB", "4096": "4KiB", "1000": "1000", "2TiB": "2TiB", "0": "0",
	} {
		var b byteSize
		require.NoError(t, b.Set(in), in)
		require.Equal(t, want, b.String(), in)
	}
	for _, in := range []string{"", "GiB", "1GB", "9999999999TiB", "-1", "1.5GiB"} {
		var b byteSize
		require.Error(t, b.Set(in), in)
	}
}

func TestANodeOfAClusterIsConfiguredByFlagsOrByAFileAlike(t *testing.T) {
	store := filepath.Join(t.TempDir(), "store.yaml")
	file := "cluster-listen: 127.0.0.1:7001\njoin: [127.0.0.1:7002, 127.0.0.1:7003]\nroles: [broker]\nnode-id: 4\n" +
		"rack: a\nlease: 2s\nobjstore-config: " + store + "\n"
	fromFile, err := settings(t, file)
	require.NoError(t, err)
	fromFlags, err := settings(t, "", "--cluster-listen", "127.0.0.1:7001", "--join", "127.0.0.1:7002,127.0.0.1:7003",
		"--roles", "broker", "--node-id", "4", "--rack", "a", "--lease", "2s", "--objstore-config", store)
	require.NoError(t, err)
	require.Equal(t, fromFlags.clusterSettings, fromFile.clusterSettings)
	require.Equal(t, []string{"127.0.0.1:7002", "127.0.0.1:7003"}, fromFlags.Join)
	require.Equal(t, "127.0.0.1:7001", fromFlags.ClusterAdvertise)
	cfg, err := fromFlags.node()
	require.NoError(t, err)
	require.Equal(t, rpc.RoleBroker, cfg.Roles)
	require.Equal(t, int32(4), cfg.NodeID)
	alone, err := settings(t, "")
	require.NoError(t, err)
	cfg, err = alone.node()
	require.NoError(t, err)
	require.Empty(t, cfg.ClusterListen)
	require.Zero(t, cfg.Roles)
}

func TestSettingsThatMakeNoClusterAreRefused(t *testing.T) {
	listen := []string{"--cluster-listen", "127.0.0.1:7001"}
	store := []string{"--objstore-config", "store.yaml"}
	for want, args := range map[string][]string{
		"--join is for a node of a cluster": {"--join", "127.0.0.1:7002"},
		"--form is for a node of a cluster": {"--form"},
		`there is no role "boss"`:           append(store, "--roles", "boss"),
		"--form takes the role controller":  append(store, "--form", "--roles", "broker"),
		"--join is empty":                   append(store, "--roles", "broker"),
		"need one object store for all":     {"--form"},
		"--lease 1ms":                       append(store, "--lease", "1ms"),
		`--join "elsewhere"`:                append(store, "--join", "elsewhere"),
		"--gossip-key":                      append(store, "--gossip-key", "short"),
		"--node-id -1":                      append(store, "--node-id", "-1"),
		"a port that is known beforehand":   append(store, "--cluster-advertise", "127.0.0.1:0"),
		"--cluster-advertise: other nodes":  append(store, "--cluster-advertise", "0.0.0.0:7001"),
		"exclude each other":                append(store, "--volumes", "v", "--volumes-exec", "v.sh"),
		"--volumes-timeout 1ms":             append(store, "--volumes-timeout", "1ms"),

		"--volumes-exec is for a node of a cluster": {"--volumes-exec", "v.sh"},
	} {
		if !strings.HasSuffix(want, "a node of a cluster") {
			args = append(slices.Clone(listen), args...)
		}
		_, err := settings(t, "", args...)
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "\n")
	}
}
