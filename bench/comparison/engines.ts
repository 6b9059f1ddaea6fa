/** Starts every engine of the comparison, each of them checked against the oracle on every request of the world. */
import { join } from "node:path";
import type { NativeOpa } from "../../test/oracle/go.js";
import type { Processes } from "../processes.js";
import { findCerbos, startCerbos } from "./cerbos.js";
import { check, type Engine } from "./engine.js";
import { startBare, startConstant } from "./floors.js";
import { compileToWasm, startOpa, startOpaOnBundle, writeData } from "./opa.js";
import { startRemit, type Ready, type RemitEngine } from "./remit.js";
import type { World } from "./world.js";

export interface Engines {
  remit: RemitEngine;
  /** Remit among them, first. */
  all: Engine[];
}

/** @throws Error if one of them answers differently than the oracle */
export async function startEngines(processes: Processes, opa: NativeOpa, ready: Ready, world: World): Promise<Engines> {
  const data = join(processes.folder, "opa-data.json");
  writeData(data, world);
  const cerbos = await findCerbos();
  const remit = await startRemit(processes, "remit", ready, world);
  await check(remit, world);
  const others = [
    await startOpa(processes, opa, data, world, false),
    await startOpa(processes, opa, data, world, true),
    ...(cerbos === null ? [] : await startCerbos(processes, cerbos, world)),
    // Remit's records hold what its policy was asked.
    await startOpaOnBundle(processes, opa, ready.bundle, join(ready.dir, "records"), world),
    await startBare(processes, await compileToWasm(opa, processes.folder), data, world),
    await startConstant(processes, world),
  ];
  for (const engine of others) await check(engine, world);
  return { remit, all: [remit, ...others] };
}
