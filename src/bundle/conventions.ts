/** Conventions for rules, judged by a policy of our own over the parsed files; and the reasons that their METADATA names. */
import type { Effect, Severity } from "../contract/policy.js";
import { asset } from "../system/paths.js";
import { opaErrors, OpaUnavailable, runOpa, type Opa } from "./opa.js";
import { SourceErrors, type SourceNote } from "./source.js";

const EFFECTS: readonly string[] = ["allow", "log", "flag", "deny"] satisfies Effect[];

/** A Rego file, parsed by OPA. Only what is read here has a type. */
export interface ParsedModule {
  /** Relative to the policy set. */
  file: string;
  module: {
    package: { path: { value: string }[] };
    rules?: {
      head: { ref: { value: unknown }[]; key?: { value?: unknown } };
      location: { row: number };
      annotations?: {
        scope: string;
        title?: string;
        custom?: Record<string, unknown>;
        /** `text` is the source, in base64. */
        location: { row: number; text: string };
      }[];
    }[];
  };
}

/** A reason that a custom rule can give, from its METADATA. */
export interface RuleReason {
  purpose: string;
  effect: Effect;
  code: string;
  severity: Severity;
  title: string;
  message: string;
  /** Null where the METADATA has none. */
  tellAgent: string | null;
  file: string;
  line: number;
  /** Line of the message in the METADATA. */
  messageLine: number;
  /** Names that the rule gives values for its message; null when they are put together elsewhere. */
  params: string[] | null;
}

/**
 * @param folder of the policy set
 * @param files of Rego in it, relative to it
 * @throws SourceErrors where a file is not Rego
 */
export async function parseModules(opa: Opa, folder: string, files: string[]): Promise<ParsedModule[]> {
  const parsed = await Promise.all(
    files.map(async (file) => {
      const args = ["parse", "--format", "json", "--json-include", "comments,locations", file];
      return { file, ...(await runOpa(opa, args, folder)) };
    }),
  );
  const notes = parsed.flatMap((output) => (output.code === 0 ? [] : opaErrors(output)));
  if (notes.length > 0) throw new SourceErrors(notes);
  return parsed.map(({ file, stdout }) => ({ file, module: JSON.parse(stdout) as ParsedModule["module"] }));
}

interface ConventionFault {
  file: string;
  row: number;
  col: number;
  code: string;
  message: string;
  hint: string;
}

/** Violations of the conventions in these files: each is an error. */
export async function checkConventions(opa: Opa, modules: ParsedModule[], purposes: string[]): Promise<SourceNote[]> {
  const policy = asset("rego", "conventions", "conventions.rego");
  const query = "data.conventions.violations";
  const args = ["eval", "--format", "raw", "--stdin-input", "--data", policy, query];
  const output = await runOpa(opa, args, ".", JSON.stringify({ purposes, modules }));
  if (output.code !== 0) throw new OpaUnavailable(`the conventions failed: ${output.stderr}`, "report this");
  return (JSON.parse(output.stdout) as ConventionFault[]).map(({ file, row, col, message, hint }) => {
    return { severity: "error", file, line: row, column: col, message, hint };
  });
}

/** The reasons of custom rules; of files that keep the conventions. */
export function ruleReasons(modules: ParsedModule[]): RuleReason[] {
  return modules.flatMap(({ file, module }) => {
    const purpose = module.package.path[2]?.value ?? "";
    return (module.rules ?? []).flatMap((rule): RuleReason[] => {
      const effect = rule.head.ref[0]?.value;
      const metadata = rule.annotations?.find(({ scope }) => scope === "rule");
      if (module.package.path.length !== 3 || metadata?.custom === undefined || !isEffect(effect)) return [];
      const { code, severity, message, tell_agent: tellAgent } = metadata.custom;
      return [
        {
          purpose,
          effect,
          code: String(code),
          severity: severity as Severity,
          title: metadata.title ?? "",
          message: String(message),
          tellAgent: typeof tellAgent === "string" ? tellAgent : null,
          file,
          line: rule.location.row,
          messageLine: metadata.location.row + lineOfMessage(metadata.location.text),
          params: paramsOf(rule.head.key?.value),
        },
      ];
    });
  });
}

/** Number of lines below its first at which the METADATA says `message`. */
function lineOfMessage(text: string): number {
  const lines = Buffer.from(text, "base64").toString().split("\n");
  return Math.max(
    0,
    lines.findIndex((line) => /^#\s*message:/.test(line)),
  );
}

/** The keys of the object that `reason.because(rego.metadata.rule(), {…})` is given. */
function paramsOf(call: unknown): string[] | null {
  const [, , params] = Array.isArray(call) ? (call as { type: string; value: unknown }[]) : [];
  if (params?.type !== "object") return null;
  const keys = (params.value as [{ type: string; value: unknown }, unknown][]).map(([key]) => key);
  return keys.every(({ type }) => type === "string") ? keys.map(({ value }) => String(value)) : null;
}

function isEffect(name: unknown): name is Effect {
  return typeof name === "string" && EFFECTS.includes(name);
}
