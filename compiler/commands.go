package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"github.com/open-policy-agent/opa/v1/ast"
	astJSON "github.com/open-policy-agent/opa/v1/ast/json"
	"github.com/open-policy-agent/opa/v1/bundle"
	"github.com/open-policy-agent/opa/v1/compile"
	"github.com/open-policy-agent/opa/v1/format"
	"github.com/open-policy-agent/opa/v1/loader"
	"github.com/open-policy-agent/opa/v1/util"
)

func capabilities(c *command, flags *pflag.FlagSet, args []string) (int, error) {
	current := flags.Bool("current", false, "")
	if err := flags.Parse(args); err != nil {
		return 1, err
	}
	if !*current {
		return 1, errors.New("only --current is in this build of OPA")
	}
	text, err := json.MarshalIndent(ast.CapabilitiesForThisVersion(), "", "  ")
	fmt.Fprintln(&c.stdout, string(text))
	return 0, err
}

// capabilitiesFrom reads a file of capabilities; of none they are those of this version.
func (c *command) capabilitiesFrom(name string) (*ast.Capabilities, error) {
	if name == "" {
		return ast.CapabilitiesForThisVersion(), nil
	}
	text, err := c.files.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("no such file or capabilities version found: %v", name)
	}
	return ast.LoadCapabilitiesJSON(bytes.NewReader(text))
}

func parse(c *command, flags *pflag.FlagSet, args []string) (int, error) {
	formatted := flags.StringP("format", "f", "pretty", "")
	include := flags.String("json-include", "", "")
	if err := flags.Parse(args); err != nil {
		return 1, err
	}
	if flags.NArg() == 0 {
		return 1, errors.New("no source file specified")
	}
	locations, comments := false, true
	for option := range strings.SplitSeq(*include, ",") {
		wanted := !strings.HasPrefix(option, "-")
		if strings.HasSuffix(option, "locations") {
			locations = wanted
		}
		if strings.HasSuffix(option, "comments") {
			comments = wanted
		}
	}
	if locations {
		shown := astJSON.NodeToggle{
			Term: true, Package: true, Comment: true, Import: true, Rule: true, Head: true, Expr: true,
			SomeDecl: true, Every: true, With: true, Annotations: true, AnnotationsRef: true,
		}
		astJSON.SetOptions(astJSON.Options{MarshalOptions: astJSON.MarshalOptions{IncludeLocationText: true, IncludeLocation: shown}})
		defer astJSON.SetOptions(astJSON.Defaults())
	}
	module, err := c.module(flags.Arg(0))
	if err != nil {
		return 1, writeJSON(&c.stderr, output{Errors: outputErrors(err)})
	}
	if !comments {
		module.Comments = nil
	}
	if *formatted != "json" {
		ast.Pretty(&c.stdout, module)
		return 0, nil
	}
	text, err := json.MarshalIndent(module, "", "  ")
	if err != nil {
		return 1, writeJSON(&c.stderr, output{Errors: outputErrors(err)})
	}
	c.stdout.Write(append(text, '\n'))
	return 0, nil
}

func (c *command) module(name string) (*ast.Module, error) {
	text, err := c.files.ReadFile(name)
	if err != nil {
		return nil, err
	}
	options := ast.ParserOptions{ProcessAnnotation: true, RegoVersion: ast.DefaultRegoVersion}
	module, err := ast.ParseModuleWithOpts(name, string(text), options)
	if err == nil && module == nil {
		return nil, &ast.Error{Code: ast.ParseErr, Message: "empty module", Location: ast.NewLocation(nil, name, 1, 1)}
	}
	return module, err
}

func formatSources(c *command, flags *pflag.FlagSet, args []string) (int, error) {
	list := flags.BoolP("list", "l", false, "")
	fail := flags.Bool("fail", false, "")
	if err := flags.Parse(args); err != nil {
		return 1, err
	}
	for _, root := range flags.Args() {
		err := fs.WalkDir(c.files, root, func(name string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || filepath.Ext(name) != ".rego" {
				return err
			}
			return c.formatFile(name, *list, *fail)
		})
		if refused, ok := errors.AsType[formatError](err); ok {
			return 2, refused
		}
		if err != nil {
			return 1, err
		}
	}
	return 0, nil
}

// formatError is one that `opa fmt` ends for with code 2.
type formatError string

func (e formatError) Error() string { return string(e) }

func (c *command) formatFile(name string, list, fail bool) error {
	content, err := c.files.ReadFile(name)
	if err != nil {
		return formatError(fmt.Sprintf("failed to open file: %v", err))
	}
	failFast := fail && !list
	current := ast.CapabilitiesForThisVersion()
	formatted, err := format.SourceWithOpts(name, content, format.Opts{
		RegoVersion:   ast.DefaultRegoVersion,
		Capabilities:  current,
		ParserOptions: &ast.ParserOptions{RegoVersion: ast.DefaultRegoVersion, Capabilities: current},
		FailFast:      failFast,
	})
	if err != nil {
		if _, ok := errors.AsType[format.UnformattedError](err); ok {
			return formatError("unexpected diff")
		}
		return formatError(fmt.Sprintf("failed to format Rego source file: %v", err))
	}
	if _, err := ast.ParseModuleWithOpts("formatted", string(formatted), ast.ParserOptions{RegoVersion: ast.DefaultRegoVersion}); err != nil {
		return formatError(fmt.Sprintf("%s was successfully formatted, but the result is invalid: %v", name, err))
	}
	changed := !bytes.Equal(content, formatted)
	switch {
	case failFast && changed:
		return formatError("unexpected diff")
	case list && changed:
		fmt.Fprintln(&c.stdout, name)
		if fail {
			return formatError("unexpected diff")
		}
	case !list:
		c.stdout.Write(formatted)
	}
	return nil
}

