/** Bars as an SVG that reads on light and dark pages. */
export interface Panel {
  title: string;
  bars: { label: string; value: number; ours: boolean }[];
}

const WIDTH = 760;
const LABELS = 200;
const VALUES = 80;
const BAR = 18;
const GAP = 8;
const TITLE = 34;

const STYLE = `text{font:13px system-ui,sans-serif;fill:#24292f}.title{font-weight:600}.bar{fill:#8c959f}.ours{fill:#0969da}
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.bar{fill:#6e7681}.ours{fill:#58a6ff}}`;

export function chart(panels: Panel[]): string {
  const parts: string[] = [];
  let y = 0;
  for (const { title, bars } of panels) {
    const most = Math.max(...bars.map(({ value }) => value));
    parts.push(`<text class="title" x="0" y="${y + 22}">${escaped(title)}</text>`);
    y += TITLE;
    for (const { label, value, ours } of bars) {
      const width = Math.max(1, ((WIDTH - LABELS - VALUES) * value) / most).toFixed(1);
      const middle = y + BAR - 4;
      parts.push(
        `<text x="${LABELS - 10}" y="${middle}" text-anchor="end">${escaped(label)}</text>`,
        `<rect class="${ours ? "ours" : "bar"}" x="${LABELS}" y="${y}" width="${width}" height="${BAR}" rx="2"/>`,
        `<text x="${LABELS + Number(width) + 8}" y="${middle}">${shown(value)}</text>`,
      );
      y += BAR + GAP;
    }
    y += GAP;
  }
  const frame = `xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y}" width="${WIDTH}" height="${y}" role="img"`;
  return `<svg ${frame}>\n<style>${STYLE}</style>\n${parts.join("\n")}\n</svg>\n`;
}

function shown(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString("en") : value.toPrecision(3);
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
