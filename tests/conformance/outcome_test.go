package conformance

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/ginkgo/v2/types"
)

var outcomes = flag.String("outcomes", "", "Folder for outcomes.jsonl and, for each failed spec, its output and objects.")

// outcome is one line of outcomes.jsonl. Every process of a parallel run appends to the same file, a line at a time.
type outcome struct {
	Name     string    `json:"name"`
	State    string    `json:"state"`
	Started  time.Time `json:"started"`
	Ended    time.Time `json:"ended"`
	Message  string    `json:"message,omitempty"`
	Location string    `json:"location,omitempty"`
	Serial   bool      `json:"serial"`
	Folder   string    `json:"folder,omitempty"`
}

// record writes down a spec that ended. TestMain registers it, after the framework has previewed the specs: the preview
// would take it for itself, and call it for specs that never ran.
func record(report ginkgo.SpecReport) {
	if *outcomes == "" || report.LeafNodeType != types.NodeTypeIt || report.State == types.SpecStatePending {
		return
	}
	if report.State == types.SpecStateSkipped && report.Failure.Message == "" {
		return // left out by the selection
	}
	line := outcome{
		Name:    report.FullText(),
		State:   report.State.String(),
		Started: report.StartTime,
		Ended:   report.StartTime.Add(report.RunTime),
		Message: report.Failure.Message,
		Serial:  report.IsSerial,
	}
	if report.Failure.Message != "" {
		line.Location = report.Failure.Location.String()
	}
	if report.Failed() {
		line.Folder = folder(report)
		keep(line.Folder, "output.txt", "%s\n%s\n\n%s\n%s", report.Failure.Message, line.Location,
			report.CapturedGinkgoWriterOutput, report.CapturedStdOutErr)
	}
	data, err := json.Marshal(line)
	if err != nil {
		panic(err)
	}
	file, err := os.OpenFile(filepath.Join(*outcomes, "outcomes.jsonl"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		panic(err)
	}
	defer file.Close()
	if _, err := file.Write(append(data, '\n')); err != nil {
		panic(err)
	}
}

var unsafe = regexp.MustCompile(`[^A-Za-z0-9]+`)

// folder is the name of a spec's folder below -outcomes.
func folder(report ginkgo.SpecReport) string {
	name := strings.Trim(unsafe.ReplaceAllString(report.FullText(), "-"), "-")
	return filepath.Join("failures", name[:min(len(name), 150)])
}

// keep writes a file into a failed spec's folder.
func keep(folder, name, format string, arguments ...any) {
	path := filepath.Join(*outcomes, folder)
	if err := os.MkdirAll(path, 0o755); err != nil {
		panic(err)
	}
	if err := os.WriteFile(filepath.Join(path, name), []byte(fmt.Sprintf(format, arguments...)), 0o644); err != nil {
		panic(err)
	}
}
