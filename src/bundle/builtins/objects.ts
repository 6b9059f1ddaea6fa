/** `object.subset`. */
import { membersOf, type Builtin, type Spend } from "./function.js";
import { TermSet, areEqual, termText, type RegoTerm } from "./term.js";

function isSubset(whole: RegoTerm, part: RegoTerm, spend: Spend): boolean | undefined {
  if (whole instanceof Map && part instanceof Map) return isObjectSubset(whole, part, spend);
  if (whole instanceof TermSet && part instanceof TermSet) return isSetSubset(whole.items, part.items);
  if (Array.isArray(whole) && Array.isArray(part)) return isListSubset(whole, part, spend);
  return undefined;
}

function isObjectSubset(whole: ReadonlyMap<RegoTerm, RegoTerm>, part: ReadonlyMap<RegoTerm, RegoTerm>, spend: Spend): boolean {
  const values = new Map([...whole].map(([key, value]) => [termText(key), value]));
  return [...part].every(([key, value]) => {
    const found = values.get(termText(key));
    return found !== undefined && (areEqual(value, found) || isSubset(found, value, spend) === true);
  });
}

function isSetSubset(whole: readonly RegoTerm[], part: readonly RegoTerm[]): boolean {
  const known = new Set(whole.map(termText));
  return part.every((term) => known.has(termText(term)));
}

/** OPA's own search, which goes on one further after a mismatch and not from where it began. */
function isListSubset(whole: readonly RegoTerm[], part: readonly RegoTerm[], spend: Spend): boolean {
  if (part.length > whole.length) return false;
  spend(whole.length * part.length);
  const [texts, wanted] = [whole.map(termText), part.map(termText)];
  for (let [at, found] = [0, 0]; ;) {
    if (found === wanted.length) return true;
    if (at + found === texts.length) return false;
    if (texts[at + found] === wanted[found]) found++;
    else [at, found] = [at + 1, 0];
  }
}

export const OBJECTS: Readonly<Record<string, Builtin>> = {
  "object.subset": ([whole, part], spend) => {
    if (whole === undefined || part === undefined) return undefined;
    if (Array.isArray(whole) && part instanceof TermSet) {
      // OPA looks at the members of the list until each of the set's was there; the empty set is in a list that isn't empty.
      return part.items.length === 0 ? whole.length > 0 : isSetSubset(membersOf(whole) ?? [], part.items);
    }
    return isSubset(whole, part, spend);
  },
};
