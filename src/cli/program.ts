/** The `remit` command, whichever subcommands it has: packages differ in these alone. */
import { realpathSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Command, CommanderError } from "commander";
import { OPEN_FILES_HINT, OPEN_FILES_LEAST, openFilesMax } from "../system/open_files.js";
import { packageVersion } from "../system/package_version.js";
import { CliError, EXIT_CODES, type Exit } from "./exit.js";
import { sayFailure, terminal, type Ui } from "./ui.js";

/** Adds a subcommand. Its action returns how it went, and throws what `sayFailure` can describe. */
type AddCommand = (program: Command, ui: Ui, finish: (exit: Exit) => void) => void | Promise<void>;

/** Subcommands by name, each loaded when it is needed. */
export type Subcommands = Readonly<Record<string, () => Promise<AddCommand>>>;

const HELP_HINT = "`--help` says what there is, with examples";

/**
 * Runs one command line.
 * @param commands the subcommands there are
 * @param args without the program's own name
 * @returns the exit code, of `EXIT_CODES`
 */
export async function runProgram(commands: Subcommands, args: readonly string[], ui: Ui): Promise<number> {
  let exit: Exit = "ok";
  const json = args.includes("--json");
  const program = new Command("remit")
    .description("Decides what AI agents may do, at run time: build, test and ask policies, serve them, and say who may act")
    .version(packageVersion(), "-V, --version", "print the version")
    .helpOption("-h, --help", "print this help")
    .showHelpAfterError(`hint: ${HELP_HINT}`)
    .configureOutput({
      writeOut: (text) => {
        ui.out(text.replace(/\n$/, ""));
      },
      // Whoever asked for JSON reads the error in it.
      writeErr: (text) => {
        if (!json) ui.err(text.replace(/\n$/, ""));
      },
      outputError: (text, write) => {
        write(text.replace(/^error:/, ui.paint("red", "error:")));
      },
    })
    .exitOverride();
  const codes = Object.values(EXIT_CODES).map(({ code, meaning }) => `  ${code}  ${meaning}`);
  program.addHelpText("after", `\nExit codes:\n${codes.join("\n")}`);
  const finish = (how: Exit): void => {
    exit = how;
  };
  const [named = ""] = args;
  const wanted = Object.hasOwn(commands, named) && named !== "completion" ? [commands[named]] : Object.values(commands);
  if (named === "serve" && openFilesMax() < OPEN_FILES_LEAST) {
    const few = `this process may have ${openFilesMax()} files open, and a service needs ${OPEN_FILES_LEAST} at least`;
    return EXIT_CODES[sayFailure(ui, new CliError("failed", few, OPEN_FILES_HINT), json)].code;
  }
  for (const load of wanted) await (await load?.())?.(program, ui, finish);
  try {
    await program.parseAsync(args, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) exit = sayFailure(ui, error, json);
    else if (error.exitCode === 0) exit = "ok";
    else if (json) exit = sayFailure(ui, usageError(error), json);
    else exit = "usage";
  }
  return EXIT_CODES[exit].code;
}

/** Returns commander's own words, without what makes them a line of text. */
function usageError({ code, message }: CommanderError): CliError {
  const said = code === "commander.help" ? "a command is missing" : message.replace(/^error: /, "").replaceAll("\n", " ");
  return new CliError("usage", said, HELP_HINT);
}

function isMain(module: string): boolean {
  const [, started] = process.argv;
  return started !== undefined && realpathSync(started) === fileURLToPath(module);
}

/**
 * `remit … | head -1` ends without a word as soon as nobody reads on, and what can't be written otherwise ends it with one.
 * A failure to write to stderr ends nothing: a service goes on when whoever keeps its log is away.
 */
function endWithoutReader(): void {
  process.stderr.on("error", () => undefined);
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") process.stderr.write(`error: standard output: ${error.message}\n`);
    process.exit(EXIT_CODES[error.code === "EPIPE" ? "unread" : "failed"].code);
  });
}

/**
 * Runs this process's own command line, if the module is what was started.
 * @param module its `import.meta.url`
 */
export async function main(commands: Subcommands, module: string): Promise<void> {
  if (!isMain(module)) return;
  endWithoutReader();
  process.exitCode = await runProgram(commands, process.argv.slice(2), terminal(process.stdout, process.stderr, process.env));
}
