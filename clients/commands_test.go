//go:build integration

package clients

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestCommandsOverATopicsLife(t *testing.T) {
	s := startServer(t)
	wantText(t, s.mustWeir("", "topic", "create", "orders", "-p", "3", "-c", "max.message.bytes=2000"),
		"created topic orders with 3 partitions")
	refusedWith(t, s, "TOPIC_ALREADY_EXISTS", "topic", "create", "orders")
	refusedWith(t, s, "INVALID_CONFIG", "topic", "create", "odd", "-c", "no.such.setting=1")
	refusedWith(t, s, "INVALID_TOPIC", "topic", "create", "a b")
	wantText(t, s.mustWeir("", "topic", "list"), "orders  3")
	if strings.Contains(s.mustWeir("", "topic", "list"), "__consumer_offsets") {
		t.Error("an internal topic is listed without --internal")
	}

	s.mustWeir("k1:v1\nk1:v2\nk2:v3\n", "produce", "orders", "-K", ":")
	wantText(t, s.mustWeir("", "topic", "describe", "orders"), "topic orders", "partitions 3", "online",
		"max.message.bytes=2000 (dynamic_topic_config)", "cleanup.policy=delete (default_config)")
	got := strings.Fields(s.mustWeir("", "consume", "orders", "-c", "3"))
	slices.Sort(got)
	sameValues(t, got, []string{"v1", "v2", "v3"})
	refusedWith(t, s, "MESSAGE_TOO_LARGE", "produce", "orders")

	wantText(t, s.mustWeir("", "topic", "delete", "orders"), "deleted topic orders")
	refusedWith(t, s, "UNKNOWN_TOPIC_OR_PARTITION", "topic", "describe", "orders")
	refusedWith(t, s, "UNKNOWN_TOPIC_OR_PARTITION", "topic", "delete", "orders")
	refusedWith(t, s, "UNKNOWN_TOPIC_OR_PARTITION", "consume", "orders", "--exit")
}

// refusedWith runs a command, with one long line on standard input, that must fail with a text.
func refusedWith(t *testing.T, s *server, text string, args ...string) {
	t.Helper()
	out, err := s.weir(strings.Repeat("x", 5000), args...)
	if err == nil {
		t.Fatalf("weir %s succeeds: %s", strings.Join(args, " "), out)
	}
	wantText(t, err.Error(), text)
}

func TestConsumeGoesOnWhereItsGroupWas(t *testing.T) {
	s := startServer(t)
	first, second := numbered("a", 100), numbered("b", 10)
	s.mustWeir(strings.Join(first, "\n"), "produce", "lines", "-z", "zstd") // creates the topic
	sameValues(t, strings.Fields(s.mustWeir("", "consume", "lines", "-g", "readers", "-c", "60")), first[:60])
	s.kill()
	s.start()
	s.mustWeir(strings.Join(second, "\n")+"\n", "produce", "lines")
	want := slices.Concat(first[60:], second)
	sameValues(t, strings.Fields(s.mustWeir("", "consume", "lines", "-g", "readers", "-c", "50")), want)

	start := time.Now()
	if out := s.mustWeir("", "consume", "lines", "-g", "readers", "--exit"); out != "" {
		t.Errorf("the group has read everything, but it printed %q", out)
	}
	t.Logf("joined and saw the end in %s", time.Since(start))
	wantText(t, s.mustWeir("", "group", "list"), "readers", "Empty", "consumer")
	wantText(t, s.mustWeir("", "group", "describe", "readers"), "group readers  state Empty", "lines", "110")
	refusedWith(t, s, "GROUP_ID_NOT_FOUND", "group", "describe", "nobody")
	wantText(t, s.mustWeir("", "group", "delete", "readers"), "deleted group readers")
	refusedWith(t, s, "GROUP_ID_NOT_FOUND", "group", "delete", "readers")
	sameValues(t, strings.Fields(s.mustWeir("", "consume", "lines", "-o", "-c", "1")), []string{"0:0", first[0]})
	if out := s.mustWeir("", "consume", "lines", "--latest", "--exit"); out != "" {
		t.Errorf("nothing is new, but it printed %q", out)
	}
}

func TestCommandsSayWhyTheyFail(t *testing.T) {
	s := startServer(t)
	s.stop()
	for _, args := range [][]string{{"topic", "list"}, {"group", "list"}, {"consume", "x"}, {"produce", "x"}} {
		refusedWith(t, s, "is `weir server` running there?", args...)
	}
	s.start()
}
