/** Small parts that a review's page is put together of. */
import { html, type Html } from "../../replay/page/html.js";

export type HtmlCell = Html | string | number;

/** A number, or words that say as much: `100 or more`, `2 of 3`. */
const NUMBER = /^[\d,]+(?: (?:or more|of [\d,]+))?$/;
const SHORT = /^(?:\S{0,14}|\d{4}-\d{2}-\d{2} [\d:]{8})$/;

/** Numbers stand right; a column of short words, or of moments, is never broken. */
export function rows(head: readonly string[], of: readonly (readonly HtmlCell[])[]): Html {
  const all = (i: number, is: (cell: HtmlCell) => boolean): boolean => of.length > 0 && of.every((row) => is(row[i] ?? ""));
  const kinds = head.map((_, i) => {
    if (all(i, (cell) => typeof cell === "number" || (typeof cell === "string" && NUMBER.test(cell)))) return "num";
    return all(i, (cell) => typeof cell === "string" && SHORT.test(cell)) ? "tight" : "";
  });
  const kind = (i: number): string => kinds[i] ?? "";
  return html`<table>
    <thead>
      <tr>
        ${head.map((name, i) => html`<th scope="col" class="${kind(i)}">${name}</th>`)}
      </tr>
    </thead>
    <tbody>
      ${of.map(
        (row) =>
          html`<tr>
            ${row.map((cell, i) => html`<td class="${kind(i)}">${cell}</td>`)}
          </tr>`,
      )}
    </tbody>
  </table>`;
}

/** `2027-03-02 09:15:00`; what isn't a moment stays as it is. */
export function dated(time: string): string {
  return /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}/.test(time) ? time.slice(0, 19).replace("T", " ") : time;
}

export function count(n: number, what: string): string {
  return `${n.toLocaleString("en")} ${what}${n === 1 ? "" : "s"}`;
}

export function list(words: readonly string[], most: number): string {
  const more = words.length - most;
  return `${words.slice(0, most).join("; ")}${more > 0 ? `; and ${more} more` : ""}`;
}
