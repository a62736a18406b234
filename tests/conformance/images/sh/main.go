// Command sh is /bin/sh of the conformance suite's busybox image: busybox's shell, as specs read its messages, except
// when the environment holds names that are no shell variables (`data-1`): busybox's shell would drop those from its
// children's environment, and specs look for them there, so bash takes its place.
package main

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"syscall"
)

var variable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

func main() {
	program := "/bin/busybox"
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); !variable.MatchString(name) {
			program = "/bin/bash"
			break
		}
	}
	err := syscall.Exec(program, os.Args, os.Environ())
	fmt.Fprintf(os.Stderr, "%s: %v\n", program, err)
	os.Exit(126)
}