func check(c *command, flags *pflag.FlagSet, args []string) (int, error) {
	formatted := flags.StringP("format", "f", "pretty", "")
	errorsMax := flags.IntP("max-errors", "m", ast.CompileErrorLimitDefault, "")
	ignore := flags.StringSlice("ignore", nil, "")
	allowed := flags.String("capabilities", "", "")
	schemas := flags.StringP("schema", "s", "", "")
	strict := flags.BoolP("strict", "S", false, "")
	if err := flags.Parse(args); err != nil {
		return 1, err
	}
	if flags.NArg() == 0 {
		return 1, errors.New("specify at least one file")
	}
	if err := c.checkModules(flags.Args(), *errorsMax, *ignore, *allowed, *schemas, *strict); err != nil {
		if *formatted == "json" {
			return 1, writeJSON(&c.stderr, output{Errors: outputErrors(err)})
		}
		return 1, err
	}
	return 0, nil
}

func (c *command) checkModules(paths []string, errorsMax int, ignore []string, allowed, schemaPath string, strict bool) error {
	capabilities, err := c.capabilitiesFrom(allowed)
	if err != nil {
		return err
	}
	schemas, err := c.schemas(schemaPath)
	if err != nil {
		return err
	}
	loaded, err := c.loader(capabilities).Filtered(paths, func(abspath string, info fs.FileInfo, depth int) bool {
		return !info.IsDir() && filepath.Ext(info.Name()) != bundle.RegoExt || ignoring(ignore)(abspath, info, depth)
	})
	if err != nil {
		return err
	}
	compiler := ast.NewCompiler().
		SetErrorLimit(errorsMax).
		WithCapabilities(capabilities).
		WithSchemas(schemas).
		WithEnablePrintStatements(true).
		WithStrict(strict).
		WithUseTypeCheckAnnotations(true)
	if compiler.Compile(loaded.ParsedModules()); compiler.Failed() {
		return compiler.Errors
	}
	return nil
}

func (c *command) loader(capabilities *ast.Capabilities) loader.FileLoader {
	return loader.NewFileLoader().
		WithFS(c.files).
		WithRegoVersion(ast.DefaultRegoVersion).
		WithProcessAnnotation(true).
		WithCapabilities(capabilities)
}

func ignoring(patterns []string) loader.Filter {
	return func(abspath string, info fs.FileInfo, depth int) bool {
		for _, pattern := range patterns {
			if loader.GlobExcludeName(pattern, 1)(abspath, info, depth) {
				return true
			}
		}
		return false
	}
}

// schemas reads a folder of JSON schemas, each named by its path, as `loader.Schemas` does from a disk.
func (c *command) schemas(root string) (*ast.SchemaSet, error) {
	if root == "" {
		return nil, nil
	}
	set := ast.NewSchemaSet()
	return set, fs.WalkDir(c.files, root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := c.files.ReadFile(name)
		if err != nil {
			return err
		}
		var schema any
		if err := util.Unmarshal(text, &schema); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		key := ast.Ref{ast.SchemaRootDocument}
		below := strings.TrimPrefix(strings.TrimSuffix(name, path.Ext(name)), path.Clean(root)+"/")
		for part := range strings.SplitSeq(below, "/") {
			key = append(key, ast.StringTerm(part))
		}
		set.Put(key, schema)
		return nil
	})
}

func build(c *command, flags *pflag.FlagSet, args []string) (int, error) {
	target := flags.StringP("target", "t", "rego", "")
	bundleMode := flags.BoolP("bundle", "b", false, "")
	prune := flags.Bool("prune-unused", false, "")
	allowed := flags.String("capabilities", "", "")
	entrypoints := flags.StringArrayP("entrypoint", "e", nil, "")
	to := flags.StringP("output", "o", "bundle.tar.gz", "")
	if err := flags.Parse(args); err != nil {
		return 1, err
	}
	if flags.NArg() == 0 {
		return 1, errors.New("expected at least one path")
	}
	capabilities, err := c.capabilitiesFrom(*allowed)
	if err != nil {
		return 1, err
	}
	var archive bytes.Buffer
	compiler := compile.New().
		WithFS(c.files).
		WithCapabilities(capabilities).
		WithTarget(*target).
		WithAsBundle(*bundleMode).
		WithPruneUnused(*prune).
		WithOutput(&archive).
		WithEntrypoints(*entrypoints...).
		WithRegoAnnotationEntrypoints(true).
		WithPaths(flags.Args()...).
		WithFilter(func(abspath string, info fs.FileInfo, _ int) bool {
			return !*bundleMode && !info.IsDir() && strings.HasSuffix(abspath, ".tar.gz")
		}).
		WithRegoVersion(ast.DefaultRegoVersion)
	if err := compiler.Build(context.Background()); err != nil {
		fmt.Fprintln(&c.stdout, "error:", err)
		return 1, nil
	}
	c.written[*to] = archive.Bytes()
	return 0, nil
}

func writeJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}
