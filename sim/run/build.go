package run

import (
	"bufio"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
)

// Build says what ran, and on what.
type Build struct {
	Commit    string `json:"commit"`   // "unknown" outside a repository
	Modified  bool   `json:"modified"` // the working copy differed from the commit
	Go        string `json:"go"`
	Platform  string `json:"platform"` // such as linux/amd64
	Cores     int    `json:"cores"`
	Processor string `json:"processor,omitempty"`
	Tags      string `json:"tags,omitempty"`
}

// ThisBuild describes this process.
func ThisBuild() Build {
	b := Build{
		Commit: "unknown", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH,
		Cores: runtime.NumCPU(), Processor: processor(),
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		case "-tags":
			b.Tags = s.Value
		}
	}
	return b
}

// processor is the name of the first processor, "" where the system does not tell.
func processor() string {
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if name, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
