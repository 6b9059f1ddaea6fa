import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { compilePolicySet } from "../../src/bundle/compile.js";
import { parseModules } from "../../src/bundle/conventions.js";
import { findOpa, runOpa, type Opa } from "../../src/bundle/opa.js";
import { silentRules } from "../../src/bundle/unknowns.js";
import { inputSchema } from "../../src/contract/index.js";
import { asset } from "../../src/system/paths.js";

/** `opa test` answers 0 where all pass, 2 where one fails, 1 where the sources don't load. */
const ALL_PASS = 0;

describe("retail's custom rules", () => {
  const source = readFileSync(asset("rego", "policies", "retail", "rules.rego"), "utf8").split("\n");
  const { vocabulary } = compilePolicySet(asset("rego", "policies", "retail"));
  let opa: Opa;
  let folder: string;

  before(async function () {
    this.timeout(900_000); // the compiler may have to be built first
    opa = await findOpa();
    folder = mkdtempSync(join(tmpdir(), "remit-retail-"));
    const shipped = (path: string): boolean => !path.endsWith("_test.rego");
    cpSync(asset("rego", "remit"), join(folder, "remit"), { recursive: true, filter: shipped });
    cpSync(asset("rego", "policies", "retail", "rules_test.rego"), join(folder, "rules_test.rego"));
  });

  after(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  /** Exit code of the rules' own tests on these lines. */
  async function tested(name: string, lines: string[]): Promise<number> {
    const rules = join(folder, `${name}.rego`);
    writeFileSync(rules, lines.join("\n"));
    const { code } = await runOpa(opa, ["test", "remit", "rules_test.rego", rules], folder);
    return code;
  }

  /** Whether the builder refuses these rules, for what null would keep silent in them. */
  async function refused(name: string): Promise<boolean> {
    const modules = await parseModules(opa, folder, [`${name}.rego`]);
    return silentRules(modules, inputSchema(vocabulary)).length > 0;
  }

  /** Where the tests still pass, and the builder takes the rules: `line: text`. Each of `parts` is a first and a last line, from 0, to be taken out. */
  async function notMissed(parts: [number, number][]): Promise<string[]> {
    const found: string[] = [];
    const waiting = parts.values();
    const worker = async (): Promise<void> => {
      for (const [first, last] of waiting) {
        const rest = [...source.slice(0, first), ...source.slice(last + 1)];
        const name = `without_${first}_${last}`;
        if ((await tested(name, rest)) === ALL_PASS && !(await refused(name))) {
          found.push(`${first + 1}: ${source[first] ?? ""}`);
        }
      }
    };
    await Promise.all(Array.from({ length: availableParallelism() }, worker));
    return found;
  }

  it("pass their own tests", async () => {
    expect(await tested("whole", source)).to.equal(ALL_PASS);
  });

  it("have no line in a body that a test would not miss", async function () {
    const lines = source.flatMap((line, i): [number, number][] => (/^\t+[^\s#}]/.test(line) ? [[i, i]] : []));
    expect(lines).to.have.length.above(10);
    expect(await notMissed(lines)).to.deep.equal([]);
  });

  it("have no rule that a test would not miss", async function () {
    const rules = source.flatMap((line, first): [number, number][] => {
      if (!/^[a-z].*(:=| if | contains )/.test(line)) return [];
      return [[first, line.endsWith("{") ? source.indexOf("}", first) : first]];
    });
    expect(rules).to.have.length.above(10);
    expect(await notMissed(rules)).to.deep.equal([]);
  });
});
