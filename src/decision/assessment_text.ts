/** Text of an act's assessment: most are one of few objects, whose texts are kept. */
import { canonical, type Assessment } from "../contract/index.js";

const texts = new WeakMap<Assessment, string>();

/** Canonical JSON. */
export function assessmentText(assessed: Assessment): string {
  let text = texts.get(assessed);
  if (text === undefined) texts.set(assessed, (text = canonical(assessed)));
  return text;
}
