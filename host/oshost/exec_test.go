package oshost_test

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirmq/weir/host"
	"github.com/weirmq/weir/host/oshost"
)

const execUUID = "0f5c1a52-3a1e-4b57-9a43-7f0f3cb7a6aa"

var execUse = host.VolumeUse{Name: "cluster/" + execUUID, Volume: execUUID,
	Cluster: "6e1f9d1c-0000-4000-8000-000000000001", Broker: 7, Epoch: 12, Generation: 3}

// program writes a script and returns the provider that calls it, and a folder for the script's use.
func program(t *testing.T, body string, timeout time.Duration) (*oshost.Host, host.Volumes, string) {
	t.Helper()
	dir := t.TempDir()
	script := filepath.Join(dir, "volumes.sh")
	require.NoError(t, os.WriteFile(script, []byte("#!/bin/sh\nDIR="+dir+"\n"+body+"\n"), 0o755))
	h := newHost(t, filepath.Join(dir, "data"))
	x, err := h.ExecVolumes(oshost.ExecConfig{Script: script, Timeout: timeout})
	require.NoError(t, err)
	return h, x, dir
}

func TestWhatAProgramForVolumesMayAnswer(t *testing.T) {
	for _, c := range []struct {
		name, body string
		again      bool   // worth repeating
		says       string // of the error; "" = none
	}{
		{"a directory", `mkdir -p $DIR/v && echo $DIR/v`, false, ""},
		{"with remarks", `mkdir -p $DIR/v && echo attaching >&2 && echo $DIR/v`, false, ""},
		{"not yet", `echo volume is detaching >&2; exit 75`, true, "volume is detaching"},
		{"no", `echo no such volume >&2; exit 3`, false, "no such volume"},
		{"nothing", `true`, false, "not one absolute path"},
		{"a relative path", `echo v`, false, "not one absolute path"},
		{"two paths", `echo /tmp; echo /var`, false, "not one absolute path"},
		{"what is not there", `echo $DIR/nowhere`, false, "does not do"},
		{"a file", `echo $DIR/volumes.sh`, false, "no directory"},
		{"far too much", `yes $DIR`, true, "killed"},
		{"too much", `yes $DIR | head -n 10000`, false, "printed more than"},
		{"nothing in time", `sleep 100 & sleep 100`, true, "killed"},
		{"an answer before its children end", `mkdir -p $DIR/v; sleep 3 & echo $DIR/v`, false, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h, x, _ := program(t, c.body, 700*time.Millisecond)
			if strings.HasPrefix(c.name, "an answer") || c.says == "printed more than" {
				h, x, _ = program(t, c.body, 30*time.Second)
			}
			err := x.Attach(h.Root(), execUse)
			_, open := h.Disk().Volume(h.Root(), execUse.Name)
			if c.says == "" {
				require.NoError(t, err)
				require.NoError(t, open)
				return
			}
			require.ErrorContains(t, err, c.says)
			require.Equal(t, c.again, errors.Is(err, host.ErrTimeout), "%v", err)
			require.ErrorIs(t, open, host.ErrNotExist, "it is not attached")
		})
	}
}

func TestAVolumeOfAProgramIsOpenOnlyWhileItIsAttached(t *testing.T) {
	h, x, dir := program(t,
		`echo "$@" >> $DIR/calls; mkdir -p $DIR/$2; [ $1 = attach ] && echo $DIR/$2; true`, time.Minute)
	sc := h.Root()
	_, err := h.Disk().Volume(sc, execUse.Name)
	require.ErrorIs(t, err, host.ErrNotExist)
	require.NoError(t, x.Create(sc, execUse, 4096))
	require.NoError(t, x.Attach(sc, execUse))
	v, err := h.Disk().Volume(sc, execUse.Name)
	require.NoError(t, err)
	f, err := v.Open("ring", host.Create)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	require.FileExists(t, filepath.Join(dir, execUUID, "ring"))
	require.NoError(t, x.Attach(sc, execUse), "again")
	other := execUse
	other.Name = "cluster/other"
	require.ErrorContains(t, x.Attach(sc, other), "both said to be", "two volumes in one directory")
	require.NoError(t, x.Detach(sc, execUse))
	_, err = h.Disk().Volume(sc, execUse.Name)
	require.ErrorIs(t, err, host.ErrNotExist)
	_, err = x.Delete(sc, execUse)
	require.NoError(t, err)
	calls, err := os.ReadFile(filepath.Join(dir, "calls"))
	require.NoError(t, err)
	u := " " + execUUID
	require.Equal(t, "create"+u+" 4096\nattach"+u+"\nattach"+u+"\nattach"+u+"\ndetach"+u+"\ndelete"+u+"\n", string(calls))
}

