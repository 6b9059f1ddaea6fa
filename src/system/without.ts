/** A copy without these members. */
export function without<T extends object, K extends keyof T>(from: T, ...members: K[]): Omit<T, K> {
  const copy: Partial<T> = { ...from };
  for (const member of members) Reflect.deleteProperty(copy, member);
  return copy as Omit<T, K>;
}
