//go:build integration

package clients

import (
	"strings"
	"testing"
)

// TestAdmin walks through a topic's life with every client's admin calls: create, refuse, list, describe,
// add partitions, settings, offsets by time, groups and their offsets, delete, create again.
func TestAdmin(t *testing.T) {
	s := startServer(t)
	walks := map[string]func(*testing.T, *server){
		"kcat":               walkKcat,
		"franz-go":           walkFranz,
		"sarama":             walkSarama,
		"confluent-kafka-go": walkConfluent,
		"kafka-python":       walkProcess(python),
		"java":               walkProcess(java),
	}
	for _, c := range clients {
		t.Run(c.name(), func(t *testing.T) {
			t.Parallel()
			walks[c.name()](t, s)
		})
	}
}

func walkProcess(p process) func(*testing.T, *server) {
	return func(t *testing.T, s *server) {
		t.Helper()
		cmd, stderr := p.start(t, "admin", s.addr)
		run(t, cmd, stderr, "")
	}
}

// timesOut of order are the timestamps of five records, and what a look-up by time must find.
var (
	timesOut   = []int64{1000, 3000, 2000, 4000, 3500}
	timeLookUp = []struct{ at, offset int64 }{{0, 0}, {1001, 1}, {3001, 3}, {4001, -1}}
)

// walkKcat does what kcat can: list, create by producing, query offsets by time.
func walkKcat(t *testing.T, s *server) {
	t.Helper()
	const topic = "kcat-walk"
	do := func(stdin string, args ...string) string {
		t.Helper()
		cmd, stderr := command(t, "kcat", append([]string{"-b", s.addr}, args...)...)
		return run(t, cmd, stderr, stdin)
	}
	wantText(t, do("", "-L"), " 1 brokers:", "broker 1 at "+s.addr+" (controller)")
	do("one\ntwo\nthree\n", "-P", "-t", topic)
	wantText(t, do("", "-L", "-t", topic), `topic "kcat-walk" with 1 partitions`,
		"partition 0, leader 1, replicas: 1, isrs: 1")
	wantText(t, do("", "-L", "-J"), `"topic":"kcat-walk"`, `"controllerid":1`)
	wantText(t, do("", "-Q", "-t", topic+":0:-1"), "kcat-walk [0] offset 3")
	wantText(t, do("", "-Q", "-t", topic+":0:-2"), "kcat-walk [0] offset 0")
	wantText(t, do("", "-Q", "-t", topic+":0:0"), "kcat-walk [0] offset 0")
	wantText(t, do("", "-C", "-t", topic, "-o", "-1", "-e", "-q"), "three\n")
	wantText(t, do("", "-C", "-t", topic, "-o", "1", "-c", "1", "-f", "%t %p %o %k %s %T", "-q"), "kcat-walk 0 1  two 1")
	do("key|value\nkey|\n", "-P", "-t", topic, "-K", "|", "-Z", "-H", "name=weir")
	wantText(t, do("", "-C", "-t", topic, "-o", "-2", "-e", "-q", "-f", "[%k %s %S %h]\n"),
		"[key value 5 name=weir]\n[key  -1 name=weir]\n")
}

func wantText(t *testing.T, got string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(got, p) {
			t.Fatalf("%q is not in what was printed:\n%s", p, got)
		}
	}
}

// expect fails the test with a claim that does not hold.
func expect(t *testing.T, ok bool, claim string, args ...any) {
	t.Helper()
	if !ok {
		t.Fatalf("not so: "+claim, args...)
	}
}

// must fails the test with an error.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
