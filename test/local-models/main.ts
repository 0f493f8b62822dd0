import { env, exit } from "node:process";
import { runLocalModels } from "./run.ts";

exit(await runLocalModels(env, (line) => console.log(line)));
