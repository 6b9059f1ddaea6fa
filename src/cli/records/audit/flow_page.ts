/**
 * A task's flow as a page of its own: what was read, where each value of each action came from, which labels the task had, what was
 * stopped and why.
 */
import type { ArgumentFlow, FactsRecord, FlowFactsInput, FoundRecord, FoundWriter, PolicyInput } from "../../../contract/index.js";
import { html, wholePage, type Html } from "../../../replay/page/html.js";
import { STYLE } from "../../../replay/page/style.js";
import { withHeldCalls, type StoryRecord } from "./held_calls.js";
import { actionText, isJudged, outcomeText, whyText } from "./lines.js";

const WIDTH = 1000;
const ROW = 26;
const SOURCE_X = 250;
const ACTION_X = 470;
/** Place of the bar beside all that was done while the task had a label. */
const LABEL_X = WIDTH - 8;
const VALUE_MAX = 34;
const TEXT_MAX = 44;
/** Lengths of what stands left of the sources, and on an arrow. */
const SOURCE_TEXT_MAX = 33;
const ARROW_TEXT_MAX = 26;
const LABEL_TEXT_MAX = 90;
const VALUES_MAX = 24;

const FLOW_STYLE = `
svg.flow { display: block; width: 100%; height: auto; font: inherit; }
svg.flow text { font-size: 13px; } svg.flow .dim { fill: var(--soft); font-size: 12px; } svg.flow .stop { fill: var(--freer-ink); font-weight: 620; } svg.flow .flag { fill: var(--stricter-ink); font-weight: 620; } svg.flow .arrow { font-size: 11px; paint-order: stroke; stroke: var(--card); stroke-width: 3; }
svg.flow path { fill: none; stroke-width: 1.6; opacity: 0.8; }
svg.flow .trusted { stroke: var(--good); } svg.flow .member { stroke: var(--stricter); } svg.flow .foreign { stroke: var(--freer); } svg.flow .none { stroke: var(--same); stroke-dasharray: 3 3; }
svg.flow .label { stroke: var(--stricter); stroke-width: 4; } svg.flow .unknown { stroke: var(--same); stroke-width: 4; stroke-dasharray: 4 4; } svg.flow text.label, svg.flow text.unknown { fill: var(--ink); stroke: none; }
svg.flow circle { fill: var(--card); stroke: var(--line); stroke-width: 1.5; } svg.flow circle.done { fill: var(--good); } svg.flow circle.flagged { fill: var(--good); stroke: var(--stricter); stroke-width: 3; } svg.flow circle.waits { fill: var(--stricter); } svg.flow circle.stopped { fill: var(--freer); }
`;

interface Row extends StoryRecord {
  y: number;
  /** Values with what is known of them; of an action that only looks there are none. */
  values: { path: string; text: string; known: ArgumentFlow; y: number }[];
}

/** Turn in the task's labels: what is written there, and which it has from here on (null: not known). */
interface LabelTurn {
  y: number;
  text: string;
  labels: readonly string[] | null;
}

/** @param items records of the task, the oldest first */
export function flowPage(task: string, items: readonly FoundRecord[], more: boolean): string {
  const story = withHeldCalls(items);
  const judged = story.filter(({ found }) => isJudged(found.record));
  const count = (...states: State[]): number => judged.filter(({ found }) => states.includes(stateOf(found))).length;
  const notable = judged.filter(({ found }) => stateOf(found) !== "done");
  const [flagged, again] = [count("flagged"), judged.reduce((sum, one) => sum + one.again.length, 0)];
  const [first, last] = [items[0], items.at(-1)];
  const body = html`<main>
    <header>
      <h1>Where the values came from</h1>
      <p class="soft">
        Task <b>${task}</b>,
        ${first === undefined ? "no record" : when(first)}${last === undefined || last === first ? null : html` to ${when(last)}`}
      </p>
    </header>
    <div class="figures">
      <div class="figure"><b>${judged.length}</b><span>actions${again === 0 ? "" : `, decided ${judged.length + again} times`}</span></div>
      <div class="figure good">
        <b>${count("done", "flagged")}</b><span>went on${flagged === 0 ? "" : `, ${flagged} of them flagged`}</span>
      </div>
      <div class="figure stricter"><b>${count("waits")}</b><span>waited for a person</span></div>
      <div class="figure freer"><b>${count("stopped")}</b><span>stopped</span></div>
    </div>
    <h2>Flow</h2>
    <div class="panel">
      ${drawn(story)}
      <p class="legend">
        <span><i class="same"></i>seen nowhere, or unknown</span><span><i class="stricter"></i>a member wrote it</span>
        <span><i class="freer"></i>anyone could have written it</span><span>green: the user, an own fact or a service</span
        ><span>bar on the right: the task has a label</span>
      </p>
    </div>
    <h2>Flagged, held and stopped</h2>
    ${notable.length === 0 ? html`<p>Nothing.</p>` : notable.map(notableDrawn)}
    <footer>
      As it is on record: each value has the sources that the policy saw when it decided. Times are in
      UTC.${more ? " The task goes on beyond these records." : ""}
    </footer>
  </main>`;
  return wholePage(`Flow of task ${task}`, STYLE + FLOW_STYLE, body);
}

