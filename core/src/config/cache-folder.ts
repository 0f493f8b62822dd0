import { join } from "node:path";
import { findUpwards } from "./find-file.ts";

/**
 * Where compiled files of a project are kept: in its `node_modules`, never in a folder that others can write to. Undefined
 * for a project without one.
 */
export function cacheFolder(dir: string): string | undefined {
  const modules = findUpwards(dir, "node_modules");
  return modules && join(modules, ".cache", "gatewright");
}
