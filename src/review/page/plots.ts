/** Plots of a review as SVG, coloured by the page's style. Each says its numbers as text too; none needs its colours to be read. */
import { html, type Html } from "../../replay/page/html.js";
import type { AgentPurpose, Slot } from "../report.js";

export const DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"] as const;

const DAY_MS = 86_400_000;
/** Writes a length of a plot. */
export const px = (n: number): string => n.toFixed(1).replace(/\.0$/, "");

const BARS = { width: 1000, narrow: 480, height: 150, left: 46, bottom: 22, top: 8, bar: 34 };

export type Series = "allow" | "flag" | "deny" | "log";
const SLOT_OF: Readonly<Record<Series, number>> = { allow: 0, flag: 1, deny: 2, log: 3 };

/** When the parts begin that activity is counted in. */
export interface Times {
  from_ms: number;
  slot_ms: number;
}

/** Activity over time, stacked. @param half whether it has half a page's width */
export function bars(slots: readonly Slot[], series: readonly Series[], { from_ms, slot_ms }: Times, label: string, half = false): Html {
  const { height, left, bottom, top } = BARS;
  const width = half ? BARS.narrow : BARS.width;
  const named = (i: number): string => momentOf(from_ms + i * slot_ms, slot_ms);
  const sum = (slot: Slot): number => series.reduce((total, one) => total + (slot[SLOT_OF[one]] ?? 0), 0);
  const most = Math.max(1, ...slots.map(sum));
  const step = (width - left) / Math.max(1, slots.length);
  const room = height - top - bottom;
  const wide = Math.min(step * 0.8, BARS.bar);
  const columns = slots.map((slot, i) => {
    let y = height - bottom;
    const rects = series.map((one) => {
      const tall = ((slot[SLOT_OF[one]] ?? 0) / most) * room;
      y -= tall;
      return tall === 0
        ? html``
        : html`<rect class="${one}" x="${px(left + (i + 0.5) * step - wide / 2)}" y="${px(y)}" width="${px(wide)}" height="${px(tall)}" />`;
    });
    const parts = series.map((one) => `${one} ${slot[SLOT_OF[one]] ?? 0}`).join(", ");
    return sum(slot) === 0 ? html`` : html`<g><title>${`${named(i)}: ${parts}`}</title>${rects}</g>`;
  });
  const ticks = [0, ...(most % 2 === 0 ? [0.5] : []), 1].map((share) => {
    const y = px(height - bottom - share * room);
    return html`<line class="grid" x1="${px(left)}" x2="${px(width)}" y1="${y}" y2="${y}" /><text
        x="${px(left - 8)}"
        y="${px(height - bottom - share * room + 4)}"
        text-anchor="end"
        >${short(share * most)}</text
      >`;
  });
  const dates = [
    ...new Set([0, ...(half ? [] : [Math.floor(slots.length / 3), Math.floor((2 * slots.length) / 3)]), slots.length - 1]),
  ].filter((i) => i >= 0);
  const names = dates.map((i) => {
    const anchor = i === 0 ? "start" : i === slots.length - 1 ? "end" : "middle";
    const x = i === 0 ? left : i === slots.length - 1 ? width : left + (i + 0.5) * step;
    return html`<text x="${px(x)}" y="${px(height - 5)}" text-anchor="${anchor}">${named(i)}</text>`;
  });
  return html`<svg class="plot" viewBox="0 0 ${px(width)} ${px(height)}" role="img" aria-label="${label}">${ticks}${columns}${names}</svg>`;
}

const HEAT = { cell: 22, gap: 2, left: 38, top: 20 };

/** Hours of the week: the darker, the more. */
export function heat(hours: readonly (readonly number[])[], label: string): Html {
  const { cell, gap, left, top } = HEAT;
  const step = cell + gap;
  const most = Math.max(1, ...hours.flat());
  const rows = hours.map((day, d) => {
    const name = DAYS[d] ?? "";
    const cells = day.map((n, h) => {
      const at = html`x="${px(left + h * step)}" y="${px(top + d * step)}" width="${px(cell)}" height="${px(cell)}" rx="3"`;
      const says = `${name} ${String(h).padStart(2, "0")}:00: ${n}`;
      // The square root, so that few among many are still seen.
      return n === 0
        ? html`<rect class="empty" ${at} />`
        : html`<g><title>${says}</title><rect class="cell" ${at} fill-opacity="${(0.16 + 0.84 * Math.sqrt(n / most)).toFixed(2)}" /></g>`;
    });
    return html`<text x="${px(left - 8)}" y="${px(top + d * step + 15)}" text-anchor="end">${name}</text>${cells}`;
  });
  const names = [0, 6, 12, 18].map(
    (h) => html`<text x="${px(left + h * step + cell / 2)}" y="13" text-anchor="middle">${`${String(h).padStart(2, "0")}:00`}</text>`,
  );
  return html`<svg class="plot heat" viewBox="0 0 ${px(left + 24 * step)} ${px(top + 7 * step)}" role="img" aria-label="${label}">
    ${names}${rows}
  </svg>`;
}

export interface MatrixCell {
  /** Permitted, as far as any entry says. */
  may: boolean;
  used: number;
  flagged: number;
  refused: number;
}

/** Cells by `verb type`. */
export type MatrixCells = ReadonlyMap<string, MatrixCell>;