type State = "done" | "flagged" | "waits" | "stopped";

function stateOf({ record }: FoundRecord): State {
  if (!isJudged(record)) return "done";
  const { decision, proceed } = record.answer;
  if (decision === "flag") return proceed ? "flagged" : "waits";
  return proceed ? "done" : "stopped";
}

/** A time as people read it, with the exact one in its title. */
function when({ record: { time } }: FoundRecord): Html {
  return html`<time datetime="${time}" title="${time}">${dayText(time)}, ${clockText(time)} UTC</time>`;
}

const DAY = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeZone: "UTC" });
const dayText = (time: string): string => DAY.format(new Date(time));
const clockText = (time: string): string => time.slice(11, 19);

function drawn(story: readonly StoryRecord[]): Html {
  const rows: Row[] = [];
  const turns: LabelTurn[] = [];
  let y = 3 * ROW;
  const turn = (text: string, labels: LabelTurn["labels"]): void => {
    turns.push({ y, text, labels });
    y += ROW;
  };
  for (const { found, ...held } of story) {
    const { record } = found;
    const { labels } = turns.at(-1) ?? UNLABELLED;
    if (isLowering(record)) {
      const lost = record.task.lowered.labels;
      const left = labels === null ? null : labels.filter((one) => !lost.includes(one));
      turn(`${record.caller} lowered ${lost.join(", ")}: ${record.reason ?? ""}`, left);
    }
    if (!isJudged(record)) continue;
    const input = inputOf(found);
    const now = input?.facts.flow?.labels;
    if (now !== undefined && now?.join() !== labels?.join()) turn(labelsText(now), now);
    const known = Object.entries(input?.facts.flow?.arguments ?? {});
    const values = known.slice(0, VALUES_MAX).map(([path, one], i) => {
      return { path, known: one, text: valueText(input, path), y: y + (i + 1) * ROW };
    });
    rows.push({ y, found, ...held, values });
    y += (values.length + 1) * ROW + 8;
  }
  const sources = new Map(rows.flatMap((row) => decisionsOf(row).map((id) => [id, row] as const)));
  const named = new Set(
    rows.flatMap(({ values }) =>
      values.flatMap(({ known }) => known.sources.map(({ record }) => (record === null ? undefined : sources.get(record)))),
    ),
  );
  return html`<svg
    class="flow"
    viewBox="0 0 ${String(WIDTH)} ${String(y + ROW)}"
    role="img"
    aria-label="Actions in order, where their values came from, and which labels the task had"
  >
    <text class="dim" x="20" y="20">from</text>
    <text class="dim" x="${String(ACTION_X)}" y="20">actions, in order</text>
    <circle cx="${String(SOURCE_X)}" cy="${String(ROW + 14)}" r="6" />
    <text x="${String(SOURCE_X - 14)}" y="${String(ROW + 18)}" text-anchor="end">the task and the agent say it</text>
    ${turns.map((one, i) => turnDrawn(one, turns[i + 1]?.y ?? y))} ${rows.map((row) => rowDrawn(row, named.has(row), sources))}
  </svg>`;
}

