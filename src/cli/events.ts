/** `remit events`: follows revocations and changes as they come, whatever becomes of the connection. */
import type { Command } from "commander";
import type { ChangeEvent, EndEvent, EventName, PolicyEvent, ReadyEvent, ResetEvent } from "../contract/index.js";
import { sleep, systemTimers } from "../system/index.js";
import { Client, asking, type ServiceOptions } from "./client.js";
import { EventReader } from "./event_source.js";
import { CliError } from "./exit.js";
import type { Ui } from "./ui.js";
import { count, revision } from "./values.js";

interface EventsOptions extends ServiceOptions {
  agent?: string;
  task?: string;
  after?: number;
  limit?: number;
}

type Streamed =
  | { event: "change"; data: ChangeEvent }
  | { event: "ready"; data: ReadyEvent }
  | { event: "reset"; data: ResetEvent }
  | { event: "policy"; data: PolicyEvent }
  | { event: "end"; data: EndEvent };

/** Until the service says how often something comes. */
const SILENT_MS_MAX = 30_000;
const HEARTBEATS_MISSED = 3;
const RETRY_MS = 1000;
const RETRY_MS_MAX = 30_000;

export function addEvents(program: Command, ui: Ui): void {
  asking(
    program
      .command("events")
      .description("follow revocations and changes as they come; when the connection ends it goes on where it was")
      .option("--agent <id>", "only what concerns this agent")
      .option("--task <id>", "only what concerns this task, and those that it was handed on from")
      .option("--after <revision>", "begin after it (default: now)", revision)
      .option("--limit <n>", "end after so many changes (default: never)", count),
    `  $ remit events
  $ remit events --task T-1 --json | while read -r event; do …; done
  $ remit events --agent support-7 --after 4711 --limit 1      # wait for the next change

A change that narrows is told twice: at once, and with its revision when it is durable. --json says one event a line.`,
  ).action(async (options: EventsOptions) => {
    await follow(options, ui);
  });
}

async function follow(options: EventsOptions, ui: Ui): Promise<void> {
  const { agent, task, limit = Infinity } = options;
  const following = { after: options.after, seen: 0, failed: 0, connected: false, told: false };
  for (;;) {
    const reader = new EventReader();
    try {
      // Made anew each time: the file may hold another token by now.
      const client = new Client(options);
      for await (const streamed of eventsOf(client, reader, { agent, task, after: following.after })) {
        Object.assign(following, { failed: 0, connected: true, told: false });
        say(ui, streamed, options.json);
        if (streamed.event === "change" && ++following.seen >= limit) return;
      }
    } catch (cause) {
      if (!(cause instanceof CliError) || cause.exit !== "unavailable" || !following.connected) throw cause;
      if (!following.told) ui.err(`${cause.message}; trying again`);
      following.told = true;
    }
    following.after = reader.lastId === null ? following.after : Number(reader.lastId);
    await sleep(Math.min(RETRY_MS_MAX, (reader.retry_ms ?? RETRY_MS) * 2 ** following.failed));
    following.failed = Math.min(following.failed + 1, 10);
  }
}

/** What comes on one connection, until it ends or nothing comes for too long. @throws CliError */
async function* eventsOf(
  client: Client,
  reader: EventReader,
  query: Record<string, string | number | undefined>,
): AsyncGenerator<Streamed> {
  const silence = new AbortController();
  let silent_ms = SILENT_MS_MAX;
  let cancel = (): void => undefined;
  const wait = (): void => {
    cancel();
    cancel = systemTimers.after(silent_ms, () => {
      silence.abort();
    });
  };
  wait();
  try {
    const { body } = await client.open("GET", "/events", { query, signal: silence.signal });
    for await (const chunk of body as unknown as AsyncIterable<Uint8Array>) {
      for (const { event, data } of reader.read(chunk)) {
        const streamed = { event: event as EventName, data: JSON.parse(data) as unknown } as Streamed;
        if (streamed.event === "ready") silent_ms = HEARTBEATS_MISSED * streamed.data.heartbeat_ms;
        yield streamed;
      }
      wait();
    }
  } catch (cause) {
    if (cause instanceof CliError) throw cause;
    throw new CliError("unavailable", "the connection broke off", null, { cause });
  } finally {
    cancel();
    silence.abort();
  }
}

function say(ui: Ui, { event, data }: Streamed, json: true | undefined): void {
  if (json === true) {
    ui.out(JSON.stringify({ event, ...data }));
    return;
  }
  switch (event) {
    case "change":
      ui.out(lineOf(ui, data));
      return;
    case "policy":
      ui.out(`${ui.paint("bold", "policy")}  ${data.bundle} ${data.revision}, sequence ${data.sequence}, decides from now on`);
      return;
    case "ready":
      ui.err(`${ui.paint("dim", "following")} from revision ${data.facts_revision}`);
      return;
    case "reset":
      ui.err(`${ui.paint("yellow", "warning:")} the store ends before the revision to go on after; it goes on from ${data.facts_revision}`);
      return;
    case "end":
      ui.err(`${ui.paint("dim", "ended:")} ${data.title}`);
  }
} // prettier-ignore

function lineOf(ui: Ui, { revision: of, change, narrows, key, time, agent, purpose, task }: ChangeEvent): string {
  const work = Object.entries({ agent, purpose, task }).flatMap(([name, value]) => value === null ? [] : [`${name} ${value}`]); // prettier-ignore
  const what = ui.paint(narrows ? "red" : "green", change);
  const where = work.length === 0 ? "all work" : work.join(", ");
  return `${time}  ${of === null ? "held" : String(of).padStart(4)}  ${what}  ${key}  ${ui.paint("dim", where)}`;
}