func TestAProgramKnowsWhoAsksAndNoSecrets(t *testing.T) {
	t.Setenv("WEIR_GOSSIP_KEY", "secret")
	t.Setenv("AWS_REGION", "eu-central-1")
	h, x, dir := program(t, `env > $DIR/env`, time.Minute)
	require.NoError(t, x.Detach(h.Root(), execUse))
	env, err := os.ReadFile(filepath.Join(dir, "env"))
	require.NoError(t, err)
	for _, want := range []string{"WEIR_CLUSTER_ID=" + execUse.Cluster, "WEIR_NODE_ID=7", "WEIR_BROKER_ID=7",
		"WEIR_BROKER_EPOCH=12", "WEIR_WAL_GENERATION=3", "WEIR_VOLUME_ID=" + execUUID, "AWS_REGION=eu-central-1"} {
		require.Contains(t, strings.Split(string(env), "\n"), want)
	}
	require.NotContains(t, string(env), "secret")
}

// TestAProgramKeepsNoLock: a lock is the proof that its process is dead, and a child that outlives it must not keep it.
func TestAProgramKeepsNoLock(t *testing.T) {
	h, x, dir := program(t, `sleep 60 >/dev/null 2>&1 & echo $! > $DIR/pid`, time.Minute)
	_, err := volume(t, h).Lock("lock")
	require.NoError(t, err)
	require.NoError(t, x.Detach(h.Root(), execUse))
	pid, err := os.ReadFile(filepath.Join(dir, "pid"))
	require.NoError(t, err)
	proc := "/proc/" + strings.TrimSpace(string(pid))
	t.Cleanup(func() { endProcess(t, strings.TrimSpace(string(pid))) })
	require.DirExists(t, proc, "the child lives")
	h.Close(nil)
	_, err = volume(t, newHost(t, filepath.Join(dir, "data"))).Lock("lock")
	require.NoError(t, err)
}

func TestTheEndOfAScopeEndsItsProgram(t *testing.T) {
	h, x, _ := program(t, `sleep 100`, time.Minute)
	sc, cancel := h.Root().Child(h.Now() + host.Time(300*time.Millisecond))
	defer cancel()
	begun := time.Now()
	require.ErrorIs(t, x.Detach(sc, execUse), host.ErrTimeout)
	require.Less(t, time.Since(begun), 20*time.Second)
}

func TestWhatCannotBeCalledIsRefusedAtOnce(t *testing.T) {
	dir := t.TempDir()
	h := newHost(t, dir)
	plain := filepath.Join(dir, "plain")
	require.NoError(t, os.WriteFile(plain, []byte("#!/bin/sh\n"), 0o600))
	for _, script := range []string{plain, dir, filepath.Join(dir, "nowhere")} {
		_, err := h.ExecVolumes(oshost.ExecConfig{Script: script, Timeout: time.Second})
		require.Error(t, err)
	}
}

func endProcess(t *testing.T, pid string) {
	t.Helper()
	n, err := strconv.Atoi(pid)
	require.NoError(t, err)
	p, err := os.FindProcess(n)
	require.NoError(t, err)
	require.NoError(t, p.Kill())
}