/** @param until where the next turn is, or the end */
function turnDrawn({ y, text, labels }: LabelTurn, until: number): Html {
  const kind = labels === null ? "unknown" : "label";
  const bar = labels?.length === 0 ? null : html`<path class="${kind}" d="M ${String(LABEL_X)} ${String(y - 8)} V ${String(until - 8)}" />`;
  return html`<g>
    ${bar}
    <text class="${kind}" x="${String(LABEL_X - 10)}" y="${String(y + 4)}" text-anchor="end">${short(text, LABEL_TEXT_MAX)}</text>
  </g>`;
}

function labelsText(labels: readonly string[] | null): string {
  if (labels === null) return "the task's labels are not known";
  return labels.length === 0 ? "the task has no label any more" : `labels of the task: ${labels.join(", ")}`;
}

/** A task begins without labels. */
const UNLABELLED: Pick<LabelTurn, "labels"> = { labels: [] };

type LoweringRecord = FactsRecord & { task: { lowered: { labels: string[] } } };

/** Returns true for a change by which a person lowered labels of the task. */
function isLowering(record: FoundRecord["record"]): record is LoweringRecord {
  return record.kind === "facts" && record.change === "task_labels_lowered" && "task" in record;
}

/** Returns the ids of the decisions of a row. */
function decisionsOf({ found, again }: StoryRecord): string[] {
  return [found, ...again].flatMap(({ record }) => (isJudged(record) ? [record.answer.decision_id] : []));
}

/** @param isNamed true: a value of another row came from it, so an arrow begins there */
function rowDrawn(row: Row, isNamed: boolean, sources: ReadonlyMap<string, Row>): Html {
  const { y, found, values } = row;
  const state = stateOf(found);
  const why = html`<tspan class="${WHY_CLASS[state]}">${becameOf(row)}</tspan> <tspan class="dim">${clockText(found.record.time)}</tspan>`;
  const action = actionText(found);
  const left = (kind: string): Html =>
    html`<circle class="${kind}" cx="${String(SOURCE_X)}" cy="${String(y)}" r="6" />
      <text x="${String(SOURCE_X - 14)}" y="${String(y + 4)}" text-anchor="end">${short(action, SOURCE_TEXT_MAX)}</text>`;
  const drawn =
    values.length === 0
      ? html`${left(state)} <text x="${String(ACTION_X)}" y="${String(y + 4)}">${why}</text>`
      : html`${isNamed ? left("") : null} <circle class="${state}" cx="${String(ACTION_X)}" cy="${String(y)}" r="6" />
          <text x="${String(ACTION_X + 14)}" y="${String(y + 4)}"><tspan>${short(action, TEXT_MAX)}</tspan> ${why}</text>`;
  return html`<g>
    <title>${`${found.record.time} ${action}`}</title>
    ${drawn} ${values.map((value) => valueDrawn(value, sources))}
  </g>`;
}

const WHY_CLASS: Readonly<Record<State, string>> = { done: "dim", flagged: "flag", waits: "flag", stopped: "stop" };

/** Returns why it was flagged, held or stopped, and what became of it. */
function becameOf(row: StoryRecord): string {
  const why = stateOf(row.found) === "done" ? "" : whyText(row.found.record);
  return [why, fateOf(row)].filter(Boolean).join(", ");
}

/** Returns how often it was asked about, whether a person approved it, and its outcome. */
function fateOf({ found, again, ended }: StoryRecord): string {
  const parts = [outcomeText(found)];
  if (isApproved(found)) parts.unshift("approved by a person");
  if (again.length > 0) parts.push(`decided ${again.length + 1} times`);
  if (stateOf(found) === "waits") parts.push(ended === null ? "not approved" : endText(ended));
  return parts.filter(Boolean).join(", ");
}

function endText(ended: FoundRecord): string {
  const how = isApproved(ended) ? "approved" : stateOf(ended) === "stopped" ? "denied" : "let go on";
  return `${how} at ${clockText(ended.record.time)}`;
}

/** Returns true for an action that proceeds since a person approved exactly it. */
function isApproved(found: FoundRecord): boolean {
  const { record } = found;
  const grants = inputOf(found)?.facts.grants ?? [];
  const isExact = (id: unknown): boolean => grants.some((grant) => grant.exact && grant.id === id);
  return isJudged(record) && record.answer.reasons.some(({ code, params }) => code === "granted" && isExact(params["grant"]));
}

