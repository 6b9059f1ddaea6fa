/** Operations that the guard needs from Remit, whether a service decides or an engine in the guard's own process. */
import { RemitClient } from "../../client/index.js";
import { nodeOutside } from "../outside.js";

export interface Remit {
  guard: RemitClient["guard"];
  /** Once it resolves, whoever decides knows the task. @throws Undecided */
  createTask: RemitClient["createTask"];
  endTask: RemitClient["endTask"];
  report: RemitClient["report"];
  /** Decides no more. Resolves when what became of calls is told, or lost. */
  close: () => Promise<void>;
}

/** Returns a client of the service at `url`, or at one of several. @param token called for each request, so that the token can be renewed */
export function asking(url: string | readonly string[], token: () => string): RemitClient {
  return new RemitClient({ url, token }, nodeOutside());
}
