package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// options are the command line.
type options struct {
	short  bool
	dir    string
	only   string
	window time.Duration
	rounds int
	weir   string // extra flags of the server
	prof   string
}

func main() {
	runtime.LockOSThread() // the children's death signal belongs to the thread that started them
	var o options
	flag.BoolVar(&o.short, "short", false, "about a minute instead of three")
	flag.StringVar(&o.dir, "dir", "", "directory on the disk to measure; default: the system's for temporary files")
	flag.StringVar(&o.only, "only", "", "run only the cases whose name contains this")
	flag.DurationVar(&o.window, "window", 0, "length of one run; default 1s, or 400ms with --short")
	flag.IntVar(&o.rounds, "rounds", 0, "runs of a case on each server; default 3, or 2 with --short")
	flag.StringVar(&o.weir, "weir", "", "more flags for weir server, separated by spaces")
	flag.StringVar(&o.prof, "profile", "", "FILE for a CPU profile of weir in the last case's first run")
	flag.Parse()
	if o.window == 0 {
		o.window = time.Second
		if o.short {
			o.window = 400 * time.Millisecond
		}
	}
	if o.rounds == 0 {
		o.rounds = 3
		if o.short {
			o.rounds = 2
		}
	}
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(o options) error {
	dir, err := os.MkdirTemp(o.dir, "weir-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b, err := open(o, dir)
	if err != nil {
		return err
	}
	defer b.close()
	began := time.Now()
	if err := b.warmUp(); err != nil {
		return err
	}
	var results []result
	for _, c := range cases() {
		if !strings.Contains(c.name, o.only) {
			continue
		}
		r, err := b.run(c)
		if err != nil {
			return err
		}
		fmt.Fprintf(os.Stderr, "%-75s %5s\n", c.name, percent(r.ratio()))
		results = append(results, r)
	}
	fmt.Printf("%d processors, %s a run, %d runs on each server in turn, measured in %s.\n\n",
		runtime.NumCPU(), o.window, o.rounds, time.Since(began).Round(time.Second))
	printTable(os.Stdout, results)
	fmt.Println()
	printVerdicts(os.Stdout, results)
	return nil
}

// bench is the two servers and the disk.
type bench struct {
	o          options
	weir, bare *server
	disk       *disk
	http       string // weir's /debug/pprof
}

const (
	memory    = "2560MiB"
	warmBytes = 1300 << 20 // what half of memory holds, and a little more
)

func open(o options, dir string) (*bench, error) {
	weirBin, err := build(dir, "./cmd/weir")
	if err != nil {
		return nil, err
	}
	bareBin, err := build(dir, "./bench/bare")
	if err != nil {
		return nil, err
	}
	b := &bench{o: o}
	if b.disk, err = openDisk(dir); err != nil {
		return nil, err
	}
	if b.bare, err = start("bare", "bare ready: ", bareBin, "--file", filepath.Join(dir, "bare", "ring")); err != nil {
		return nil, err
	}
	// Slabs for more than the WAL holds, as on any real machine, and yet few enough to touch all of them
	// before the measuring begins: fresh memory is slower than the disk here.
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	if b.http, err = freeAddr(); err != nil {
		return nil, err
	}
	args := []string{weirBin, "server", "--listen", addr, "--http", b.http,
		"--data", filepath.Join(dir, "weir"), "--memory", memory, "--wal-size", "1GiB"}
	args = append(args, strings.Fields(o.weir)...)
	if b.weir, err = start("weir", "weir ready: kafka ", args...); err != nil {
		b.bare.stop()
		return nil, err
	}
	return b, b.bare.pause()
}

func (b *bench) close() {
	b.weir.stop()
	b.bare.stop()
}

// freeAddr returns an address nobody listens on: weir says in its ready line what clients are told, not
// which port it was given.
func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// warmUp writes weir's ring and every slab once over. bare has done that at its start.
func (b *bench) warmUp() error {
	c := kase{name: "warm up", record: 4096, full: true, parts: 4, inFlight: 4}
	if err := createTopic(b.weir.addr, c.topic(), c.parts); err != nil {
		return err
	}
	for written := int64(0); written < warmBytes; {
		got, err := b.alone(c, b.weir, time.Second)
		if err != nil {
			return err
		}
		written += got.bytes
	}
	return nil
}

// run runs a case on both servers in turn, each pair in the other order than the one before.
func (b *bench) run(c kase) (result, error) {
	r := result{kase: c}
	if err := createTopic(b.weir.addr, c.topic(), c.parts); err != nil {
		return r, err
	}
	if b.o.prof != "" {
		done := b.profile()
		defer func() { <-done }()
	}
	for round := range b.o.rounds {
		order := []*server{b.weir, b.bare}
		if round%2 == 1 {
			order = []*server{b.bare, b.weir}
		}
		pair := result{kase: c}
		for _, s := range order {
			got, err := b.alone(c, s, b.o.window)
			if err != nil {
				return r, err
			}
			if s == b.weir {
				pair.weir = got
			} else {
				pair.bare = got
			}
		}
		r.weir.add(pair.weir)
		r.bare.add(pair.bare)
		r.ratios = append(r.ratios, pair.ratio())
		if !c.fetch && !c.full && c.inFlight == 1 && c.parts == 1 {
			n, err := b.disk.syncs(b.o.window / 4)
			if err != nil {
				return r, err
			}
			r.syncs += n / float64(b.o.rounds)
		}
	}
	return r, nil
}

// profile takes a profile of weir during the run that begins now; the returned channel closes with it.
func (b *bench) profile() <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		seconds := max(1, int(b.o.window.Seconds()))
		resp, err := http.Get(fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", b.http, seconds))
		if err != nil {
			fmt.Fprintln(os.Stderr, "bench: profile:", err)
			return
		}
		defer resp.Body.Close()
		raw, err := io.ReadAll(resp.Body)
		if err == nil {
			err = os.WriteFile(b.o.prof, raw, 0o644)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "bench: profile:", err)
		}
	}()
	return done
}

// settle waits until weir has uploaded what the run before left, so that no case pays for another one.
func (b *bench) settle() {
	const (
		quiet   = 192 << 20 // bytes in the ring: uploads begin at 64 MiB
		tooLong = 6 * time.Second
	)
	for began := time.Now(); time.Since(began) < tooLong; time.Sleep(20 * time.Millisecond) {
		if used, err := b.walUsed(); err != nil || used < quiet {
			return
		}
	}
}

// walUsed asks weir how much of its ring is taken.
func (b *bench) walUsed() (float64, error) {
	resp, err := http.Get("http://" + b.http + "/metrics")
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), "weir_wal_used_bytes "); ok {
			return strconv.ParseFloat(rest, 64)
		}
	}
	return 0, errors.New("weir_wal_used_bytes is not among the metrics")
}

// alone runs a case on one server while the other is stopped.
func (b *bench) alone(c kase, s *server, d time.Duration) (sample, error) {
	if s == b.weir {
		b.settle()
	}
	if s == b.bare {
		if err := b.weir.pause(); err != nil {
			return sample{}, err
		}
		defer func() { _ = b.weir.resume() }() // a dead server shows in the next run
		if err := b.bare.resume(); err != nil {
			return sample{}, err
		}
		defer func() { _ = b.bare.pause() }()
	}
	return c.run(s, d)
}
