/** Rows whose counterparts are Python's packages: each is a program in this folder, run against a service on loopback. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { asset } from "../../src/system/paths.js";
import { MAPPING } from "../../test/adapters/otlp/spans.js";
import { ask, runWithFacts, withAgent } from "../../test/http/asking.js";
import { ALL, tokenFor } from "../../test/http/running.js";
import { pythonWith, runProgram, type CompatOutcome } from "./row.js";

export const OPA_CLIENT = ["opa-python-client==3.0.0"];
const VERSION = "1.45.2";
export const OTLP = [
  `opentelemetry-sdk==${VERSION}`,
  `opentelemetry-exporter-otlp-proto-http==${VERSION}`,
  `opentelemetry-exporter-otlp-proto-grpc==${VERSION}`,
];

/** @param args of the program @param observes the program's spans have to be on record */
export async function byPython(
  program: string,
  packages: readonly string[],
  args: readonly string[] = [],
  observes = false,
): Promise<CompatOutcome> {
  const python = await pythonWith(program, packages);
  if (python === null) return { state: "skipped", detail: `no Python with ${packages[0] ?? ""}` };
  const folder = mkdtempSync(join(tmpdir(), "remit-compat-"));
  writeFileSync(join(folder, "otel.yaml"), MAPPING);
  const service = await runWithFacts({ observe: { otlp: { mapping: join(folder, "otel.yaml"), grpc: { port: 0 } } } });
  try {
    await withAgent(service);
    const token = observes ? tokenFor("remit:observe", "collector") : ALL;
    const env = { REMIT_URL: service.url, REMIT_OTLP: service.otlp ?? "", REMIT_TOKEN: token };
    const { code, out, error } = await runProgram(python, [asset("bench", "compat", `${program}.py`), ...args], env);
    if (code !== 0) return { state: "red", detail: error.trim().split("\n").at(-1) ?? `exit code ${String(code)}` };
    if (observes) {
      const { text } = await ask(service, "GET", "/metrics");
      const observed = Number(/^remit_spans_total\{what="observed"\} (\d+)$/m.exec(text)?.[1] ?? 0);
      if (observed !== 1) return { state: "red", detail: `${observed} spans are on record, not 1` };
    }
    return { state: "green", detail: out.trim() };
  } finally {
    await service.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}
