package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestANoticeIsAFileThatAppears(t *testing.T) {
	file := filepath.Join(t.TempDir(), "notice")
	seen, err := watchNotice(file)
	require.NoError(t, err)
	select {
	case <-seen:
		t.Fatal("noticed before the file was there")
	default:
	}
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	select {
	case <-seen:
	case <-time.After(10 * time.Second):
		t.Fatal("not noticed")
	}
	_, err = watchNotice(file)
	require.ErrorContains(t, err, "is there already")
	none, err := watchNotice("")
	require.NoError(t, err)
	require.Nil(t, none)
}
