/** Resource URIs with variables, such as `crm://customers/{customer}`: level 1 of RFC 6570, read backwards. */
import { isCanonicalId } from "../contract/index.js";
import { MappingError } from "./call_mapping.js";

const VARIABLE = /\{([A-Za-z_][A-Za-z0-9_]{0,63})\}/g;
/** Pattern for the value of a variable: one segment, not percent-encoded, which would give it a second spelling. */
const SEGMENT = "([^/?#%\\\\{}]{1,256})";
const URI_LENGTH_MAX = 2048;

export class UriPattern {
  readonly variables: readonly string[];
  /** Without its variables' names: two templates with the same shape are for the same resources. */
  readonly shape: string;
  readonly #pattern: RegExp;

  /** @throws MappingError */
  constructor(text: unknown) {
    if (typeof text !== "string" || !/^[a-z][a-z0-9+.-]*:./.test(text) || text.length > URI_LENGTH_MAX)
      throw new MappingError(["uri"], "must be a URI, with {variables} for segments");
    this.variables = [...text.matchAll(VARIABLE)].map(([, name = ""]) => name);
    if (new Set(this.variables).size !== this.variables.length) throw new MappingError(["uri"], "a variable stands in it twice");
    const literals = text.split(VARIABLE).filter((_, i) => i % 2 === 0);
    if (literals.some((literal) => /[{}]/.test(literal))) throw new MappingError(["uri"], "{…} must be a variable's name");
    if (literals.slice(1, -1).includes("")) throw new MappingError(["uri"], "something must stand between two variables");
    this.shape = shapeOf(text);
    this.#pattern = new RegExp(`^${literals.map((literal) => literal.replace(/[.*+?^$()|[\]\\]/g, "\\$&")).join(SEGMENT)}$`);
  }

  /** Returns the values of the variables in this URI; null if it doesn't match, or isn't spelled canonically. */
  match(uri: string): Record<string, string> | null {
    if (uri.length > URI_LENGTH_MAX) return null;
    const found = this.#pattern.exec(uri);
    if (found === null) return null;
    const values = found.slice(1);
    if (values.some((value) => /^\.{1,2}$/.test(value) || !isCanonicalId(value))) return null;
    return Object.fromEntries(this.variables.map((name, i) => [name, values[i] ?? ""]));
  }
}

export function shapeOf(template: string): string {
  return template.replace(/\{[^{}]*\}/g, "{}");
}
