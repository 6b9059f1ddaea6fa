/** `remit audit timeline`: what an agent did, or what was done on a task, as a story. */
import type { Command } from "commander";
import { visible, visibleJson, type FoundRecord } from "../../../contract/index.js";
import { CliError } from "../../exit.js";
import type { Ui } from "../../ui.js";
import { writable } from "../../places.js";
import { writeWhole } from "../../policy/sources.js";
import { count } from "../../values.js";
import { flowPage } from "./flow_page.js";
import { withHeldCalls, type StoryRecord } from "./held_calls.js";
import { actionText, aligned, isJudged, outcomeText, styled, whatCell, whoText, whyText, type TextCell } from "./lines.js";
import { inTime } from "./options.js";
import { found, searching, withSource, type SearchedSource, type RecordSourceOptions } from "./source.js";

interface Options extends RecordSourceOptions {
  task?: string;
  agent?: string;
  purpose?: string;
  from?: string;
  to?: string;
  limit: number;
  html?: string;
}

export function addTimeline(audit: Command, ui: Ui): void {
  searching(
    inTime(
      audit
        .command("timeline")
        .description(
          "tell what an agent did, or what was done on a task, in order: when, what, to what, whether it was let, why, and what became of it",
        )
        .option("--task <id>", "on this task, and what became of the task")
        .option("--agent <id>", "of this agent, and what became of the agent")
        .option("--purpose <id>", "for this purpose"),
    )
      .option("--limit <n>", "how many records at most, the oldest", count, 1000)
      .option("--html <file>", "write a task's flow as a page, too: what was read, where each value came from, what was stopped and why"),
    `  $ remit audit timeline --task T-4711
  $ remit audit timeline --task T-4711 --html flow.html
  $ remit audit timeline --agent support-7 --from 2h`,
  ).action(async (options: Options) => {
    const { task, agent } = options;
    if (task === undefined && agent === undefined) throw new CliError("usage", "whose timeline is not said", "--task or --agent says it");
    if (options.html !== undefined && task === undefined) throw new CliError("usage", "a page is of one task", "--task says which");
    const file = options.html === undefined ? null : writable(options.html);
    await withSource(options, ui, async (source) => {
      const { items, more } = await story(source, options);
      if (items.length === 0 && task !== undefined) await nothingOf(task, source, options);
      if (file !== null) await writeWhole(file, Buffer.from(flowPage(task ?? "", items, more)));
      if (options.json === true) for (const item of items) ui.out(visibleJson(item));
      else if (items.length === 0) ui.err(`nothing is on record of ${nameOf(options)} there`);
      else for (const line of lines(ui, items, options)) ui.out(line);
      if (more) ui.err("it goes on; --limit says how much to tell");
    });
  });
}

/** Rejects a task that no record is of, and a page that would have nothing on it. @throws CliError */
async function nothingOf(task: string, source: SearchedSource, options: Options): Promise<void> {
  const known = await story(source, { task, limit: 1 });
  if (known.items.length === 0)
    throw new CliError("missing", `task_not_found: nothing is on record of ${nameOf({ task })}`, "`remit tasks list` has the tasks", {
      code: "task_not_found",
    });
  if (options.html !== undefined)
    throw new CliError("missing", `nothing is on record of ${nameOf(options)} there, so there is no page of it`, "widen the search");
}

function nameOf({ task, agent = "" }: Pick<Options, "task" | "agent">): string {
  return task === undefined ? `agent \`${agent}\`` : `task \`${task}\``;
}

/** The actions, and the changes of who acted and for what, in order. */
async function story(
  source: SearchedSource,
  { task, agent, purpose, from, to, limit }: Options,
): Promise<{ items: FoundRecord[]; more: boolean }> {
  const keys = [
    ...(task === undefined ? [] : [`task/${task}`, `revocation/task/${task}`]),
    ...(agent === undefined ? [] : [`agent/${agent}`, `narrowing/${agent}`, `revocation/agent/${agent}`]),
  ];
  const asked = { order: "oldest", from, to };
  const parts = [await found(source, { ...asked, task, agent, purpose }, limit)];
  for (const key of keys) parts.push(await found(source, { ...asked, kind: "facts", key }, limit));
  const all = parts.flatMap(({ items }) => items).sort((a, b) => a.seq - b.seq);
  // Of a part that goes on, nothing after its end may be told: something of it may come between.
  const ends = parts.flatMap(({ items, more }) => (more ? [items.at(-1)?.seq ?? 0] : []));
  const told = all.filter(({ seq }) => seq <= Math.min(...ends, Infinity)).slice(0, limit);
  return { items: told, more: told.length < all.length || ends.length > 0 };
}

function lines(ui: Ui, items: readonly FoundRecord[], { task, agent }: Options): string[] {
  const story = withHeldCalls(items);
  const rows = aligned(
    ui,
    story.map((one) => rowOf(one, task === undefined)),
  );
  const told: string[] = [];
  let day = "";
  for (const [i, { found }] of story.entries()) {
    const { record } = found;
    const on = record.time.slice(0, 10);
    if (on !== day) told.push(...(day === "" ? [] : [""]), ui.paint("bold", visible(on)));
    day = on;
    told.push(`  ${rows[i] ?? ""}`);
  }
  const counts = ["allow", "deny", "flag"].flatMap((decision) => {
    const times = story.filter(({ found: { record } }) => isJudged(record) && record.answer.decision === decision).length;
    return times === 0 ? [] : [`${times} ${decision}`];
  });
  const whose = [task === undefined ? "" : `task ${task}`, agent === undefined ? "" : `agent ${agent}`].filter(Boolean);
  return [...told, "", ui.paint("dim", visible(`${whose.join(", ")}: ${counts.join(", ") || "no action"}`))];
}

/** @param showTask beside what was done, where it isn't the same all along */
function rowOf({ found: one, again }: StoryRecord, showTask: boolean): TextCell[] {
  const { record, action } = one;
  const outcome = outcomeText(one);
  const last = again.at(-1)?.record.time.slice(11, 23);
  return [
    { text: record.time.slice(11, 23), style: "dim" },
    whatCell(one),
    { text: `${actionText(one)}${record.kind === "decision" && !record.answer.proceed ? " – not done" : ""}` },
    showTask ? { text: action?.task ?? "", style: "dim" } : { text: whoText(one), style: "dim" },
    { text: whyText(record) },
    last !== undefined
      ? { text: `decided ${again.length + 1} times, last at ${last}`, style: "dim" }
      : outcome === ""
        ? { text: "" }
        : { ...styled(outcome), text: outcome === "missing" ? "outcome missing" : outcome },
  ];
}
