import { execFileSync } from "node:child_process";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { GENERATED, schemas } from "../../src/system/schemas.js";

const SERVICE = new URL("../../src/service.js", import.meta.url).href;
const SCHEMAS = new URL("../../src/system/schemas.js", import.meta.url).href;
/** Loads a service's modules, then compiles a schema that nobody generated; prints whether Ajv was loaded after each. */
const PROGRAM = `
const { createRequire } = await import("node:module");
const { cache } = createRequire(${JSON.stringify(SERVICE)});
const loaded = () => Object.keys(cache).some((file) => /[\\\\/]ajv[\\\\/]dist[\\\\/]ajv\\.js$/.test(file));
await import(${JSON.stringify(SERVICE)});
const before = loaded();
const { schemas } = await import(${JSON.stringify(SCHEMAS)});
schemas().compile({ type: "string", maxLength: 4711 })("");
console.log(JSON.stringify([before, loaded()]));
`;

describe("validators", () => {
  it("are there before a service starts: it loads no Ajv", () => {
    expect(readdirSync(GENERATED), "run `npm run build`").to.not.be.empty;
    const printed = execFileSync(process.execPath, ["--input-type=module", "--eval", PROGRAM], { encoding: "utf8" });
    expect(JSON.parse(printed)).to.deep.equal([false, true]);
  });

  it("check a part that a schema has often by one function: a start has to parse them", () => {
    const sizes = readdirSync(GENERATED).map((file) => statSync(join(GENERATED, file)).size);
    expect(Math.max(...sizes)).to.be.below(500_000);
  });

  it("of a schema that is made later are compiled then", () => {
    const isShort = schemas({ useDefaults: true }).compile<object>({
      type: "object",
      required: ["a"],
      properties: { a: { type: "string", maxLength: 2 }, b: { type: "integer", default: 7 } },
    });
    const value = { a: "ab" };
    expect(isShort(value)).to.equal(true);
    expect(value).to.deep.equal({ a: "ab", b: 7 });
    expect(isShort({ a: "abc" })).to.equal(false);
    expect(isShort.errors?.[0]?.instancePath).to.equal("/a");
  });
});
