package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/cover"
	"github.com/open-policy-agent/opa/v1/loader"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/runtime/info"
	"github.com/open-policy-agent/opa/v1/storage"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/tester"
	"github.com/open-policy-agent/opa/v1/topdown"
	"github.com/open-policy-agent/opa/v1/topdown/builtins"
	"github.com/open-policy-agent/opa/v1/topdown/lineage"
	"github.com/open-policy-agent/opa/v1/util"
)

const testTimeout = 5 * time.Second

// output has the form of what `opa eval` and `opa check` print; the type that they print is internal to OPA.
type output struct {
	Errors      []outputError    `json:"errors,omitempty"`
	Result      rego.ResultSet   `json:"result,omitempty"`
	Explanation []*topdown.Event `json:"explanation,omitempty"`
	Coverage    *cover.Report    `json:"coverage,omitempty"`
}

type outputError struct {
	Message    string             `json:"message"`
	Code       string             `json:"code,omitempty"`
	Location   *ast.Location      `json:"location,omitempty"`
	Details    any                `json:"details,omitempty"`
	StackTrace topdown.StackTrace `json:"stack_trace,omitempty"`
	err        error
}

func outputErrors(err error) []outputError {
	switch typed := err.(type) {
	case nil:
		return nil
	case *ast.Error:
		return []outputError{{Code: typed.Code, Message: typed.Message, Details: typed.Details, Location: typed.Location, err: typed}}
	case *topdown.Error:
		return []outputError{{Code: typed.Code, Message: typed.Message, Location: typed.Location, StackTrace: typed.StackTrace, err: typed}}
	case *storage.Error:
		return []outputError{{Code: typed.Code, Message: typed.Message, err: typed}}
	case ast.Errors:
		return each(typed)
	case rego.Errors:
		return each(typed)
	case loader.Errors:
		return each(typed)
	}
	if inner := errors.Unwrap(err); inner != nil {
		unwrapped := outputErrors(inner)
		for _, one := range unwrapped {
			if one.Code != "" {
				return unwrapped
			}
		}
	}
	plain := outputError{Message: err.Error(), err: err}
	if detailed, ok := err.(rego.ErrorDetails); ok {
		plain.Details = strings.Join(detailed.Lines(), "\n")
	}
	return []outputError{plain}
}

func each[E error](list []E) []outputError {
	var all []outputError
	for _, one := range list {
		all = append(all, outputErrors(one)...)
	}
	return all
}

// errorText is how OPA prints errors for people.
func errorText(list []outputError) string {
	lines := make([]string, 0, len(list))
	for _, one := range list {
		lines = append(lines, one.err.Error())
		if details, ok := one.Details.(string); ok {
			lines = append(lines, details)
		}
		if len(one.StackTrace) > 0 {
			lines = append(lines, "\nTraceback:\n"+one.StackTrace.String())
		}
	}
	if len(list) == 1 {
		return "1 error occurred: " + strings.Join(lines, "\n")
	}
	return fmt.Sprintf("%d errors occurred:\n%s", len(list), strings.Join(lines, "\n"))
}

func eval(c *command, flags *pflag.FlagSet, args []string) (int, error) {
	formatted := flags.StringP("format", "f", "json", "")
	stdinInput := flags.BoolP("stdin-input", "I", false, "")
	data := flags.StringArrayP("data", "d", nil, "")
	bundles := flags.StringArrayP("bundle", "b", nil, "")
	coverage := flags.Bool("coverage", false, "")
	explain := flags.String("explain", "off", "")
	if err := flags.Parse(args); err != nil {
		return 1, err
	}
	if flags.NArg() != 1 {
		return 1, errors.New("specify one query argument")
	}
	if *explain != "off" && *explain != "fails" {
		return 1, fmt.Errorf("the mode %q of --explain is not in this build of OPA", *explain)
	}
	options, err := c.regoOptions(flags.Arg(0), *data, *bundles, *stdinInput)
	if err != nil {
		return 2, c.show(*formatted, output{Errors: outputErrors(err)})
	}
	result, err := c.evaluate(options, *coverage, *explain == "fails")
	result.Errors = outputErrors(err)
	code := 0
	if err != nil {
		code = 2
	}
	return code, c.show(*formatted, result)
}

func (c *command) regoOptions(query string, data, bundles []string, stdinInput bool) ([]func(*rego.Rego), error) {
	environment, err := info.New()
	if err != nil {
		return nil, err
	}
	capabilities := ast.CapabilitiesForThisVersion()
	options := []func(*rego.Rego){
		rego.Query(query),
		rego.Runtime(environment),
		rego.SetRegoVersion(ast.DefaultRegoVersion),
		rego.Capabilities(capabilities),
		rego.StackTraces(true),
		rego.EnablePrintStatements(true),
		rego.PrintHook(topdown.NewPrintHook(&c.stderr)),
	}
	if len(data) > 0 {
		loaded, err := c.loader(capabilities).Filtered(data, nil)
		if err != nil {
			return nil, err
		}
		for _, module := range loaded.Modules {
			options = append(options, rego.ParsedModule(module.Parsed))
		}
		options = append(options, rego.Store(inmem.NewFromObjectWithOpts(loaded.Documents, inmem.OptRoundTripOnWrite(false))))
	}
	for _, name := range bundles {
		loaded, err := c.loader(capabilities).WithSkipBundleVerification(true).AsBundle(name)
		if err != nil {
			return nil, fmt.Errorf("loading error: %s", err)
		}
		options = append(options, rego.ParsedBundle(name, loaded))
	}
	if !stdinInput {
		return options, nil
	}
	var input any
	if err := util.Unmarshal(c.stdin, &input); err != nil {
		return nil, fmt.Errorf("unable to parse input: %s", err.Error())
	}
	value, err := ast.InterfaceToValue(input)
	if err != nil {
		return nil, fmt.Errorf("unable to process input: %s", err.Error())
	}
	return append(options, rego.ParsedInput(value)), nil
}

