/** @file The router laws. The capped rule, a solver of a hundred steps, has its turn in `test/slow/routing-laws.test.ts`. */

import { routerLaws } from "./laws.ts";
import { CASES } from "./routers.ts";

routerLaws(CASES.filter(({ router }) => router.name !== "expert-choice-capped"));
