package main

import (
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
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
	pprof  string
}

func main() {
	runtime.LockOSThread() // the children's death signal belongs to the thread that started them
	var o options
	flag.BoolVar(&o.short, "short", false, "about a minute instead of three")
	flag.StringVar(&o.dir, "dir", "", "directory on the disk to measure; default: the system's for temporary files")
	flag.StringVar(&o.only, "only", "", "run only the cases whose name contains this")
	flag.DurationVar(&o.window, "window", 0, "length of one run; default 2s, or 600ms with --short")
	flag.IntVar(&o.rounds, "rounds", 2, "runs of a case on each server")
	flag.StringVar(&o.weir, "weir", "", "more flags for weir server, separated by spaces")
	flag.StringVar(&o.pprof, "http", "", "address of the server's /debug/pprof; default: none")
	flag.Parse()
	if o.window == 0 {
		o.window = 1800 * time.Millisecond
		if o.short {
			o.window = 600 * time.Millisecond
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
}

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
	// Little memory, so that every slab has been touched once when the measuring begins.
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	args := []string{weirBin, "server", "--listen", addr, "--http", o.pprof,
		"--data", filepath.Join(dir, "weir"), "--memory", "1GiB", "--wal-size", "1GiB"}
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

// warmUp writes both rings once over, and every slab.
func (b *bench) warmUp() error {
	c := kase{name: "warm up", record: 4096, full: true, parts: 4, inFlight: 4}
	if err := createTopic(b.weir.addr, c.topic(), c.parts); err != nil {
		return err
	}
	for _, s := range []*server{b.weir, b.bare} {
		if _, err := b.alone(c, s, 4*b.o.window); err != nil {
			return err
		}
	}
	return nil
}

// run runs a case on both servers in turn, each pair in the other order than the one before.
func (b *bench) run(c kase) (result, error) {
	r := result{kase: c}
	if err := createTopic(b.weir.addr, c.topic(), c.parts); err != nil {
		return r, err
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

// alone runs a case on one server while the other is stopped.
func (b *bench) alone(c kase, s *server, d time.Duration) (sample, error) {
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
