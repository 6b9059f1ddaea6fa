/** What the guard needs of Remit, whoever decides: the service, or an engine in the guard's own process beside it. */
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

/** The service at `url` decides. @param token asked for anew for each request, so that it can be renewed */
export function asking(url: string, token: () => string): RemitClient {
  return new RemitClient({ url, token }, nodeOutside());
}
