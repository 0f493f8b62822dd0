import { main } from "../../core/src/cli/main.ts";

process.exit(await main(process.argv.slice(2)));
