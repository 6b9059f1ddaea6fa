/** The table from → to, drawn: how many decisions, how large a part of those with the same verdict on record, and which way. */
import { VERDICTS, type Matrix, type ChangeVerdict } from "../tally.js";
import { html, type Html } from "./html.js";

export const VERDICT_WORDS: Readonly<Record<ChangeVerdict, string>> = {
  allow: "allow",
  flag_proceed: "flag, go on",
  flag_wait: "flag, wait",
  deny: "deny",
};

const CELL = { width: 132, height: 64, gap: 6 };
const LEFT = 118;
const TOP = 52;
const OPACITY = { least: 0.16, most: 0.62, same: 0.36 };

/** Draws the matrix as SVG, coloured by the page's style. Decisions that became freer are below the diagonal, stricter ones above it. */
export function drawn(matrix: Matrix): Html {
  const step = { x: CELL.width + CELL.gap, y: CELL.height + CELL.gap };
  const [width, height] = [LEFT + VERDICTS.length * step.x, TOP + VERDICTS.length * step.y];
  const columns = VERDICTS.map(
    (verdict, i) =>
      html`<text class="axis" x="${px(LEFT + i * step.x + CELL.width / 2)}" y="${px(TOP - 12)}" text-anchor="middle"
        >${VERDICT_WORDS[verdict]}</text
      >`,
  );
  const rows = VERDICTS.map((verdict, row) => {
    const y = TOP + row * step.y;
    const total = (matrix[row] ?? []).reduce((sum, count) => sum + count, 0);
    const label = html`<text class="axis" x="${px(LEFT - 14)}" y="${px(y + CELL.height / 2 + 5)}" text-anchor="end"
      >${VERDICT_WORDS[verdict]}</text
    >`;
    const cells = VERDICTS.map((to, column) =>
      cell(LEFT + column * step.x, y, matrix[row]?.[column] ?? 0, total, column - row, `${verdict} to ${to}`),
    );
    return html`${label}${cells}`;
  });
  return html`<svg
    class="matrix"
    viewBox="0 0 ${px(width)} ${px(height)}"
    role="img"
    aria-label="Decisions on record, by row, and what they would be, by column"
  >
    <text class="corner" x="${px(LEFT - 14)}" y="${px(TOP - 12)}" text-anchor="end">was ↓ would be →</text>
    ${columns}${rows}
  </svg>`;
}

function cell(x: number, y: number, count: number, ofRow: number, way: number, title: string): Html {
  const kind = count === 0 ? "none" : way === 0 ? "same" : way < 0 ? "freer" : "stricter";
  const share = ofRow === 0 ? 0 : count / ofRow;
  // The square root, so that few among many are still seen.
  const opacity = count === 0 ? 1 : way === 0 ? OPACITY.same : OPACITY.least + Math.sqrt(share) * (OPACITY.most - OPACITY.least);
  const middle = px(x + CELL.width / 2);
  const part =
    count === 0 || way === 0
      ? null
      : html`<text class="part" x="${middle}" y="${px(y + 49)}" text-anchor="middle">${percent(share)}</text>`;
  const at = part === null ? y + CELL.height / 2 + 6 : y + 31;
  return html`<g
    ><title>${title}: ${count}</title
    ><rect
      class="${kind}"
      x="${px(x)}"
      y="${px(y)}"
      width="${px(CELL.width)}"
      height="${px(CELL.height)}"
      rx="7"
      fill-opacity="${opacity.toFixed(2)}"
    />
    <text class="count ${kind}" x="${middle}" y="${px(at)}" text-anchor="middle">${count === 0 ? "·" : html`${count}`}</text>${part}</g
  >`;
}

export function percent(share: number): string {
  const percent = share * 100;
  return `${percent === 0 || percent >= 9.95 ? percent.toFixed(0) : percent >= 0.1 ? percent.toFixed(1) : "< 0.1"}\u00a0%`;
}

function px(n: number): string {
  return String(Math.round(n));
}
