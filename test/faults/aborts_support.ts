import { expect } from "chai";
import type { Answer } from "../../src/contract/index.js";

export const FAILED = "deny evaluation_failed";

export async function answersOf(response: Response): Promise<Answer[]> {
  expect(response.status).to.equal(200);
  return ((await response.json()) as { answers: Answer[] }).answers;
}
