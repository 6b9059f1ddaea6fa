/** `remit events`: follows revocations and changes as they come, whatever becomes of the connection. */
import type { Command } from "commander";
import type { ChangeEvent, EndEvent, PolicyEvent, ReadyEvent, ResetEvent } from "../../contract/index.js";
import { asking, type ServiceFlags } from "../client.js";
import { followed } from "../stream.js";
import type { Ui } from "../ui.js";
import { count, revision } from "../values.js";

interface EventsOptions extends ServiceFlags {
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
  const { agent, task, after, limit = Infinity } = options;
  let seen = 0;
  for await (const event of followed(options, "/events", { agent, task }, after, ui)) {
    const streamed = event as Streamed;
    say(ui, streamed, options.json);
    if (streamed.event === "change" && ++seen >= limit) return;
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
}

function lineOf(ui: Ui, { revision: of, change, narrows, key, time, agent, purpose, task }: ChangeEvent): string {
  const work = Object.entries({ agent, purpose, task }).flatMap(([name, value]) => (value === null ? [] : [`${name} ${value}`]));
  const what = ui.paint(narrows ? "red" : "green", change);
  const where = work.length === 0 ? "all work" : work.join(", ");
  return `${time}  ${of === null ? "held" : String(of).padStart(4)}  ${what}  ${key}  ${ui.paint("dim", where)}`;
}
