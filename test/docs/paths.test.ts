import { existsSync, readdirSync, readFileSync } from "node:fs";
import { expect } from "chai";
import { asset } from "../../src/system/paths.js";

const PAGES = ["README.md", "CONTRIBUTING.md", ...filesIn("docs"), ...filesIn("bench/notes")];
/** Paths of the project in a text: whole ones, without a pattern or a part that somebody chooses. */
const PATH = /`((?:src|test|bench|scripts|rego|deploy|templates|examples|demo)\/[\w./-]+)`/g;
/** Rows of "Where a change begins": their paths are those of `src`, and a bare name is of the folder named before it. */
const ROW = /^\| [^|]+ \| ([^|]*`[^|]*)\|$/gm;

function filesIn(folder: string): string[] {
  return readdirSync(asset(folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".md"))
    .map((name) => `${folder}/${name}`);
}

function absentIn(text: string): string[] {
  return [...text.matchAll(PATH)]
    .map(([, path = ""]) => path)
    .filter((path) => !existsSync(asset(path)) && !existsSync(asset(`${path}.ts`)));
}

function absentInRows(text: string): string[] {
  return [...text.matchAll(ROW)].flatMap(([, cell = ""]) => {
    let folder = "";
    return [...cell.matchAll(/`([\w./-]+)`/g)].flatMap(([, path = ""]) => {
      const whole = path.startsWith("rego/") ? path : `src/${path.includes("/") ? "" : folder}${path}`;
      if (path.includes("/")) folder = path.slice(0, path.lastIndexOf("/") + 1);
      return existsSync(asset(whole)) ? [] : [whole];
    });
  });
}

describe("paths that the pages name", () => {
  for (const page of PAGES)
    it(`are there: ${page}`, () => {
      expect(absentIn(readFileSync(asset(page), "utf8"))).to.deep.equal([]);
    });

  it("are there where a change begins", () => {
    const text = readFileSync(asset("docs/architecture.md"), "utf8");
    const [, table = ""] = text.split("### Where a change begins");
    const rows = table.split("\n## ")[0] ?? "";
    expect(rows.match(ROW)?.length).to.be.above(20);
    expect(absentInRows(rows)).to.deep.equal([]);
  });

  it("are missed if they are gone", () => {
    expect(absentIn("see `src/decision/decide.ts` and `src/decision/gone.ts`")).to.deep.equal(["src/decision/gone.ts"]);
    expect(absentInRows("| one | `flow/flow.ts`, `gone.ts` |")).to.deep.equal(["src/flow/gone.ts"]);
  });
});
