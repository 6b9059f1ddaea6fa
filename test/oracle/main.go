// Oracle answers what OPA's own evaluator answers, so that the WASM engine can be held against it.
//
//	oracle BUNDLE ENTRYPOINT < inputs.jsonl > results.jsonl
//
// Each line of input is one JSON document; each line of output is the entrypoint's value for it, `null` where it is
// undefined, or {"error": …}. The bundle's policy.wasm isn't looked at: its sources are compiled here. Every core
// evaluates; the lines of output keep the order of the input's.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/util"
)

const (
	lineBytesMax = 16 << 20
	// Lines read ahead of their answers: enough to keep every core busy while the asker is.
	linesMax  = 1 << 12
	gcPercent = 800
)

func main() {
	// Memory is bounded by the lines under way; collecting less often is a fifth of the time.
	debug.SetGCPercent(gcPercent)
	log.SetFlags(0)
	if len(os.Args) != 3 {
		log.Fatal("usage: oracle BUNDLE ENTRYPOINT")
	}
	if err := run(os.Args[1], "data."+strings.ReplaceAll(os.Args[2], "/", ".")); err != nil {
		log.Fatal(err)
	}
}

func run(bundle, query string) error {
	ctx := context.Background()
	prepared, err := rego.New(rego.Query(query), rego.LoadBundle(bundle), rego.SkipBundleVerification(true)).PrepareForEval(ctx)
	if err != nil {
		return err
	}
	var (
		asked = make(chan question, linesMax)
		order = make(chan chan []byte, linesMax)
		wrote = make(chan error, 1)
	)
	for range runtime.GOMAXPROCS(0) {
		go func() {
			for each := range asked {
				each.answer <- answer(ctx, prepared, each.line)
			}
		}()
	}
	go func() { wrote <- write(order) }()
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(make([]byte, 0, 1<<16), lineBytesMax)
	for in.Scan() {
		next := question{bytes.Clone(in.Bytes()), make(chan []byte, 1)}
		// Once writing has failed nobody takes from the full queue any more.
		select {
		case order <- next.answer:
		case err := <-wrote:
			return err
		}
		asked <- next
	}
	close(order)
	if err := in.Err(); err != nil {
		return err
	}
	return <-wrote
}

type question struct {
	line   []byte
	answer chan []byte
}

// write flushes whenever nothing more waits, since whoever asked one question waits for its answer.
func write(order <-chan chan []byte) error {
	out := bufio.NewWriter(os.Stdout)
	for next := range order {
		if _, err := out.Write(append(<-next, '\n')); err != nil {
			return err
		}
		if len(order) == 0 {
			if err := out.Flush(); err != nil {
				return err
			}
		}
	}
	return out.Flush()
}

func answer(ctx context.Context, query rego.PreparedEvalQuery, line []byte) []byte {
	var document any
	// Numbers keep the spelling they came in, as they do in OPA's server.
	decoder := util.NewJSONDecoder(bytes.NewReader(line))
	if err := decoder.Decode(&document); err != nil {
		return failure(err)
	}
	input, err := ast.InterfaceToValue(document)
	if err != nil {
		return failure(err)
	}
	results, err := query.Eval(ctx, rego.EvalParsedInput(input))
	if err != nil {
		return failure(err)
	}
	if len(results) == 0 {
		return []byte("null")
	}
	value, err := json.Marshal(results[0].Expressions[0].Value)
	if err != nil {
		return failure(err)
	}
	return value
}

func failure(err error) []byte {
	text, _ := json.Marshal(map[string]string{"error": fmt.Sprint(err)})
	return text
}
