/** An engine of the comparison, and its check against the oracle, which comes before anything is timed. */
import type { Server } from "../measure.js";
import { opener } from "../transport.js";
import { rightAnswer, type Verdict } from "./oracle.js";
import type { AccessRequest, World } from "./world.js";

export interface Engine extends Server {
  /** Requests of the world, one for each of the job's bodies. */
  requests: readonly AccessRequest[];
  /** Reads an answer. */
  verdict: (body: Buffer) => Verdict;
}

const CONNECTIONS = 16;
const ANSWER_MS_MAX = 10_000;

/**
 * Sends every request once.
 * @throws Error with the first request that is answered differently than by the oracle
 */
export async function check({ name, job, requests, verdict }: Omit<Engine, "process">, world: World): Promise<void> {
  const open = opener(job);
  const connections = await Promise.all(Array.from({ length: CONNECTIONS }, open));
  let next = 0;
  await Promise.all(
    connections.map(async (connection) => {
      for (let i = next++; i < requests.length; i = next++) {
        const request = requests[i] as AccessRequest;
        const right = rightAnswer(world, request);
        const body = await new Promise<Buffer>((resolve, reject) => {
          const late = setTimeout(() => {
            reject(new Error(`${name} does not answer ${JSON.stringify(request)}`));
          }, ANSWER_MS_MAX);
          connection.answered = (ok, answer) => {
            clearTimeout(late);
            if (ok) resolve(answer);
            else reject(new Error(`${name} refuses ${JSON.stringify(request)}: ${answer.toString()}`));
          };
          connection.send(i);
        });
        const found = verdict(body);
        if (!isSame(found, right))
          throw new Error(`${name} answers ${JSON.stringify(found)} where ${JSON.stringify(right)} is right: ${JSON.stringify(request)}`);
      }
    }),
  ).finally(() => {
    for (const connection of connections) connection.close();
  });
}

/** Reads an answer with reasons; an engine that has more than one effect names each reason's. */
export function verdictOf({ decision, reasons }: Pick<Verdict, "decision"> & { reasons: { code: string; effect?: string }[] }): Verdict {
  // A permission may have a code, that of the line that gives it; what is only logged changes no decision.
  const deciding = decision === "allow" ? [] : reasons.filter(({ effect = decision }) => effect === decision);
  return { decision, codes: deciding.map(({ code }) => code).sort() };
}

function isSame(one: Verdict, other: Verdict): boolean {
  return one.decision === other.decision && one.codes.join() === other.codes.join();
}