function valueDrawn({ path, text, known, y }: Row["values"][number], sources: ReadonlyMap<string, Row>): Html {
  const lines = known.sources.flatMap(({ writer, record, path: place }) => {
    const row = record === null ? null : sources.get(record);
    if (row === undefined) return [];
    const whence = row === null ? place : `${place === "" ? "the text" : place} of ${actionText(row.found)}`;
    return [edge(row?.y ?? ROW + 14, y, kindOf(writer), `${known.kind} in ${path}, from ${whence}: ${WRITER_WORDS[writer]}`)];
  });
  const whose = known.excluded ? "the user excludes it" : WRITER_WORDS[known.writer];
  return html`${lines}
    ${lines.length === 0 ? html`<path class="none" d="M ${String(ACTION_X - 60)} ${String(y)} H ${String(ACTION_X - 6)}" />` : null}
    <text class="dim arrow" x="${String(ACTION_X - 8)}" y="${String(y + 13)}" text-anchor="end"
      >${short(`${path}: ${known.kind}`, ARROW_TEXT_MAX)}</text
    >
    <text x="${String(ACTION_X + 14)}" y="${String(y + 4)}"
      ><tspan>${short(text, VALUE_MAX)}</tspan>
      <tspan class="dim">${`${known.role}: ${whose}${known.secret ? ", a secret" : ""}`}</tspan></text
    >`;
}

/** Drawn from a source to a value. */
function edge(from: number, to: number, kind: string, title: string): Html {
  const [x0, x1] = [SOURCE_X + 7, ACTION_X - 4];
  const middle = (x0 + x1) / 2;
  return html`<path
    class="${kind}"
    d="M ${String(x0)} ${String(from)} C ${String(middle)} ${String(from)} ${String(middle)} ${String(to)} ${String(x1)} ${String(to)}"
    ><title>${title}</title></path
  >`;
}

const WRITER_WORDS: Readonly<Record<FoundWriter, string>> = {
  user: "the user says it",
  own: "a fact of the user's own",
  service: "a service's record",
  member: "a member wrote it",
  anyone: "anyone could have written it",
  nowhere: "seen nowhere",
  unknown: "not known",
};

function kindOf(writer: FoundWriter): string {
  if (writer === "user" || writer === "own" || writer === "service") return "trusted";
  return writer === "member" ? "member" : writer === "anyone" ? "foreign" : "none";
}

function notableDrawn(one: StoryRecord): Html {
  const { record } = one.found;
  const seqs = [one.found, ...one.again].map(({ seq }) => seq);
  const reasons = isJudged(record) ? record.answer.reasons.filter(({ effect }) => effect !== "allow" && effect !== "log") : [];
  const kind = { done: "", flagged: "", waits: "stricter", stopped: "freer" }[stateOf(one.found)];
  return html`<section class="change ${kind}">
    <header>
      <h3>${actionText(one.found)}</h3>
      <span class="soft">${seqs.length === 1 ? "record" : "records"} ${seqs.join(", ")}, ${when(one.found)}</span>
    </header>
    ${reasons.map(({ code, message }) => html`<p class="turn"><code>${code}</code> ${message}</p>`)}
    <p class="soft">${fateOf(one)}</p>
  </section>`;
}

interface ShownInput {
  request: Pick<PolicyInput["request"], "arguments" | "resource">;
  facts: { flow: FlowFactsInput | null; grants?: { id: string; exact: boolean }[] };
}

/** Null where it stands beside the record. */
function inputOf({ record }: FoundRecord): ShownInput | null {
  return isJudged(record) && record.input !== undefined ? (record.input as unknown as ShownInput) : null;
}

/** Value at a path as `recipients/0`; of one within a text (`body#1`) the text. */
function valueText(input: ShownInput | null, path: string): string {
  const [place = ""] = path.split("#");
  if (place === "id") return input?.request.resource.id ?? "";
  let at: unknown = input?.request.arguments;
  for (const step of place.split("/")) {
    if (typeof at !== "object" || at === null || !Object.hasOwn(at, step)) return path;
    at = (at as Record<string, unknown>)[step];
  }
  return typeof at === "string" ? at : JSON.stringify(at);
}

function short(text: string, max: number): string {
  return text.length > max ? `${text.slice(0, max - 1)}…` : text;
}
