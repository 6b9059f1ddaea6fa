/** A difference made small, and kept as a golden case that fails until it is mended. */
import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";
import type { InputGrant } from "../../src/contract/index.js";
import { readFacts } from "../../src/facts/file.js";
import { YamlError } from "../../src/system/yaml.js";
import { same, type Difference, type Judge } from "./compare.js";
import { CALLER, factsOf, type Scene, type Stage } from "./scene.js";
import { shrink, type Json } from "./shrink.js";

/** A Tuesday in office hours: tried first, so that a case whose time doesn't matter says so. */
const PLAIN_MOMENT_MS = Date.parse("2027-03-02T09:15Z");

/** The smallest scene found on which engine and judge still differ. */
export async function smallest({ asked }: Difference, stage: Stage, judge: Judge): Promise<Difference> {
  let best: Difference | null = null;
  const shows = async (scene: Scene): Promise<boolean> => {
    if (!areFacts(scene, stage)) return false;
    const again = await stage.ask(scene);
    if (again === null) return false;
    const [judged] = await judge([again.input]);
    if (same(again.engine, judged)) return false;
    best = { asked: again, judged };
    return true;
  };
  if (!(await shows(asked.scene))) throw new Error("the difference doesn't come again");
  // A claimed time would be too far from another moment.
  const timeless = { ...asked.scene.request };
  delete timeless["time"];
  const plain = { ...asked.scene, request: timeless, now_ms: PLAIN_MOMENT_MS };
  const { now_ms, ...rest } = (await shows(plain)) ? plain : asked.scene;
  const shrunk = await shrink(rest as unknown as Json, (candidate) =>
    shows({ ...(candidate as unknown as Omit<Scene, "now_ms">), now_ms }),
  );
  await shows({ ...(shrunk as unknown as Omit<Scene, "now_ms">), now_ms });
  // Assigned by `shows`, which the compiler doesn't follow.
  return best as unknown as Difference;
}

/** Shrinking makes shapes that no facts file can have. */
function areFacts(scene: Scene, stage: Stage): boolean {
  const parts: unknown[] = [scene.request, scene.agent, scene.task];
  if (!parts.every((part) => typeof part === "object" && part !== null)) return false;
  if (!Array.isArray(scene.grants) || !scene.grants.every(isGrant)) return false;
  try {
    readFacts(Buffer.from(JSON.stringify(factsOf(scene, stage.purposes))), "facts.yaml");
    return true;
  } catch (error) {
    if (error instanceof YamlError) return false;
    throw error;
  }
}

/** Its conditions are the policy's own, and go as a whole. */
function isGrant(grant: Partial<InputGrant> | null): boolean {
  return (
    typeof grant?.id === "string" &&
    typeof grant.exact === "boolean" &&
    ["task", "other", "any"].includes(grant.about ?? "") &&
    Array.isArray(grant.when)
  );
}

/**
 * Writes the case in the format of test/cases; what it wants is what the judge said.
 * @returns what to tell whoever ran this: where it is, and what to do
 */
export async function keep(
  { asked, judged }: Difference,
  stage: Stage,
  { set, seed, folder }: { set: string; seed: number; folder: string },
): Promise<string> {
  const { scene } = asked;
  const { decision, proceed, reasons, obligations } = await stage.answer(scene, judged);
  const { now_ms, request, grants } = scene;
  const file = {
    set: `rego/policies/${set}`,
    now: new Date(now_ms).toISOString(),
    callers: { [CALLER]: {} },
    facts: factsOf(scene, stage.purposes),
    request,
    cases: [
      {
        name: `as OPA's own evaluator answers (found with seed ${seed})`,
        ...(grants.length === 0 ? {} : { grants }),
        answer: { decision, proceed, reasons: reasons.map(({ effect, code }) => `${effect} ${code}`), obligations },
      },
    ],
  };
  const text = stringify(file);
  const name = `differential_${set}_${createHash("sha256").update(asked.input).digest("hex").slice(0, 8)}.yaml`;
  mkdirSync(folder, { recursive: true });
  const path = join(folder, name);
  writeFileSync(path, text);
  return [
    `the engine and OPA's own evaluator differ on ${asked.input}`,
    `  engine ${JSON.stringify(asked.engine)}`,
    `  OPA    ${JSON.stringify(judged)}`,
    `kept as ${path}: it fails until this is mended; see it with \`make test G=${name}\`,`,
    `then commit it with the repair. The same inputs come again with REMIT_SEED=${seed}.`,
  ].join("\n");
}
