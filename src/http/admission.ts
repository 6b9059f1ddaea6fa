/** Sheds load while that is cheap: once the body is there, since slow ones must not count, and before anyone reads it. */
import { Problem } from "../contract/index.js";

/** @throws Problem `overloaded` where `max` are under way */
export type Admit = <T>(decide: () => Promise<T>) => Promise<T>;

export function admission(max: number): Admit {
  let underWay = 0;
  return async (decide) => {
    if (underWay >= max) throw new Problem("overloaded");
    underWay++;
    try {
      return await decide();
    } finally {
      underWay--;
    }
  };
}
