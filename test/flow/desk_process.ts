/**
 * A service that knows where values come from, for clients in other languages: `node dist/test/flow/desk_process.js`. Its first line says
 * where it is; then it takes one command a line, as JSON, and answers each by one. It ends with its input.
 */
import { createInterface } from "node:readline";
import { returnedOf } from "../../src/flow/index.js";
import { MAIL_PURPOSES, openFlowDesk } from "./desk.js";

interface Command {
  /** Id of a task to begin, and its instruction. */
  task?: { id: string; instruction: string };
  /** An answer of a tool, to be taken apart. */
  returned?: unknown;
}

const desk = await openFlowDesk(MAIL_PURPOSES);

async function take({ task, returned }: Command): Promise<object> {
  if (task === undefined) return returnedOf(returned);
  const expires = new Date(Date.now() + 3_600_000).toISOString();
  return desk.registrar.issue({
    id: task.id,
    agent: "a-1",
    purpose: "office",
    attributes: { instruction: task.instruction },
    expires,
  });
}

const say = (value: object): void => {
  process.stdout.write(`${JSON.stringify(value)}\n`);
};
say({ url: desk.url, token: desk.token });
for await (const line of createInterface({ input: process.stdin })) say(await take(JSON.parse(line) as Command));
await desk.close();