func (c *command) evaluate(options []func(*rego.Rego), coverage, explain bool) (output, error) {
	ctx := context.Background()
	query, err := rego.New(options...).PrepareForEval(ctx)
	if err != nil {
		return output{}, err
	}
	if explain {
		tracer := topdown.NewBufferTracer()
		results, err := query.Eval(ctx, rego.EvalQueryTracer(tracer))
		return output{Result: results, Explanation: lineage.Fails(*tracer)}, err
	}
	if !coverage {
		results, err := query.Eval(ctx)
		return output{Result: results}, err
	}
	// As `opa eval` does: passes without the rule index and without early exits say why a line wasn't covered.
	covered, unindexed, unhurried := cover.New(), cover.New(), cover.New()
	covered.AddRun(cover.KindIndexExcluded, unindexed)
	covered.AddRun(cover.KindEarlyExit, unhurried)
	cache := builtins.NDBCache{}
	results, err := query.Eval(ctx, rego.EvalQueryTracer(covered), rego.EvalNDBuiltinCache(cache))
	if err == nil {
		for _, again := range [][]rego.EvalOption{cover.NoIndexingEvalOptions(unindexed, cache), cover.NoEarlyExitEvalOptions(unhurried, cache)} {
			if _, failed := query.Eval(ctx, again...); failed != nil {
				fmt.Fprintf(&c.stderr, "warning: a coverage pass failed: %v\n", failed)
			}
		}
	}
	report := covered.Report(query.Modules())
	return output{Result: results, Coverage: &report}, err
}

func (c *command) show(formatted string, result output) error {
	if formatted != "raw" {
		return writeJSON(&c.stdout, result)
	}
	if result.Errors != nil {
		fmt.Fprintln(&c.stderr, errorText(result.Errors))
		return nil
	}
	for _, row := range result.Result {
		for i, expression := range row.Expressions {
			if i > 0 {
				c.stdout.WriteByte(' ')
			}
			if text, ok := expression.Value.(string); ok {
				c.stdout.WriteString(text)
				continue
			}
			text, err := json.Marshal(expression.Value)
			if err != nil {
				return err
			}
			c.stdout.Write(text)
		}
		c.stdout.WriteByte('\n')
	}
	return nil
}

func test(c *command, flags *pflag.FlagSet, args []string) (int, error) {
	formatted := flags.StringP("format", "f", "pretty", "")
	verbose := flags.BoolP("verbose", "v", false, "")
	variables := flags.Bool("var-values", false, "")
	chosen := flags.StringP("run", "r", "", "")
	limit := flags.DurationP("timeout", "t", testTimeout, "")
	if err := flags.Parse(args); err != nil {
		return 1, err
	}
	if flags.NArg() == 0 {
		return 1, errors.New("specify at least one file")
	}
	ctx := context.Background()
	loaded, err := c.loader(nil).Filtered(flags.Args(), func(string, fs.FileInfo, int) bool { return false })
	if err != nil {
		return 1, err
	}
	store := inmem.NewFromObject(loaded.Documents)
	txn, err := store.NewTransaction(ctx, storage.WriteParams)
	if err != nil {
		return 1, err
	}
	defer store.Abort(ctx, txn)
	environment, err := info.New()
	if err != nil {
		return 1, err
	}
	compiler := ast.NewCompiler().
		SetErrorLimit(ast.CompileErrorLimitDefault).
		WithPathConflictsCheck(storage.NonEmpty(ctx, store, txn)).
		WithEnablePrintStatements(true).
		WithCapabilities(ast.CapabilitiesForThisVersion()).
		WithUseTypeCheckAnnotations(true).
		WithRewriteTestRules(*variables)
	results, err := tester.NewRunner().
		SetCompiler(compiler).
		SetStore(store).
		CapturePrintOutput(true).
		EnableTracing(*verbose || *variables).
		StackTraces(true).
		SetRuntime(environment).
		SetModules(maps.Clone(loaded.ParsedModules())).
		SetTimeout(*limit).
		Filter(*chosen).
		RunTests(ctx, txn)
	if err != nil {
		return 1, err
	}
	var reporter tester.Reporter = tester.PrettyReporter{Verbose: *verbose, Output: &c.stdout, FailureLine: *variables, LocalVars: *variables}
	if *formatted == "json" {
		reporter = tester.JSONReporter{Output: &c.stdout, Sort: "none"}
	}
	code := 0
	seen := make(chan *tester.Result)
	go func() {
		defer close(seen)
		for result := range results {
			if !result.Pass() {
				code = 2
			}
			result.Trace = shownTrace(*verbose, result.Trace)
			seen <- result
		}
	}()
	if err := reporter.Report(seen); err != nil {
		return 1, err
	}
	return code, nil
}

// shownTrace keeps of a trace what `opa test` shows when no mode of explanation is chosen.
func shownTrace(verbose bool, trace []*topdown.Event) []*topdown.Event {
	if !verbose {
		return lineage.Fails(trace)
	}
	return lineage.Filter(trace, func(event *topdown.Event) bool { return event.Op == topdown.NoteOp || event.Op == topdown.FailOp })
}
