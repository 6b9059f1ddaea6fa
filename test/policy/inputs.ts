/** Random inputs that a bundle's own words make, as the decision hands them to its policy. */
import type { UnverifiedBundle } from "../../src/bundle/verify.js";
import { Dice } from "../differential/dice.js";
import { Draw, rulesOf } from "../differential/draw.js";
import { Stage } from "../differential/scene.js";

export async function drawInputs(bundle: UnverifiedBundle, seed: number, count: number): Promise<string[]> {
  const stage = new Stage(bundle);
  const draw = new Draw(new Dice(seed), bundle.data, rulesOf(bundle));
  const inputs: string[] = [];
  while (inputs.length < count) {
    const asked = await stage.ask(draw.scene());
    if (asked !== null) inputs.push(asked.input);
  }
  return inputs;
}
