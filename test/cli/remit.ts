/** Runs the command line in this process. */
import { EXIT_CODES, type Exit } from "../../src/cli/exit.js";
import { run } from "../../src/cli/main.js";
import { terminal } from "../../src/cli/ui.js";

export interface Ran {
  exit: Exit | undefined;
  out: string;
  err: string;
}

export function remit(...args: string[]): Promise<Ran> {
  return remitTelling({ out: "", err: "" }, ...args);
}

/** As `remit`; what it says is in `said` as soon as it says so. */
export async function remitTelling(said: Pick<Ran, "out" | "err">, ...args: string[]): Promise<Ran> {
  const stream = (name: "out" | "err") => ({ write: (text: string) => (said[name] += text) });
  const code = await run(args, terminal(stream("out"), stream("err"), {}));
  const exit = (Object.keys(EXIT_CODES) as Exit[]).find((name) => EXIT_CODES[name].code === code);
  return { exit, ...said };
}
