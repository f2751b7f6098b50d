//go:build integration

package clients

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
)

// python is kafka-python, found by PYTHONPATH.
var python = process{language: "kafka-python", command: func() ([]string, error) {
	return []string{"python3", "testdata/client.py"}, nil
}}

// java is the Java client; WEIR_JAVA_CLIENT names the folder with its jars.
var java = process{language: "java", command: sync.OnceValues(func() ([]string, error) {
	jars := os.Getenv("WEIR_JAVA_CLIENT")
	if jars == "" {
		jars = "../bin/java"
	}
	if found, err := filepath.Glob(filepath.Join(jars, "kafka-clients-*.jar")); err != nil || len(found) == 0 {
		return nil, fmt.Errorf("no kafka-clients jar in %s: run `make clients`, or name its folder in WEIR_JAVA_CLIENT", jars)
	}
	classes, err := os.MkdirTemp("", "weir-java-")
	if err != nil {
		return nil, err
	}
	cleanups = append(cleanups, classes)
	sources, err := filepath.Glob("testdata/java/*.java")
	if err != nil {
		return nil, err
	}
	path := classes + ":" + filepath.Join(jars, "*")
	javac := exec.Command("javac", append([]string{"-cp", path, "-d", classes}, sources...)...)
	if out, err := javac.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("compile the Java client: %w\n%s", err, out)
	}
	return []string{"java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx128m", "-cp", path, "Client"}, nil
})}
