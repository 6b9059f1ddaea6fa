#!/usr/bin/env node
/** The `remit` command: one module per subcommand, each adding itself. */
import { readFileSync, realpathSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Command, CommanderError } from "commander";
import { asset } from "../system/paths.js";
import { addBuild } from "./build.js";
import { addDecide } from "./decide.js";
import { addDiff } from "./diff.js";
import { EXIT_CODES, type Exit } from "./exit.js";
import { addInit } from "./init.js";
import { addInspect } from "./inspect.js";
import { addKeys } from "./keys.js";
import { addServe } from "./serve.js";
import { addTest } from "./test.js";
import { sayFailure, terminal, type Ui } from "./ui.js";
import { addVerify } from "./verify.js";

/** Adds a subcommand. Its action returns how it went, and throws what `sayFailure` can describe. */
type AddCommand = (program: Command, ui: Ui, finish: (exit: Exit) => void) => void;

const COMMANDS: readonly AddCommand[] = [
  addInit,
  addBuild,
  addTest,
  addDecide,
  addVerify,
  addInspect,
  addDiff,
  addKeys,
  addServe,
];

export function version(): string {
  return (JSON.parse(readFileSync(asset("package.json"), "utf8")) as { version: string }).version;
}

/**
 * Runs one command line.
 * @param args without the program's own name
 * @returns the exit code, of `EXIT_CODES`
 */
export async function run(args: readonly string[], ui: Ui): Promise<number> {
  let exit: Exit = "ok";
  const program = new Command("remit")
    .description("Decides what AI agents may do, at run time: build, test and ask policies, and serve them")
    .version(version(), "-V, --version", "print the version")
    .helpOption("-h, --help", "print this help")
    .showHelpAfterError("hint: `--help` says what there is, with examples")
    .configureOutput({
      writeOut: (text) => {
        ui.out(text.replace(/\n$/, ""));
      },
      writeErr: (text) => {
        ui.err(text.replace(/\n$/, ""));
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
  for (const add of COMMANDS) add(program, ui, finish);
  try {
    await program.parseAsync(args, { from: "user" });
  } catch (error) {
    if (error instanceof CommanderError) exit = error.exitCode === 0 ? "ok" : "usage";
    else exit = sayFailure(ui, error, args.includes("--json"));
  }
  return EXIT_CODES[exit].code;
}

function isMain(): boolean {
  const [, started] = process.argv;
  return started !== undefined && realpathSync(started) === fileURLToPath(import.meta.url);
}

if (isMain())
  process.exitCode = await run(process.argv.slice(2), terminal(process.stdout, process.stderr, process.env));
