// Compiler runs OPA's commands on files in memory, so that OPA compiled to WebAssembly needs no file system and no network.
//
// It exports one pure function, {args, files, stdin} → {code, stdout, stderr, files}, in three calls that a host makes: `reserve`
// gives memory for a question, `run` answers it, `answered` says where the answer is. Both are JSON. Commands, options, output
// and exit codes are those of the `opa` program of the same version; what isn't needed to check, build and test policies is absent.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unsafe"

	"github.com/spf13/pflag"

	"github.com/open-policy-agent/opa/v1/version"
)

type question struct {
	Args  []string          `json:"args"`
	Files map[string][]byte `json:"files"`
	Stdin []byte            `json:"stdin"`
}

type answer struct {
	Code   int               `json:"code"`
	Stdout string            `json:"stdout"`
	Stderr string            `json:"stderr"`
	Files  map[string][]byte `json:"files"`
}

// command is one run: what it may read, and what it has said and written so far.
type command struct {
	files   fileSystem
	stdin   []byte
	stdout  bytes.Buffer
	stderr  bytes.Buffer
	written map[string][]byte
}

var commands = map[string]func(*command, *pflag.FlagSet, []string) (int, error){
	"build":        build,
	"capabilities": capabilities,
	"check":        check,
	"eval":         eval,
	"fmt":          formatSources,
	"parse":        parse,
	"test":         test,
	"version":      showVersion,
}

// Bytes of one question and one answer: what the host holds an address of must not be collected.
var asked, said []byte

func main() {}

//go:wasmexport reserve
func reserve(size uint32) unsafe.Pointer {
	asked = make([]byte, size)
	return unsafe.Pointer(unsafe.SliceData(asked))
}

//go:wasmexport run
func run() uint32 {
	said, _ = json.Marshal(answerTo(asked))
	asked = nil
	return uint32(len(said))
}

//go:wasmexport answered
func answered() unsafe.Pointer {
	return unsafe.Pointer(unsafe.SliceData(said))
}

func answerTo(text []byte) (result answer) {
	var q question
	if err := json.Unmarshal(text, &q); err != nil {
		return answer{Code: 2, Stderr: fmt.Sprintln("unreadable question:", err)}
	}
	c := &command{files: newFileSystem(q.Files), stdin: q.Stdin, written: map[string][]byte{}}
	defer func() {
		if cause := recover(); cause != nil {
			result = answer{Code: 2, Stderr: fmt.Sprintln("panic:", cause)}
		}
	}()
	code, err := c.dispatch(q.Args)
	if err != nil {
		fmt.Fprintln(&c.stderr, err)
		code = max(code, 1)
	}
	return answer{Code: code, Stdout: c.stdout.String(), Stderr: c.stderr.String(), Files: c.written}
}

func (c *command) dispatch(args []string) (int, error) {
	if len(args) == 0 {
		return 2, errors.New("no command")
	}
	name, args := args[0], args[1:]
	use, ok := commands[name]
	if !ok {
		return 2, fmt.Errorf("the command %q is not in this build of OPA", name)
	}
	flags := pflag.NewFlagSet(name, pflag.ContinueOnError)
	flags.SetOutput(io.Discard)
	return use(c, flags, args)
}

func showVersion(c *command, _ *pflag.FlagSet, _ []string) (int, error) {
	fmt.Fprintln(&c.stdout, "Version: "+version.Version)
	return 0, nil
}
