/**
 * Prints what each benchmark named by an argument answers to `--help`, as JSON by name. They are loaded one after the other in this process:
 * most of what they load is the same.
 */
export interface Help {
  /** Null if it went on instead of ending. */
  code: number | null;
  out: string;
}

class Ended extends Error {
  constructor(readonly code: number) {
    super();
  }
}

const [, , ...names] = process.argv;
const helps: Record<string, Help> = {};
const write = process.stdout.write.bind(process.stdout);
process.argv.splice(2, Infinity, "--help");
process.exit = (code) => {
  throw new Ended(Number(code));
};
for (const name of names) {
  const help: Help = { code: null, out: "" };
  process.stdout.write = (chunk: unknown) => {
    help.out += String(chunk);
    return true;
  };
  try {
    await import(`../../bench/${name}.js`);
  } catch (cause) {
    if (!(cause instanceof Ended)) throw cause;
    help.code = cause.code;
  }
  helps[name] = help;
}
write(JSON.stringify(helps));