/** Returns what was permitted, used and refused, for verbs (rows) on types (columns). */
export function cellsOf(agents: readonly Pick<AgentPurpose, "may" | "did">[]): MatrixCells {
  const cells = new Map<string, MatrixCell>();
  const at = (verb: string, type: string): MatrixCell => {
    const key = `${verb} ${type}`;
    const cell = cells.get(key) ?? { may: false, used: 0, flagged: 0, refused: 0 };
    cells.set(key, cell);
    return cell;
  };
  for (const { may, did } of agents) {
    for (const { verb, type, in_force } of may) if (in_force) at(verb, type).may = true;
    for (const { verb, type, allow, flag_proceed, flag_wait, deny } of did) {
      const cell = at(verb, type);
      cell.used += allow;
      cell.flagged += flag_proceed + flag_wait;
      cell.refused += deny;
    }
  }
  return cells;
}

const BOX = { width: 96, height: 52, gap: 6, left: 108, top: 26 };
const FOOT = { aside: 8, above: 6 };
const LINES_MAX = 24;
const NAME_LENGTH_MAX = 16;

export function matrix(cells: MatrixCells, label: string): Html {
  const words = (part: 0 | 1): string[] => [...new Set([...cells.keys()].map((key) => key.split(" ")[part] ?? ""))];
  const [verbs, types] = [words(0).slice(0, LINES_MAX), words(1).slice(0, LINES_MAX)];
  const { width, height, gap, left, top } = BOX;
  const heads = types.map(
    (type, i) =>
      html`<text class="name" x="${px(left + i * (width + gap) + width / 2)}" y="${px(top - 9)}" text-anchor="middle"
        >${fitted(type)}</text
      >`,
  );
  const rows = verbs.map((verb, r) => {
    const y = top + r * (height + gap);
    const boxes = types.map((type, c) => box(left + c * (width + gap), y, cells.get(`${verb} ${type}`) ?? null, `${verb} ${type}`));
    return html`<text class="name" x="${px(left - 10)}" y="${px(y + height / 2 + 4)}" text-anchor="end">${fitted(verb)}</text>${boxes}`;
  });
  const size = html`${px(left + types.length * (width + gap))} ${px(top + verbs.length * (height + gap))}`;
  // As wide as it has columns: boxes of all matrices are alike.
  const wide = Math.min(100, ((left + types.length * (width + gap)) / 980) * 100).toFixed(1);
  return html`<svg class="plot" viewBox="0 0 ${size}" width="${wide}%" role="img" aria-label="${label}">${heads}${rows}</svg>`;
}

function box(x: number, y: number, cell: MatrixCell | null, name: string): Html {
  const { width, height } = BOX;
  const at = html`x="${px(x)}" y="${px(y)}" width="${px(width)}" height="${px(height)}" rx="6"`;
  if (cell === null) return html``;
  const { may, used, flagged, refused } = cell;
  const kind = used > 0 ? "used" : flagged > 0 ? "flagged" : refused > 0 ? "refused" : "idle";
  const says = [
    ...(used > 0 ? [`${short(used)} ×`] : []),
    ...(flagged > 0 ? [`${short(flagged)} flagged`] : []),
    ...(refused > 0 ? [`${short(refused)} refused`] : []),
  ];
  const lines = says.length === 0 ? [may ? "never used" : "gone"] : says;
  const texts = lines.map(
    (line, i) =>
      html`<text class="in" x="${px(x + width / 2)}" y="${px(y + height / 2 + 2 + (i - (lines.length - 1) / 2) * 13)}" text-anchor="middle"
        >${line}</text
      >`,
  );
  return html`<g
    ><title>${`${name}: ${lines.join(", ")}${may ? "" : ", not permitted"}`}</title
    ><rect class="box ${kind}" ${at} />${shares(x, y, cell)}${texts}</g
  >`;
}

/** Along a box's foot: which parts were allowed, flagged and refused. */
function shares(x: number, y: number, { used, flagged, refused }: MatrixCell): Html {
  const all = used + flagged + refused;
  if (all === 0) return html``;
  const room = BOX.width - 2 * FOOT.aside;
  let at = x + FOOT.aside;
  const parts = (
    [
      ["allow", used],
      ["flag", flagged],
      ["deny", refused],
    ] as const
  ).map(([kind, n]) => {
    const width = (n / all) * room;
    at += width;
    return n === 0
      ? html``
      : html`<rect class="${kind}" x="${px(at - width)}" y="${px(y + BOX.height - FOOT.above)}" width="${px(width)}" height="3" />`;
  });
  return html`${parts}`;
}

function fitted(name: string): string {
  return name.length > NAME_LENGTH_MAX ? `${name.slice(0, NAME_LENGTH_MAX - 1)}…` : name;
}

/** `1.2k`: for where a number has little room. */
export function short(n: number): string {
  if (n >= 1e6) return `${(n / 1e6).toFixed(1)}M`;
  if (n >= 10_000) return `${Math.round(n / 1000)}k`;
  return Number.isInteger(n) ? n.toLocaleString("en") : n.toFixed(1);
}

/** Formats a moment precisely enough to tell one slot from the next. */
export function momentOf(ms: number, slot_ms: number): string {
  return slot_ms < DAY_MS ? `${dayOf(ms)} ${new Date(ms).toISOString().slice(11, 16)}` : dayOf(ms);
}

export function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}
