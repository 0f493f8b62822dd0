import { setFlagsFromString } from "node:v8";

const FLAG = "--heap-growing-percent";

/**
 * Lets the heap double before all of it is looked through for garbage. Left alone, V8 does so whenever a small heap has
 * grown by some 8 MB. A few hundred streams that begin together fill them with what they need while they last, and then
 * wait some tens of milliseconds for a collection that finds next to nothing. It costs memory: at most as much again as
 * what is alive. V8 reads the value after each collection, so it may be set at run time; whoever starts Node with the
 * flag decides.
 */
export function growHeapByDoubling(): void {
  if (!process.execArgv.some((flag) => flag.replaceAll("_", "-").startsWith(FLAG)))
    setFlagsFromString(`${FLAG}=100`);
}
